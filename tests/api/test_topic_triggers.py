"""Topic triggers: messages call a function, which may answer by publishing."""

from __future__ import annotations

import base64
import json

import pytest

from api.making import refused
from interop.devices import ANYTHING, until

ANSWER = "arn:aws:lambda:us-east-1:000000000000:function:answer"


@pytest.fixture
def device(factory):
    return factory("device", statements=ANYTHING)


@pytest.fixture
def wire(device, name):
    with device.online(f"device-{name}") as wire:
        yield wire


@pytest.fixture
def trigger(own, data, wire, name):
    """A trigger on ``NAME/in``, there and working."""
    own.put_topic_trigger(triggerName=name, topicFilter=f"{name}/in", functionArn="answer")
    wait_for(wire, name)
    yield name
    own.delete_topic_trigger(triggerName=name)


def wait_for(wire, name):
    """What was put is there as soon as the change feed says so, within a second."""
    wire.subscribe(f"{name}/ready", f"{name}/out")

    def ready():
        wire.publish(f"{name}/in", json.dumps({"echo": f"{name}/ready"}).encode(), qos=0)
        return wire.messages()

    until(ready)
    wire.unsubscribe(f"{name}/ready")
    wire.messages()


def ask(wire, name, **payload):
    assert wire.publish(f"{name}/in", json.dumps(payload).encode()) == 0


def reason(own, name):
    """Why the last message on the trigger's topic failed."""
    found = own.list_refusals(maxResults=20)["refusals"]
    return next((one["reason"] for one in found if one["resource"].startswith(f"{name}/in")), None)


# --- the API -----------------------------------------------------------------------------------------------


def test_put_list_replace_delete(own, name):
    answer = own.put_topic_trigger(triggerName=name, topicFilter="a/+/b/#", functionArn=ANSWER)
    answer.pop("ResponseMetadata")
    assert answer == {"triggerName": name, "topicFilter": "a/+/b/#", "functionArn": ANSWER}
    own.put_topic_trigger(triggerName=name, topicFilter="c", functionArn="answer")
    found = [
        one
        for page in own.get_paginator("list_topic_triggers").paginate(PaginationConfig={"PageSize": 1})
        for one in page["topicTriggers"]
    ]
    assert {"triggerName": name, "topicFilter": "c", "functionArn": "answer"} in found
    own.delete_topic_trigger(triggerName=name)
    assert name not in {one["triggerName"] for one in own.list_topic_triggers()["topicTriggers"]}
    with refused("ResourceNotFoundException", 404, name):
        own.delete_topic_trigger(triggerName=name)


@pytest.mark.parametrize(
    "filter, function, words",
    [
        ("a/#/b", "answer", "topicFilter"),
        ("$aws/certificates/#", "answer", "reserved"),
        ("$share/group/a", "answer", "reserved"),
        ("a", "a b", "functionArn"),
        ("a", ANSWER.replace("us-east-1", "eu-west-1"), "functionArn"),
    ],
)
def test_what_cannot_be(own, name, filter, function, words):
    with refused("InvalidRequestException", 400, words):
        own.put_topic_trigger(triggerName=name, topicFilter=filter, functionArn=function)


# --- messages ----------------------------------------------------------------------------------------------


def test_a_function_gets_the_message_and_answers_by_publishing(wire, trigger, device):
    assert wire.publish(f"{trigger}/in", json.dumps({"echo": f"{trigger}/out", "n": [1, None]}).encode()) == 0
    message = wire.message()
    assert (message.topic, message.qos) == (f"{trigger}/out", 1)
    event = json.loads(message.payload)
    assert event.pop("timestamp") > 1_700_000_000_000
    assert event == {
        "topic": f"{trigger}/in",
        "qos": 1,
        "clientId": f"device-{trigger}",
        "principalIdentifier": device.certificate_id,
        "sourceIp": "127.0.0.1",
        "payload": {"echo": f"{trigger}/out", "n": [1, None]},
    }


@pytest.mark.parametrize("payload", [b"\xff\x00", b"{", b"", b"[" * 2000])
def test_what_is_not_json_comes_as_base64(wire, trigger, payload):
    assert wire.publish(f"{trigger}/in", payload) == 0
    event = json.loads(wire.message().payload)
    assert base64.b64decode(event["payloadBase64"]) == payload
    assert "payload" not in event


