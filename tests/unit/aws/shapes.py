"""Random values for the models' shapes, and the client's side of the wire by botocore itself."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import botocore.serialize
from botocore.awsrequest import (
    AWSPreparedRequest,
    AWSRequest,
    HeadersDict,
    create_request_object,
    prepare_request_dict,
)
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from sekisho.aws.patterns import compile_pattern
from sekisho.aws.request import Request, Response
from sekisho.aws.service import PREFERENCE, Service

SERVICES = ("iot", "iot-data", "iot-jobs-data", "iam", "sts", "acm", "iotidentity", "sekisho")

SUBSECONDS = hasattr(botocore.serialize, "TIMESTAMP_PRECISION_DEFAULT")
"""Older clients send whole seconds."""

ENDPOINT = "https://node.example:8443"

TEXTS = (
    "a b",
    "ü日本😀",
    "100%",
    "a/b",
    "a+b&c=d",
    '"quoted", \\',
    "<x>&amp;",
    "#?;:@$!*'()~^|",
    "0",
    "true",
    "null",
)
ALPHABETS = ("abcdefXYZ", "0123456789", "0123456789abcdef", "ABCDEF", "abc-_9", "aZ/0.:_-", "!a~", "x")
SAMPLES = (
    "arn:aws:iot:eu-west-1:123456789012:thing/a b",
    "arn:aws:acm:eu-west-1:123456789012:certificate/ab-c1",
    "arn:aws:acm:eu-west-1:123456789012:acme-endpoint/ab-c1",
    "arn:aws:acm:eu-west-1:123456789012:acme-endpoint/a/acme-external-account-binding/b",
    "arn:aws:acm:eu-west-1:123456789012:acme-endpoint/a/acme-domain-validation/b",
    "arn:aws:iam::123456789012:role/a",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/a",
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "a.example.com",
    "0a:1b",
    "Z0",
    "https://example.com/a",
    "https://ingestion-a1.b2.sfdcnow.com/streams/s/t/event",
    "12",
    "1.0",
    "LAST",
    "p99",
    ",",
    "$next",
    "arn:x",
    "/",
    "/a/b/",
    "v1",
    "123456789012",
    "o-0123456789",
    "o-0123456789/r-0123/",
    "p-0123456789",
)


@cache
def service(name: str) -> Service:
    return Service.load(name)


@cache
def shapes_of_operations() -> list[tuple[str, str]]:
    """Every operation of every service at hand."""
    return [(name, operation) for name in SERVICES for operation in service(name).operations]


class Values:
    """Random values, the same for the same seed. The query protocol has no empty structure or map."""

    def __init__(self, seed: str, protocol: str = "") -> None:
        self.random = random.Random(seed)
        self.hollow = protocol != "query"

    def structure(self, shape: StructureShape, depth: int = 0, leave_out: float = 0.4) -> dict[str, Any]:
        found = {}
        if shape.is_tagged_union:
            # Some contain themselves, and name last what does not.
            name = self.random.choice(list(shape.members)[-1 if depth > 4 else 0 :])
            return {name: self.value(shape.members[name], depth + 1)}
        for name, member in shape.members.items():
            wanted = name in shape.required_members
            if wanted or (depth < 6 and self.random.random() > leave_out):
                found[name] = self.value(member, depth + 1)
        if not found and depth and not self.hollow:
            name, member = next(iter(shape.members.items()))
            found[name] = self.value(member, depth + 1)
        return found

    def value(self, shape: Shape, depth: int = 0) -> Any:
        match shape:
            case StructureShape():
                return self.structure(shape, depth, 0.6)
            case ListShape():
                return [self.value(shape.member, depth + 1) for _ in range(self._size(shape))]
            case MapShape():
                size = self._size(shape) or int(not self.hollow)
                return {self.value(shape.key): self.value(shape.value, depth + 1) for _ in range(size)}
        if shape.serialization.get("jsonvalue"):
            return self.random.choice(([{"a": "ü"}, {"b": "2"}], {"k": [1, None]}, "text"))
        return getattr(self, f"_{shape.type_name}")(shape)

    def _size(self, shape: Shape) -> int:
        low = shape.metadata.get("min", 0)
        return self.random.randint(low, min(shape.metadata.get("max", low + 3), low + 3))

    def _string(self, shape: Shape) -> str:
        placed = shape.serialization.get("location")
        if shape.metadata.get("enum"):
            return self.random.choice(shape.metadata["enum"])
        low = shape.metadata.get("min", 1 if placed else 0)
        high = shape.metadata.get("max", low + 40)
        pattern = shape.metadata.get("pattern")
        regex = compile_pattern(pattern) if pattern else None
        for text in (*(self._text(low, high) for _ in range(100)), *SAMPLES):
            if not low <= len(text) <= high or (regex is not None and not regex.fullmatch(text)):
                continue
            if placed == "header" and (not text.isascii() or not text.isprintable() or text != text.strip()):
                continue
            return text
        raise AssertionError(f"no value found for {shape.name}: {pattern}")

    def _text(self, low: int, high: int) -> str:
        choice = self.random.random()
        if choice < 0.25:
            return self.random.choice(TEXTS)
        if choice < 0.4:
            return self.random.choice(SAMPLES)
        size = self.random.randint(low, min(high, low + 8))
        alphabet = self.random.choice(ALPHABETS)
        return "".join(self.random.choice(alphabet) for _ in range(size))

    def _bounded(self, shape: Shape, low: int, high: int) -> int:
        low = max(low, int(shape.metadata.get("min", low)))
        return self.random.randint(low, max(low, min(high, int(shape.metadata.get("max", high)))))

    def _integer(self, shape: Shape) -> int:
        return self._bounded(shape, -(2**31), 2**31 - 1)

    def _long(self, shape: Shape) -> int:
        return self._bounded(shape, -(2**63), 2**63 - 1)

    def _double(self, shape: Shape) -> float:
        low = float(max(shape.metadata.get("min", -1000), -1000))
        return self.random.uniform(low, float(min(shape.metadata.get("max", 1000), 1000)))

    _float = _double

    def _boolean(self, shape: Shape) -> bool:
        return self.random.random() < 0.5

    def _blob(self, shape: Shape) -> bytes:
        return self.random.randbytes(max(1, self._size(shape)))

    def _timestamp(self, shape: Shape) -> datetime:
        milliseconds = self.random.randint(0, 4_000_000_000_000)
        return datetime.fromtimestamp(milliseconds / 1000 if SUBSECONDS else milliseconds // 1000, UTC)


def epochs(value: Any) -> Any:
    """The same value with datetimes as epoch seconds, as operations see them."""
    match value:
        case datetime():
            return round(value.timestamp(), 3)
        case dict():
            return {key: epochs(inner) for key, inner in value.items()}
        case list():
            return [epochs(inner) for inner in value]
    return value


def aws_request(operation: OperationModel, members: Mapping[str, Any]) -> AWSRequest:
    """What botocore's client would sign and send."""
    metadata = operation.service_model.metadata
    spoken = metadata.get("protocols") or [metadata["protocol"]]
    serializer = create_serializer(next(protocol for protocol in PREFERENCE if protocol in spoken))
    wire = serializer.serialize_to_request(dict(members), operation)
    prepare_request_dict(wire, ENDPOINT, context={}, user_agent="test")
    return create_request_object(wire)


