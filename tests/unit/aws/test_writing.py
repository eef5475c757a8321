"""What operations return is held against the output shape, and a mistake is told by its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from sekisho.aws import errors, timestamps
from sekisho.aws.request import Response
from sekisho.aws.service import Service, generic_error
from sekisho.aws.writer import OutputError
from unit.aws.shapes import service


def body(name: str, operation: str, result: dict[str, Any] | None) -> Any:
    return orjson.loads(service(name).operations[operation].serialize(result, "r").body)


@pytest.mark.parametrize(
    ("operation", "result", "told"),
    [
        ("DescribeThing", {"version": "1"}, "version: an integer is needed, not str"),
        ("DescribeThing", {"version": True}, "version: an integer is needed, not bool"),
        ("DescribeThing", {"version": 1.5}, "version: an integer is needed, not float"),
        ("DescribeThing", {"version": float("inf")}, "version: an integer is needed, not float"),
        ("DescribeThing", {"thingName": 1}, "thingName: a string is needed, not int"),
        ("DescribeThing", {"attributes": [1]}, "attributes: a map is needed, not list"),
        ("DescribeThing", {"attributes": {"k": 1}}, "attributes.k: a string is needed, not int"),
        ("DescribeThing", {"attributes": {1: "v"}}, "attributes.1: a string is needed, not int"),
        ("ListThings", {"things": {}}, "things: a list is needed, not dict"),
        ("ListThings", {"things": "x"}, "things: a list is needed, not str"),
        ("ListThings", {"things": [{}, {"version": []}]}, "things.1.version: an integer is needed, not list"),
        ("ListThings", {"things": [None]}, "things.0: a structure is needed, not NoneType"),
        ("DescribeEndpoint", {"endpointAddress": "\ud800"}, "the result: str is not valid UTF-8: surrogates"),
    ],
)
def test_mistakes_are_told_by_their_place(operation: str, result: dict[str, Any], told: str) -> None:
    with pytest.raises(OutputError) as raised:
        body("iot", operation, result)
    assert str(raised.value).startswith(told)


def test_only_what_the_shape_names_is_kept() -> None:
    thing = {"thingName": "t", "secret": "hush", "attributes": {"a": "b", "gone": None}, "version": 1}
    assert body("iot", "ListThings", {"things": [thing], "nextToken": None, "more": 1}) == {
        "things": [{"thingName": "t", "attributes": {"a": "b"}, "version": 1}]
    }


def test_nothing_is_an_empty_object() -> None:
    assert body("iot", "DescribeThing", None) == {}
    assert service("iot").operations["AttachPolicy"].serialize(None, "r").body == b""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1793491200, b"1793491200"),
        (1793491200.0, b"1793491200"),
        (1793491200.1236, b"1793491200.124"),
        (datetime(2026, 11, 1, 0, 0, 0, 250_000, UTC), b"1793491200.25"),
        (datetime(2026, 11, 1), b"1793491200"),
        (datetime(2026, 11, 1, 9, tzinfo=timezone(timedelta(hours=9))), b"1793491200"),
    ],
)
def test_timestamps_are_seconds_to_the_millisecond(value: Any, written: bytes) -> None:
    response = service("sekisho").operations["DescribeClock"].serialize({"now": value}, "r")
    assert response.body == b'{"now":' + written + b"}"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e18, "2026", True])
def test_what_is_no_timestamp_is_a_mistake(value: Any) -> None:
    with pytest.raises(OutputError, match="now: "):
        body("sekisho", "DescribeClock", {"now": value})


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso8601", "2026-11-01T00:00:00.250Z"),
        ("rfc822", "Sun, 01 Nov 2026 00:00:00 GMT"),
        ("unixtimestamp", 1793491200.25),
    ],
)
def test_timestamps_have_three_spellings(form: str, text: Any) -> None:
    assert timestamps.to_wire(1793491200.25, form) == text
    assert timestamps.to_wire(1793491200.0, "iso8601") == "2026-11-01T00:00:00Z"


def test_numbers_that_json_has_not_are_words() -> None:
    assert body("sekisho", "DescribeClock", {"rate": float("inf")}) == {"rate": "Infinity"}
    assert body("sekisho", "DescribeClock", {"rate": float("nan")}) == {"rate": "NaN"}


def made(member: dict[str, Any], value: Any) -> Response:
    """The response of an operation whose only output is this member."""
    model = {
        "metadata": {"protocol": "rest-json", "endpointPrefix": "x"},
        "operations": {
            "Get": {"name": "Get", "http": {"method": "GET", "requestUri": "/"}, "output": {"shape": "Out"}}
        },
        "shapes": {
            "Out": {
                "type": "structure",
                "members": {"m": member},
            },
            "S": {"type": "string"},
            "T": {"type": "timestamp"},
            "B": {"type": "boolean"},
            "I": {"type": "integer"},
            "L": {"type": "list", "member": {"shape": "S"}},
            "M": {"type": "map", "key": {"shape": "S"}, "value": {"shape": "S"}},
        },
    }
    return Service("x", model).operations["Get"].serialize({"m": value}, "r")


def headed(member: dict[str, Any], value: Any) -> dict[str, str]:
    return made({"location": "header", "locationName": "X-M", **member}, value).headers


def test_headers_are_written() -> None:
    assert headed({"shape": "S"}, "a b")["X-M"] == "a b"
    assert headed({"shape": "B"}, True)["X-M"] == "true"
    assert headed({"shape": "T"}, 0)["X-M"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert headed({"shape": "L"}, ["a", "b,c", 'd"'])["X-M"] == 'a, "b,c", "d\\""'
    assert headed({"shape": "S", "jsonvalue": True}, {"a": 1})["X-M"] == "eyJhIjoxfQ=="
    assert headed({"shape": "M", "location": "headers", "locationName": "X-"}, {"a": "b"})["X-a"] == "b"


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x", "a\n", "\x00", "ü", 5])
def test_a_header_cannot_start_another(value: Any) -> None:
    with pytest.raises(OutputError):
        headed({"shape": "S"}, value)


def test_a_body_for_no_content_is_none() -> None:
    status = {"shape": "I", "location": "statusCode"}
    assert made(status, 204)[::2] == (204, b"")
    assert made(status, 202)[::2] == (202, b"{}")


def test_xml_holds_what_xml_can() -> None:
    operation = service("sts").operations["GetCallerIdentity"]
    text = operation.serialize({"Arn": "<&>\x00\r\ud800"}, "r").body.decode()
    assert "<Arn>&lt;&amp;&gt;\ufffd&#13;\ufffd</Arn>" in text
    with pytest.raises(OutputError, match="Arn: a string is needed, not int"):
        operation.serialize({"Arn": 1}, "r")


@pytest.mark.parametrize("name", ["iot", "sts", "iot-data", "sekisho"])
def test_an_error_is_told_whatever_it_holds(name: str) -> None:
    for members in (
        {"x": object()},
        {"x": "\ud800"},
        {"resourceId": 5},
        {"bad name": 1},
        {"x": 1 << 70},
        {"x": None},
    ):
        error = errors.ResourceAlreadyExistsException("no \ud800", **members)
        response = service(name).serialize_error(error, "r")
        assert b"no ?" in response.body


def test_an_error_of_no_known_service_can_be_read() -> None:
    response = generic_error(errors.MissingAuthenticationTokenException("Missing Authentication Token"), "r")
    assert response.status == 403
    assert response.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert orjson.loads(response.body) == {
        "__type": "MissingAuthenticationTokenException",
        "message": "Missing Authentication Token",
    }


def test_errors_have_the_names_of_their_classes() -> None:
    error = errors.ThrottlingException("slow down", resourceId="x")
    assert (error.code, error.message, str(error)) == ("ThrottlingException", "slow down", "slow down")
    assert error.members == {"resourceId": "x"}

    class Spelled(errors.AwsError, status=418):
        code = "AnotherName"

    assert (Spelled.code, Spelled.fallback_status) == ("AnotherName", 418)
    assert Spelled("x").members == {}
