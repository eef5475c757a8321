"""Whatever arrives, nothing but AwsError is raised; and it is quick."""

from __future__ import annotations

import random
from typing import Any

import orjson
from botocore.model import ListShape, MapShape, Shape, StructureShape

from sekisho.aws.catalog import Catalog
from sekisho.aws.errors import AwsError
from sekisho.aws.request import Request
from sekisho.aws.service import Operation
from sekisho.aws.sigv4 import credential_of, verify
from unit.aws.shapes import SERVICES, service

CASES = 20_000

CATALOG = Catalog(service(name) for name in SERVICES)
SIGNING_NAMES = ("iot", "iotdata", "iotdevicegateway", "iot-jobs-data", "sts", "sekisho", "iotidentity", "?")
PIECES = (
    "things", "thing-groups", "topics", "jobs", "shadow", "$next", "policies", "certificates", "%2F", "%",
    "%zz", "%ff", "%C3%BC", "/", "//", "..", "?", "&", "=", "+", ";", "Action=GetCallerIdentity",
    "X-Amz-Signature=", "X-Amz-Date=", "X-Amz-Credential=a/20260101/r/s/aws4_request", "maxResults=",
    "startTime=", "Action=AssumeRole&Tags.",
    "{", "}", '"', "[", "null", "1e999", "\\ud800", "\\u0000", "é", "日", "\udc80", "\x00", "\n", "a", "0",
)  # fmt: skip
HEADERS = (
    "authorization", "x-amz-date", "date", "host", "x-amz-target", "content-type", "x-amz-security-token",
    "x-amz-content-sha256", "x-amzn-principal", "x-amzn-iot-principal", "x-amz-mqtt5-user-properties",
)  # fmt: skip
VALUES = (
    "AWS4-HMAC-SHA256 Credential=a/20260101/r/iot/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
    "AWS4-HMAC-SHA256 Credential=", "20260101T000000Z", "Thu, 01 Jan 2026 00:00:00 GMT", "A.GetItem",
    "UNSIGNED-PAYLOAD", "e30=", "AWS4-HMAC-SHA256 ,,,", "Thu, 99 Xxx 99999 99:99:99", "1", "",
)  # fmt: skip
JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 1 << 63, 1.5, 1e308, "", "a", "2026-01-01", "NaN", "x" * 200, [], [None], [[1]], {},
    {"a": {}},
)  # fmt: skip


def text(dice: random.Random, most: int) -> str:
    return "".join(dice.choice(PIECES) for _ in range(dice.randrange(most)))


def document(dice: random.Random, shape: Shape, depth: int = 0) -> Any:
    """JSON that has the members' names but often not their types."""
    if dice.random() < 0.2 or depth > 5:
        return dice.choice(JUNK)
    match shape:
        case StructureShape():
            return {
                member.serialization.get("name", name): document(dice, member, depth + 1)
                for name, member in shape.members.items()
                if dice.random() < 0.6
            }
        case ListShape():
            return [document(dice, shape.member, depth + 1) for _ in range(dice.randrange(3))]
        case MapShape():
            return {dice.choice(PIECES[:20]): document(dice, shape.value, depth + 1)}
    return dice.choice(JUNK)


def junk_request(dice: random.Random) -> Request:
    body = (
        text(dice, 8).encode("utf-8", "replace")
        if dice.random() < 0.5
        else dice.randbytes(dice.randrange(40))
    )
    headers = {dice.choice(HEADERS): dice.choice((*VALUES, text(dice, 4))) for _ in range(dice.randrange(5))}
    method = dice.choice(("GET", "POST", "PUT", "PATCH", "DELETE", "get", ""))
    return Request(method, dice.choice(("/", "")) + text(dice, 7), text(dice, 6), headers, body)


def near_request(dice: random.Random, operation: Operation) -> Request:
    """A request that finds its operation, with labels, a query and a body that it may not like."""
    http = operation.model.http
    path = http["requestUri"]
    for label in {part.split("}")[0] for part in path.split("{")[1:]}:
        path = path.replace(f"{{{label}}}", dice.choice(("a", "%2F", "%ff", "%", "é", "$next", "a:b")))
    shape = operation.input_shape
    fields = []
    for name, member in shape.members.items() if shape is not None else ():
        if member.serialization.get("location") == "querystring":
            value = dice.choice(("", "1", "x", "true", "%ff", "9" * 30))
            fields.append(f"{member.serialization.get('name', name)}={value}")
    body = orjson.dumps(document(dice, shape)) if shape is not None else b""
    headers = {dice.choice(HEADERS): dice.choice(VALUES) for _ in range(3)}
    return Request(http["method"], path, "&".join(fields), headers, body)


def serve(request: Request, signing_name: str) -> None:
    """The whole way of a request through this room."""
    try:
        verify(request, credential_of(request), "secret", 1_767_225_600.0)
    except AwsError as error:
        assert error.message
    known, operation, labels = CATALOG.find(request, signing_name)
    try:
        operation.validate(operation.parse(request, labels))
    except AwsError as error:
        assert known.serialize_error(error, "r").body
        raise


def test_random_bytes_raise_nothing_but_aws_errors() -> None:
    dice = random.Random(20261101)
    operations = [(name, operation) for name in SERVICES for operation in service(name).operations.values()]
    refused = 0
    for number in range(CASES):
        name, operation = operations[number % len(operations)]
        if number % 2:
            request, signing_name = junk_request(dice), dice.choice(SIGNING_NAMES)
        else:
            request, signing_name = near_request(dice, operation), service(name).signing_name
        try:
            serve(request, signing_name)
        except AwsError as error:
            assert error.message
            refused += 1
    # Both ways are walked: most are refused, yet some come through to the end.
    assert CASES // 2 < refused < CASES