def received(prepared: AWSPreparedRequest) -> Request:
    """The request as a server gets it from the wire."""
    url = urlsplit(prepared.url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in prepared.headers.items()
    }
    body = prepared.body or b""
    if isinstance(body, str):
        body = body.encode()
    headers.setdefault("host", url.netloc)
    return Request(prepared.method, url.path, url.query, headers, bytes(body))


def sent(operation: OperationModel, members: Mapping[str, Any]) -> Request:
    return received(aws_request(operation, members).prepare())


def read_by_client(service: Service, response: Response, shape: Shape | None) -> dict[str, Any]:
    """What botocore's client makes of a response; a blob that is the whole body comes as its stream."""
    headers = HeadersDict(response.headers)
    body: Any = response.body
    payload = shape.serialization.get("payload") if shape is not None else None
    if payload and shape.members[payload].type_name == "blob" and response.status < 300:
        body = BytesIO(response.body)
    wire = {"status_code": response.status, "headers": headers, "body": body, "context": {}}
    parsed = create_parser(service.protocol).parse(wire, shape)
    if response.status >= 300 and parsed.get("Error"):
        error_shape = service.model.shape_for_error_code(parsed["Error"]["Code"])
        if error_shape is not None:
            parsed.update(create_parser(service.protocol).parse(wire, error_shape))
    return parsed
