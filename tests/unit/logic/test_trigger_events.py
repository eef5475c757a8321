import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.logic.trigger_events import BadAnswer, Publication, publications_of, trigger_event

WHO = {"topic": "a/b", "qos": 1, "client_id": "c", "principal": "p", "source_ip": "127.0.0.1", "at": 1.5}


@given(
    st.binary(max_size=40) | st.sampled_from([b"{}", b"null", b'"\\ud800"', b"[1e999]", b"NaN", b"1" * 400])
)
def test_every_payload_can_be_told_and_be_had_again(payload):
    event = trigger_event(payload=payload, **WHO)
    assert orjson.loads(orjson.dumps(event)) == event
    if "payload" in event:
        assert event["payload"] == orjson.loads(payload)
    else:
        assert base64.b64decode(event["payloadBase64"]) == payload


def test_the_members():
    assert trigger_event(payload=b"1", **WHO) == {
        "topic": "a/b",
        "qos": 1,
        "clientId": "c",
        "principalIdentifier": "p",
        "sourceIp": "127.0.0.1",
        "timestamp": 1500,
        "payload": 1,
    }


@pytest.mark.parametrize(
    "entry, payload",
    [
        ({}, b""),
        ({"payload": "text"}, b"text"),
        ({"payload": {"a": ["関所", None]}}, '{"a":["関所",null]}'.encode()),
        ({"payload": None}, b"null"),
        ({"payloadBase64": "AP8="}, b"\x00\xff"),
    ],
)
def test_payloads(entry, payload):
    assert publications_of({"publish": [{"topic": "t", **entry}]}) == [
        Publication("t", payload, 0, False, None)
    ]


def test_an_answer_without_publish_asks_for_nothing():
    assert publications_of({}) == publications_of({"publish": None, "other": 1}) == []


@pytest.mark.parametrize(
    "entry, words",
    [
        ({"topic": 1}, "topic is a number"),
        ({"topic": "t", "clientId": 1}, "clientId is a number"),
        ({"topic": "t", "qos": True}, "qos"),
        ({"topic": "t", "retain": "yes"}, "retain is a string"),
        ({"topic": "t", "retain": True, "clientId": "c"}, "cannot be retained"),
        ({"topic": "t", "payloadBase64": 7}, "not base64"),
        ({"topic": "t", "payload": 1, "payloadBase64": ""}, "payload and payloadBase64"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(entry, words):
    with pytest.raises(BadAnswer, match=words) as caught:
        publications_of({"publish": [{"topic": "t"}, entry]})
    assert "publish[1]" in str(caught.value)


def test_there_is_a_most():
    with pytest.raises(BadAnswer, match="11 messages"):
        publications_of({"publish": [{"topic": "t"}] * 11})