def test_several_answers_text_bytes_and_one_client_alone(wire, trigger, device):
    with device.online(f"other-{trigger}") as other:
        other.subscribe(f"{trigger}/in", f"{trigger}/out", f"{trigger}/private")
        publications = [
            {"topic": f"{trigger}/out", "payload": "text"},
            {"topic": f"{trigger}/out", "payloadBase64": "AP8=", "qos": 1},
            {"topic": f"{trigger}/private", "payload": {"secret": 1}, "clientId": f"device-{trigger}"},
        ]
        ask(wire, trigger, answer={"publish": publications})
        got = [(m.topic.rpartition("/")[2], m.payload) for m in (wire.message() for _ in range(3))]
        assert sorted(got) == [("out", b"\x00\xff"), ("out", b"text"), ("private", b'{"secret":1}')]
        assert {m.topic.rpartition("/")[2] for m in other.messages()} == {"in", "out"}


WRONG = {
    "[]": "answered a list",
    '{"publish": 1}': "publish is a number",
    '{"publish": [1]}': "publish[0] is a number",
    '{"publish": [{"payload": "x"}]}': "publish[0].topic is null",
    '{"publish": [{"topic": "a", "colour": 1}]}': "colour",
    '{"publish": [{"topic": "a", "qos": 2}]}': "qos must be 0 or 1",
    '{"publish": [{"topic": "a", "payloadBase64": "?"}]}': "not base64",
    '{"publish": [{"topic": "a", "payload": "x", "payloadBase64": ""}]}': "payload and payloadBase64",
    '{"publish": [{"topic": "$aws/things/x/shadow/update", "payload": "x"}]}': "reserved",
    '{"publish": [{"topic": "a/#", "payload": "x"}]}': "wildcard",
    '{"publish": [{"topic": "a", "clientId": "nobody-there"}]}': "not connected",
}


def test_an_answer_of_another_form_is_explained_and_harms_nothing(wire, trigger, own):
    for answer, words in WRONG.items():
        ask(wire, trigger, answer=json.loads(answer))
        until(lambda words=words: words in (reason(own, trigger) or ""))
    ask(wire, trigger, **{"raise": True})
    until(lambda: "raised ValueError" in (reason(own, trigger) or ""))
    ask(wire, trigger, answer={"publish": [{"topic": f"{trigger}/out", "payload": "still here"}]})
    assert wire.message().payload == b"still here"


def test_a_function_that_hangs_delays_no_puback_and_no_other_receiver(wire, trigger, device):
    """Twice as many messages as the function may have at once: all are acknowledged, and delivered."""
    with device.online(f"other-{trigger}") as other:
        other.subscribe(f"{trigger}/in")
        for _ in range(8):
            ask(wire, trigger, hang=True)
        assert len([other.message() for _ in range(8)]) == 8
        assert wire.messages() == []


def test_a_function_that_answers_itself_comes_to_an_end(own, wire, name):
    own.put_topic_trigger(triggerName=name, topicFilter=f"{name}/in", functionArn="answer")
    try:
        wait_for(wire, name)
        wire.subscribe(f"{name}/in")
        ask(wire, name, loop=True)
        until(lambda: "one after the other" in (reason(own, name) or ""))
        assert len([wire.message() for _ in range(5)]) == 5
        assert wire.messages() == []
    finally:
        own.delete_topic_trigger(triggerName=name)


def test_a_deleted_trigger_calls_nobody(own, wire, name):
    for trigger, filter in ((name, f"{name}/in"), (f"{name}-stays", f"{name}/stays/in")):
        own.put_topic_trigger(triggerName=trigger, topicFilter=filter, functionArn="answer")
    wait_for(wire, name)
    wait_for(wire, f"{name}/stays")
    own.delete_topic_trigger(triggerName=name)

    def answered_by() -> set[str]:
        """Both are asked; who has answered by the time that the one that stays has."""
        found: set[str] = set()
        ask(wire, name, echo=f"{name}/out")
        ask(wire, f"{name}/stays", echo=f"{name}/stays/out")
        while f"{name}/stays/out" not in found:
            found.add(wire.message().topic)
        return found

    try:
        until(lambda: answered_by() == {f"{name}/stays/out"})
        wire.messages()
        for _ in range(5):
            assert answered_by() == {f"{name}/stays/out"}
        assert wire.messages() == []
    finally:
        own.delete_topic_trigger(triggerName=f"{name}-stays")


def test_presence_events_trigger_too(own, wire, device, name):
    topic = f"$aws/events/presence/connected/newcomer-{name}"
    own.put_topic_trigger(triggerName=name, topicFilter=topic, functionArn="answer")
    try:
        wire.subscribe(f"hello/newcomer-{name}")

        def greeted():
            device.online(f"newcomer-{name}").close()
            return wire.messages()

        assert until(greeted)[0].payload == b"hello"
    finally:
        own.delete_topic_trigger(triggerName=name)
