"""One operation of a service, from the server's side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from botocore import xform_name
from botocore.model import OperationModel, StructureShape

from sekisho.aws import binding
from sekisho.aws.constraints import Checks, Failures
from sekisho.aws.errors import (
    AwsError,
    InvalidRequestException,
    SerializationException,
    ValidationException,
)
from sekisho.aws.reader import Readers, WrongType
from sekisho.aws.request import Request, Response

Render = Callable[["Operation", Mapping[str, Any], str], Response]

TOO_DEEP = "the document is nested too deeply"


class Context:
    """What the operations of one service share."""

    __slots__ = ("checks", "protocol", "readers", "render", "validation_error")

    def __init__(self, protocol: str, validation_error: type[AwsError], render: Render) -> None:
        self.protocol = protocol
        self.validation_error = validation_error
        self.render = render
        self.readers = Readers()
        self.checks = Checks()


class Operation:
    """``name`` is AWS's, ``python_name`` boto3's; ``members`` are its input's, in AWS's spelling."""

    def __init__(
        self, name: str, members: frozenset[str], load: Callable[[str], OperationModel], context: Context
    ):
        self.name = name
        self.python_name: str = xform_name(name)
        self.members = members
        self._load = load
        self._context = context

    def __repr__(self) -> str:
        return f"Operation({self.name})"

    @cached_property
    def model(self) -> OperationModel:
        """What botocore says about it; read when first needed."""
        return self._load(self.name)

    @property
    def input_shape(self) -> StructureShape | None:
        return self.model.input_shape

    @property
    def output_shape(self) -> StructureShape | None:
        return self.model.output_shape

    @cached_property
    def _bind(self) -> binding.Bind:
        shape = self.input_shape
        if shape is None:
            return binding.bind_nothing
        match self._context.protocol:
            case "query":
                return binding.Query(shape)
            case "json":
                return binding.Json(shape, self._context.readers)
        return binding.RestJson(shape, self._context.readers)

    def parse(self, request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
        """The members that the request carries; timestamps as epoch seconds, blobs as bytes.

        ``labels`` are what :meth:`Service.match` returned. Unknown members are ignored, as AWS does.
        Raises SerializationException naming the member that has a wrong type.
        """
        try:
            return self._bind(request, labels)
        except WrongType as error:
            raise SerializationException(error.told()) from None
        except RecursionError:
            raise SerializationException(TOO_DEEP) from None

    def validate(self, members: Mapping[str, Any]) -> None:
        """Holds members against the model: required, min, max, pattern, enum, and their types.

        Raises the service's validation error with all failures in AWS's words.
        """
        failures = Failures()
        shape = self.input_shape
        if shape is None:
            return
        try:
            self._context.checks.check(shape)(members, (), failures)
        except RecursionError:
            raise SerializationException(TOO_DEEP) from None
        if failures.count:
            raise self._validation_error()(failures.told())

    def _validation_error(self) -> type[AwsError]:
        """The service's, unless this operation's family has ValidationException in its place."""
        usual = self._context.validation_error
        known = {shape.name for shape in self.model.error_shapes}
        return ValidationException if usual.__name__ not in known >= {"ValidationException"} else usual

    def spelled(self, error: AwsError) -> AwsError:
        """An InvalidRequestException as ValidationException where the model has only the second: what several
        families share, such as page tokens, raises the first."""
        known = {shape.name for shape in self.model.error_shapes}
        if type(error) is InvalidRequestException and "ValidationException" in known:
            return error if "InvalidRequestException" in known else ValidationException(error.message)
        return error

    def serialize(self, result: Mapping[str, Any] | None, request_id: str) -> Response:
        """What the operation returned, on the wire: what the output shape names, and no more.

        Raises :class:`sekisho.aws.writer.OutputError` if a value is not what the shape asks for.
        """
        return self._context.render(self, result or {}, request_id)
