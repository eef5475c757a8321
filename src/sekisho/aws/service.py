"""One AWS service, read from its botocore model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from botocore.model import ServiceModel, StructureShape

from sekisho.aws import errors
from sekisho.aws.errors import AwsError
from sekisho.aws.loading import UnknownService, load_description
from sekisho.aws.operation import Context, Operation
from sekisho.aws.rendering import REQUEST_ID, Renderer
from sekisho.aws.request import Request, Response
from sekisho.aws.routes import Routes, parse_template
from sekisho.aws.writer import dumps

__all__ = ["Operation", "Service", "UnknownService", "UnsupportedProtocol", "generic_error"]

PROTOCOLS = ("json", "rest-json", "query")

PREFERENCE = ("smithy-rpc-v2-cbor", "json", "rest-json", "rest-xml", "query", "ec2")
"""The order in which botocore chooses among a service's protocols (botocore.model.ServiceModel)."""

SLASHES_ALLOWED = {("iot-data", "Publish"): "topic"}
"""Labels that may hold raw slashes though their template has no plus: ``POST /topics/a/b`` publishes to
``a/b`` just as ``/topics/a%2Fb`` does (AWS IoT Core Developer Guide, "Device communication protocols")."""

VALIDATION_ERRORS: Mapping[str, type[AwsError]] = {
    "iotidentity": errors.InvalidParameters,
    "query": errors.ValidationError,
    "json": errors.ValidationException,
}
"""By service, then by protocol; a rest-json service that knows InvalidRequestException answers with that."""

_ACTION = re.compile(rb"(?:^|&)Action=([^&]{1,256})")


class UnsupportedProtocol(ValueError):
    """The service speaks a protocol that is not served here."""


class Service:
    """``name`` is the client's (``iot-data``), ``signing_name`` the one in signatures (``iotdata``)."""

    def __init__(self, name: str, description: Mapping[str, Any]) -> None:
        metadata = description["metadata"]
        self.name = name
        self.model = ServiceModel(description, name)
        self.protocol = _protocol(name, metadata)
        self.signing_name: str = metadata.get("signingName", metadata["endpointPrefix"])
        self._errors = _error_shapes(description)
        self._renderer = Renderer(name, self.protocol, self.model)
        context = Context(self.protocol, self._validation_error(), self._renderer.result)
        self.operations: dict[str, Operation] = {}
        self._routes: Routes[Operation] = Routes()
        self._target_prefix = f"{metadata.get('targetPrefix', '')}."
        for operation_name, raw in description["operations"].items():
            shape = description["shapes"][raw["input"]["shape"]] if "input" in raw else {}
            members = frozenset(shape.get("members", ()))
            operation = Operation(operation_name, members, self.model.operation_model, context)
            self.operations[operation_name] = operation
            if self.protocol == "rest-json":
                greedy = SLASHES_ALLOWED.get((name, operation_name), "")
                template = parse_template(raw["http"]["requestUri"], greedy)
                self._routes.add(raw["http"]["method"], template, operation)

    def __repr__(self) -> str:
        return f"Service({self.name})"

    @classmethod
    def load(cls, name: str, extra_paths: Sequence[str] = ()) -> Service:
        """The newest model of that name, of the project, of botocore, or first of ``extra_paths``.

        Raises :class:`UnknownService` or :class:`UnsupportedProtocol`.
        """
        return cls(name, load_description(name, extra_paths))

    def python_names(self) -> dict[str, Operation]:
        """The operations by their names on the client, such as ``describe_thing``."""
        return {operation.python_name: operation for operation in self.operations.values()}

    def match(self, request: Request) -> tuple[Operation, dict[str, str]] | None:
        """The operation that a request asks for, and its path labels by their names in the path."""
        if self.protocol == "rest-json":
            return self._routes.find(request.method, request.raw_path, request.query)
        name = self._called(request)
        operation = self.operations.get(name) if name is not None else None
        return (operation, {}) if operation is not None else None

    def _called(self, request: Request) -> str | None:
        if self.protocol == "json":
            target = request.headers.get("x-amz-target", "")
            return (
                target.removeprefix(self._target_prefix) if target.startswith(self._target_prefix) else None
            )
        found = _ACTION.search(request.query.encode("utf-8", "replace"))
        if found is None and request.method == "POST":
            found = _ACTION.search(request.body)
        return unquote_plus(found.group(1).decode("utf-8", "replace")) if found else None

    def error_status(self, code: str) -> int | None:
        """The HTTP status that this service's model gives an error, or None if it does not know it."""
        raw = self._errors.get(code)
        if raw is None:
            return None
        status = raw.get("error", {}).get("httpStatusCode")
        return int(status) if status else 500 if raw.get("fault") else 400

    def serialize_error(
        self, error: AwsError, request_id: str, operation: Operation | None = None
    ) -> Response:
        """A failure on the wire, with this service's status for it.

        ``operation`` is for the caller's convenience: the protocols spell an error the same for all of them.
        """
        status = self.error_status(error.code) or error.fallback_status
        return self._renderer.error(error, status, self._error_shape(error.code), request_id)

    def _error_shape(self, code: str) -> StructureShape | None:
        raw = self._errors.get(code)
        if raw is None:
            return None
        shape: StructureShape = self.model.shape_for(raw["name"])
        return shape

    def _validation_error(self) -> type[AwsError]:
        found = VALIDATION_ERRORS.get(self.name) or VALIDATION_ERRORS.get(self.protocol)
        if found is not None:
            return found
        known = "InvalidRequestException" in self._errors
        return errors.InvalidRequestException if known else errors.ValidationException


def _protocol(name: str, metadata: Mapping[str, Any]) -> str:
    spoken = metadata.get("protocols") or [metadata.get("protocol")]
    chosen = next((protocol for protocol in PREFERENCE if protocol in spoken), None)
    if chosen not in PROTOCOLS:
        raise UnsupportedProtocol(f"the service {name} speaks {chosen or spoken}, which is not served here")
    return chosen


def _error_shapes(description: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The raw error shapes, by their names and by their codes on the wire."""
    found: dict[str, dict[str, Any]] = {}
    for name, raw in description["shapes"].items():
        if raw.get("exception"):
            known = {**raw, "name": name}
            found[name] = known
            if "code" in raw.get("error", {}):
                found.setdefault(raw["error"]["code"], known)
    return found


def generic_error(error: AwsError, request_id: str) -> Response:
    """A failure before anyone knows which service was meant; clients of the JSON protocols can read it.

    A client of a query service cannot: use :meth:`Service.serialize_error` as soon as the service is known.
    """
    document = dumps({"__type": error.code, "message": error.message.encode("utf-8", "replace").decode()})
    headers = {REQUEST_ID: request_id, "Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    return Response(error.fallback_status, headers, document)
