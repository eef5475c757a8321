"""What is sent in a wrong form is refused by name; what is unknown is ignored."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from sekisho.aws.errors import SerializationException
from sekisho.aws.request import Request
from sekisho.aws.service import Service
from unit.aws.shapes import service


def parse(
    name: str, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Any:
    path, _, query = target.partition("?")
    request = Request(method, path, query, headers or {}, body)
    found = service(name).match(request)
    assert found is not None
    return found[0].parse(request, found[1])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"[]", "the body: a structure is needed, not a list"),
        (b"null", "the body: a structure is needed, not null"),
        (b'{"thingTypeName":5}', "thingTypeName: a string is needed, not a number"),
        (b'{"thingTypeName":{}}', "thingTypeName: a string is needed, not a structure"),
        (b'{"attributePayload":"x"}', "attributePayload: a structure is needed, not a string"),
        (
            b'{"attributePayload":{"merge":"true"}}',
            "attributePayload.merge: a boolean is needed, not a string",
        ),
        (
            b'{"attributePayload":{"attributes":{"k":true}}}',
            "attributePayload.attributes.k.member: a string is needed, not a boolean",
        ),
        (
            b'{"attributePayload":{"attributes":[]}}',
            "attributePayload.attributes: a map is needed, not a list",
        ),
    ],
)
def test_wrong_types_are_refused_by_name(body: bytes, told: str) -> None:
    with pytest.raises(SerializationException) as raised:
        parse("iot", "POST", "/things/t", body)
    assert raised.value.message == told


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/things?maxResults=x", "maxResults: an integer is needed"),
        ("/things?maxResults=", "maxResults: an integer is needed"),
        ("/things?maxResults=1.0", "maxResults: an integer is needed"),
        ("/things?maxResults=٣", "maxResults: an integer is needed"),
        ("/things?maxResults=99999999999", "maxResults: a number that does not fit the type integer"),
        ("/things?usePrefixAttributeValue=yes", "usePrefixAttributeValue: true or false is needed"),
        ("/things?nextToken=%ff", "the query or form is not UTF-8"),
        ("/things?" + "&".join("a" * 1001), "the query or form has more than 1000 fields"),
    ],
)
def test_wrong_query_fields_are_refused_by_name(target: str, told: str) -> None:
    with pytest.raises(SerializationException) as raised:
        parse("iot", "GET", target)
    assert raised.value.message == told


def test_list_items_are_told_by_their_place() -> None:
    with pytest.raises(SerializationException) as raised:
        parse("iot", "POST", "/tags", b'{"tags":[{"Key":"k"},{"Key":1}]}')
    assert raised.value.message == "tags.2.member.Key: a string is needed, not a number"


@pytest.mark.parametrize("value", ["a.b", "é", "YQ", "YQ==\n", "=", 5])
def test_what_is_not_base64_is_refused(value: Any) -> None:
    body = orjson.dumps({"authorizerFunctionArn": "a", "mqttContext": {"password": value}})
    with pytest.raises(SerializationException, match=r"mqttContext\.password"):
        parse("iot", "POST", "/authorizer/a/test", body)


def test_unknown_members_and_nulls_are_left_out() -> None:
    body = (
        b'{"unknown":[1],"thingTypeName":null,"attributePayload":{"merge":true,"other":1},"thingName":"no"}'
    )
    assert parse("iot", "POST", "/things/t?x=1&y", body) == {
        "thingName": "t",
        "attributePayload": {"merge": True},
    }


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_empty_body_is_no_members(body: bytes) -> None:
    assert parse("iot", "POST", "/things/t", body) == {"thingName": "t"}


def test_a_body_is_not_looked_at_where_none_is_expected() -> None:
    assert parse("iot", "GET", "/things/t", b"\xff{") == {"thingName": "t"}
    assert parse("sekisho", "GET", "/node", b"\xff{") == {}


def test_query_strings_are_decoded_once() -> None:
    assert parse("iot", "GET", "/things?nextToken=a%2Bb+c%2525&nextToken=second&maxResults=%31") == {
        "nextToken": "a+b c%25",
        "maxResults": 1,
    }


@pytest.mark.parametrize(
    ("text", "epoch"),
    [
        ("2026-11-01T00:00:00Z", 1793491200.0),
        ("2026-11-01T01:00:00.250%2B01:00", 1793491200.25),
        ("2026-11-01", 1793491200.0),
        ("1793491200.5", 1793491200.5),
        ("1.7934912E9", 1793491200.0),
        ("Sun, 01 Nov 2026 00:00:00 GMT", 1793491200.0),
    ],
)
def test_timestamps_are_read_in_every_spelling(text: str, epoch: float) -> None:
    found = parse("iot", "GET", f"/audit/tasks?startTime={text}&endTime=0")
    assert found == {"startTime": epoch, "endTime": 0.0}


@pytest.mark.parametrize(
    "text", ["", "soon", "1e30", "999999999999999", "-1e15", "2026-13-01", "1" * 5000, "nan"]
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(SerializationException, match="startTime"):
        parse("iot", "GET", f"/audit/tasks?startTime={text}")


@pytest.mark.parametrize("value", [True, "x", [], {}, 1e300, -1e300])
def test_what_is_no_timestamp_in_json_is_refused(value: Any) -> None:
    with pytest.raises(SerializationException, match="to: "):
        parse("sekisho", "PUT", "/clock", orjson.dumps({"to": value}))


def test_header_json_is_decoded() -> None:
    headers = {"x-amz-mqtt5-user-properties": "W3siYSI6IjEifV0="}
    assert parse("iot-data", "POST", "/topics/t", b"\xff\x00", headers) == {
        "topic": "t",
        "payload": b"\xff\x00",
        "userProperties": [{"a": "1"}],
    }
    for wrong in ("?", "YQ==", "W3siYSI6IjEifV0", "é"):
        with pytest.raises(SerializationException, match="userProperties"):
            parse("iot-data", "POST", "/topics/t", b"", {"x-amz-mqtt5-user-properties": wrong})


def test_an_empty_payload_is_absent() -> None:
    assert parse("iot-data", "POST", "/topics/t", b"") == {"topic": "t"}


def test_a_document_of_unbounded_depth_is_refused() -> None:
    operation = Service.load("dynamodb").operations["PutItem"]
    for depth in (400, 100_000):
        body = b'{"Item":{"k":' + b'{"L":[' * depth + b"]}" * depth + b"}}"
        with pytest.raises(SerializationException):
            operation.parse(Request("POST", "/", "", {}, body), {})


@pytest.mark.parametrize(
    "body",
    [
        b"PolicyArns.member.\xc2\xb2.arn=a",
        b"PolicyArns.member.1=a",
        b"PolicyArns=",
        b"DurationSeconds.member.1=5",
        b"Tags.entry.1=x",
        b"Tags.member.99999999999999999999.Key=x",
        b"&&==&=",
    ],
)
def test_odd_forms_never_break(body: bytes) -> None:
    operation = service("sts").operations["AssumeRole"]
    try:
        assert operation.parse(Request("POST", "/", "", {}, body), {}).keys() <= operation.members
    except SerializationException as error:
        assert error.message


def test_forms_are_bounded() -> None:
    operation = service("sts").operations["AssumeRole"]
    with pytest.raises(SerializationException, match="too deeply"):
        operation.parse(Request("POST", "/", "", {}, b"a" + b".b" * 5000 + b"=1"), {})
    with pytest.raises(SerializationException, match="more than 1000 fields"):
        operation.parse(Request("POST", "/", "", {}, b"a=1&" * 2000), {})


def test_requests_and_responses_keep_their_secrets() -> None:
    request = Request("GET", "/things", "X-Amz-Signature=hush", {"authorization": "hush"}, b"hush")
    assert "hush" not in repr(request)
    response = (
        service("iotidentity").operations["CreateKeysAndCertificate"].serialize({"privateKey": "hush"}, "r")
    )
    assert b"hush" in response.body
    assert "hush" not in repr(response)
