"""How the protocols lay an operation's result or error out in a response: rest-json, json and query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.model import ServiceModel, StructureShape

from sekisho.aws import xml
from sekisho.aws.errors import AwsError
from sekisho.aws.request import Response
from sekisho.aws.writer import (
    OutputError,
    StructureWriter,
    Writers,
    as_bytes,
    dumps,
    header_text,
    write_string,
)

if TYPE_CHECKING:
    from sekisho.aws.operation import Operation

REQUEST_ID = "x-amzn-RequestId"
LOCATIONS = frozenset({"header", "headers", "statusCode"})

BLOB_TYPES = {"iot-data": "application/json"}
"""The Content-Type of a blob that is a whole body; the shadow documents are JSON."""

UNMODELLED = {("iot-data", "Publish"): ("message", "traceId")}
"""Members of a body that AWS answers with though the model has no output shape."""

QUERY_CODES = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InternalFailureException": "InternalFailure",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "ServiceUnavailableException": "ServiceUnavailable",
    "ThrottlingException": "Throttling",
    "UnknownOperationException": "InvalidAction",
    "UnrecognizedClientException": "InvalidClientTokenId",
}
"""How the query services spell the errors common to all ("Common Errors", AWS STS API Reference)."""


class Renderer:
    """The responses of one service."""

    def __init__(self, name: str, protocol: str, model: ServiceModel) -> None:
        self._name = name
        self._protocol = protocol
        self._writers = Writers()
        self._json_type = f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.1')}"
        self._namespace = str(model.metadata.get("xmlNamespace", ""))
        self._bodies: dict[str, StructureWriter] = {}

    def result(self, operation: Operation, result: Mapping[str, Any], request_id: str) -> Response:
        """A success. Raises :class:`OutputError`."""
        shape = operation.output_shape
        headers = {REQUEST_ID: request_id}
        status = int(operation.model.http.get("responseCode", 200))
        if self._protocol == "query":
            headers["Content-Type"] = "text/xml"
            return Response(
                status, headers, xml.response(operation.name, self._namespace, shape, result, request_id)
            )
        if self._protocol == "json":
            headers["Content-Type"] = self._json_type
            body = self._writers.structure(shape)(result) if shape is not None else {}
            return Response(status, headers, dumps(body))
        if shape is None:
            members = UNMODELLED.get((self._name, operation.name), ())
            if not members:
                return Response(status, headers, b"")
            headers["Content-Type"] = "application/json"
            return Response(
                status, headers, dumps({name: result[name] for name in members if name in result})
            )
        status = self._place(shape, result, headers) or status
        body_bytes = b"" if status == 204 else self._rest_body(shape, result, headers)
        return Response(status, headers, body_bytes)

    def _place(self, shape: StructureShape, result: Mapping[str, Any], headers: dict[str, str]) -> int | None:
        """Writes the members that have a place outside of the body; the status, if one of them says it."""
        status = None
        for name, member in shape.members.items():
            location = member.serialization.get("location")
            value = result.get(name)
            if location not in LOCATIONS or value is None:
                continue
            try:
                if location == "statusCode":
                    status = int(value)
                elif location == "header":
                    headers[member.serialization.get("name", name)] = header_text(member, value)
                else:
                    prefix = member.serialization.get("name", "")
                    headers |= {prefix + key: header_text(member.value, text) for key, text in value.items()}
            except OutputError as error:
                error.path.append(name)
                raise
        return status

    def _rest_body(self, shape: StructureShape, result: Mapping[str, Any], headers: dict[str, str]) -> bytes:
        payload = shape.serialization.get("payload")
        if payload is None:
            headers["Content-Type"] = "application/json"
            return dumps(self._body(shape)(result))
        value = result.get(payload)
        member = shape.members[payload]
        if member.type_name == "blob":
            headers["Content-Type"] = BLOB_TYPES.get(self._name, "application/octet-stream")
            return b"" if value is None else as_bytes(value)
        if member.type_name == "string":
            headers["Content-Type"] = "text/plain"
            return b"" if value is None else write_string(value).encode()
        headers["Content-Type"] = "application/json"
        return dumps(self._writers.writer(member)({} if value is None else value))

    def _body(self, shape: StructureShape) -> StructureWriter:
        found = self._bodies.get(shape.name)
        if found is None:
            placed = frozenset(
                n for n, m in shape.members.items() if m.serialization.get("location") in LOCATIONS
            )
            found = self._bodies[shape.name] = StructureWriter(shape, self._writers, placed)
        return found

    def error(self, error: AwsError, status: int, shape: StructureShape | None, request_id: str) -> Response:
        """A failure; ``shape`` is what the service's model says of it. It never raises."""
        message = error.message.encode("utf-8", "replace").decode()
        if self._protocol == "query":
            code = shape.error_code if shape is not None else QUERY_CODES.get(error.code, error.code)
            fault = "Sender" if status < 500 else "Receiver"
            members = {name: str(value) for name, value in error.members.items() if value is not None}
            body = xml.error_response(self._namespace, fault, code, message, members, request_id)
            return Response(status, {REQUEST_ID: request_id, "Content-Type": "text/xml"}, body)
        headers = {REQUEST_ID: request_id}
        document: dict[str, Any] = {}
        if self._protocol == "json":
            headers["Content-Type"] = self._json_type
            document["__type"] = error.code
        else:
            headers["Content-Type"] = "application/json"
            headers["x-amzn-ErrorType"] = error.code
        document[_message_name(shape)] = message
        try:
            return Response(status, headers, dumps(document | self._error_members(error, shape, headers)))
        except OutputError:
            return Response(status, headers, dumps(document))

    def _error_members(
        self, error: AwsError, shape: StructureShape | None, headers: dict[str, str]
    ) -> dict[str, Any]:
        """The shape's members as it says, others as they are (shadow errors have a ``code`` of their own)."""
        members = {name: value for name, value in error.members.items() if value is not None}
        if shape is None:
            return members
        if self._protocol == "rest-json":
            self._place(shape, members, headers)
        known = {name: value for name, value in members.items() if name in shape.members}
        return {k: v for k, v in members.items() if k not in known} | self._body(shape)(known)


def _message_name(shape: StructureShape | None) -> str:
    """``message``, as most services spell it, or as this shape does."""
    members = shape.members if shape is not None else {}
    spelled = (
        str(m.serialization.get("name", name)) for name, m in members.items() if name.lower() == "message"
    )
    return next(spelled, "message")
