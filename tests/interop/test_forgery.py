"""What the node alone says: nobody else can, with whatever policies and in whatever way."""

from __future__ import annotations

import pytest

from interop.devices import until
from interop.packets import Will
from interop.places import long, place

WILL_DELAY = 24
EVENT = "$aws/events/thing/camera/created"
KEYS = "$aws/certificates/create/json/accepted"
SHADOW = "$aws/things/camera/shadow/update"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with place(tmp_path_factory.mktemp("forgery"), "mqtt.profile=extended") as here:
        yield here


@pytest.fixture
def wire(here, name):
    with here.online(f"watches-{name}") as wire:
        yield wire


@pytest.mark.parametrize("topic", [EVENT, KEYS])
@pytest.mark.parametrize("version", [4, 5])
def test_a_will_is_no_event_and_no_answer(here, wire, name, topic, version):
    wire.subscribe(topic, f"after/{name}")
    with here.anything.wire() as forger:
        assert forger.connect(name, version, will=Will(topic, b"forged", retain=True)).code == 0
    until(lambda: here.refusals(name))
    refusal = here.refusals(name)[0]
    assert (refusal["resource"], refusal["effect"]) == (topic, "the will was not published")
    assert "only the node publishes there" in refusal["reason"]
    with here.online(name) as other:
        other.publish(f"after/{name}", b"next", qos=1)
        assert wire.message().payload == b"next"
        assert other.subscribe(topic) == [1]
        other.publish(f"after/{name}", b"last", qos=1)
    assert wire.message().payload == b"last"


def test_a_will_that_waits_is_none_either(here, wire, name):
    will = Will(EVENT, b"forged", properties=long(WILL_DELAY, 1))
    wire.subscribe(EVENT)
    forger, _ = here.persistent(name, 5, will=will)
    forger.sock.close()
    until(lambda: "the will was not published" in [one["effect"] for one in here.refusals(name)])


def test_a_will_on_a_things_topic_reaches_who_subscribes_and_is_not_retained(here, wire, name):
    wire.subscribe(SHADOW)
    with here.anything.wire() as device:
        device.connect(name, will=Will(SHADOW, b"gone", retain=True))
    assert wire.message().payload == b"gone"
    assert here.node.client("iot-data").list_retained_messages()["retainedTopics"] == []
