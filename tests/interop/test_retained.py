"""Retained messages: the last one of a topic, for who subscribes to exactly that topic later."""

from __future__ import annotations

import pytest

from interop.devices import allow, until
from interop.packets import Will
from interop.places import MESSAGE_EXPIRY, UNLIMITED, Seen, disconnect, long, payloads, place, short
from interop.wire import Closed

NOT_AUTHORIZED = 0x87
AS_PUBLISHED, IF_NEW, NEVER = 0x08, 0x10, 0x20
"""Bits of the subscription options (MQTT 5, section 3.8.3.1)."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with place(tmp_path_factory.mktemp("retained"), UNLIMITED) as home:
        yield home


@pytest.fixture
def writer(home, name):
    with home.online(f"w-{name}"[:100]) as wire:
        yield wire


@pytest.mark.parametrize("qos", [0, 1])
def test_who_subscribes_later_gets_it_marked(home, name, version, writer, qos):
    """[MQTT-3.3.1-5] [3.1.1 MQTT-3.3.1-5] [3.1.1 MQTT-3.3.1-6] [3.1.1 MQTT-3.3.1-8]"""
    writer.publish(name, b"old", retain=True)
    writer.publish(name, b"kept", retain=True)
    with home.online(name, version) as wire:
        assert wire.subscribe(name, qos=qos) == [qos]
        seen = Seen(wire)
        assert (seen.payload, seen.retain, seen.qos) == (b"kept", 1, qos)
        assert wire.messages() == []


def test_with_qos_0_it_is_kept_too(home, name, version, writer):
    writer.publish(name, b"kept", qos=0, retain=True)
    writer.ping()
    with home.online(name, version) as wire:
        wire.subscribe(name)
        seen = Seen(wire)
        assert (seen.payload, seen.retain, seen.qos) == (b"kept", 1, 0)


def test_who_has_missed_it_by_a_moment_gets_it(home, name, version, writer):
    """Whoever subscribes when others have just received it, and it is not on the disk yet."""
    with home.online(f"live-{name}"[:100], version) as live, home.online(name, version) as late:
        live.subscribe(f"{name}/#")
        for number in range(100):
            topic = f"{name}/{number}"
            writer.publish(topic, b"kept", qos=0, retain=True)
            assert live.message().payload == b"kept"
            late.subscribe(topic)
            seen = Seen(late)
            assert (seen.topic, seen.retain) == (topic, 1)
            late.unsubscribe(topic)


def test_only_a_filter_that_is_the_topic_gets_it(home, name, version, writer):
    """AWS IoT Developer Guide, Retained messages: not by wildcard, not to a shared subscription."""
    writer.publish(f"{name}/a", b"kept", retain=True)
    with home.online(name, version) as wire:
        wire.subscribe(f"{name}/+", f"{name}/#", f"$share/group/{name}/a")
        assert wire.messages() == []
        wire.subscribe(f"{name}/a")
        assert Seen(wire).payload == b"kept"


def test_an_empty_one_deletes_and_is_forwarded(home, name, version, writer):
    """[MQTT-3.3.1-6] [MQTT-3.3.1-7] [3.1.1 MQTT-3.3.1-10] [3.1.1 MQTT-3.3.1-11]"""
    writer.publish(name, b"kept", retain=True)
    with home.online(f"o-{name}"[:100], version) as observer:
        observer.subscribe(name)
        assert Seen(observer).payload == b"kept"
        writer.publish(name, b"", retain=True)
        seen = Seen(observer)
        assert (seen.payload, seen.retain) == (b"", 0)
    with home.online(name, version) as wire:
        wire.subscribe(name)
        assert wire.messages() == []


def test_who_has_subscribed_sees_it_unmarked(home, name, version, writer):
    """[MQTT-3.3.1-12] [3.1.1 MQTT-3.3.1-9]"""
    with home.online(name, version) as wire:
        wire.subscribe(name)
        writer.publish(name, b"live", retain=True)
        seen = Seen(wire)
        assert (seen.payload, seen.retain) == (b"live", 0)


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("retain", [True, False])
def test_retain_as_published(home, name, writer, qos, retain):
    """[MQTT-3.3.1-13]"""
    with home.online(name, 5) as wire:
        wire.subscribe(name, qos=1 | AS_PUBLISHED)
        writer.publish(name, b"live", qos=qos, retain=retain)
        assert Seen(wire).retain == retain


def test_retain_as_published_while_the_window_is_full(home, name, writer):
    with home.online(name, 5, properties=short(0x21, 1)) as wire:
        wire.subscribe(name, qos=1 | AS_PUBLISHED)
        wire.acknowledges = False
        writer.publish(name, b"first")
        first = Seen(wire)
        writer.publish(name, b"second", retain=True)
        wire.acknowledges = True
        wire.send(b"\x40\x02" + first.packet_id.to_bytes(2))
        second = Seen(wire)
        assert (second.payload, second.retain) == (b"second", 1)


@pytest.mark.parametrize("here", [True, False])
def test_retain_as_published_in_a_session(home, name, writer, here):
    with home.persistent(name, 5)[0] as wire:
        wire.subscribe(name, qos=1 | AS_PUBLISHED)
        if here:
            writer.publish(name, b"live", retain=True)
            assert Seen(wire).retain == 1
        wire.disconnect()
    writer.publish(name, b"stored", retain=True)
    writer.publish(name, b"plain")
    with home.persistent(name, 5)[0] as wire:
        assert [(seen.payload, seen.retain) for seen in (Seen(wire), Seen(wire))] == [
            (b"stored", 1),
            (b"plain", 0),
        ]


def test_retain_handling(home, name, writer):
    """[MQTT-3.3.1-9], [MQTT-3.3.1-10], [MQTT-3.3.1-11]"""
    writer.publish(name, b"kept", retain=True)
    with home.online(name, 5) as wire:
        wire.subscribe(name, qos=1 | NEVER)
        assert wire.messages() == []
        wire.subscribe(name, qos=1 | IF_NEW)  # it is not
        assert wire.messages() == []
        wire.subscribe(name, qos=1)
        assert Seen(wire).payload == b"kept"
        wire.subscribe(name, qos=1)
        assert Seen(wire).payload == b"kept"
        wire.unsubscribe(name)
        wire.subscribe(name, qos=1 | IF_NEW)
        assert Seen(wire).payload == b"kept"


def test_a_resumed_session_has_its_subscriptions_and_no_retained_again(home, name, version, writer):
    writer.publish(name, b"kept", retain=True)
    with home.persistent(name, version)[0] as wire:
        wire.subscribe(name)
        assert Seen(wire).payload == b"kept"
        wire.disconnect()
    with home.persistent(name, version)[0] as wire:
        assert wire.messages() == []


def test_it_survives_kill_9(tmp_path):
    with place(tmp_path, UNLIMITED) as here:
        with here.online("w") as writer:
            writer.publish("topic", b"kept", retain=True)
            here.node.kill()
        here.node.start()
        with here.online("r") as wire:
            wire.subscribe("topic")
            assert Seen(wire).payload == b"kept"


def test_a_retained_will(home, name, version):
    """[MQTT-3.1.2-15] [3.1.1 MQTT-3.1.2-17]"""
    with home.online(f"o-{name}"[:100]) as observer:
        observer.subscribe(name)
        home.online(name, version, will=Will(name, b"last words", qos=1, retain=True)).close()
        assert Seen(observer).retain == 0

    def kept():
        with home.online(f"r-{name}"[:100], version) as wire:
            wire.subscribe(name)
            return wire.messages()

    assert until(kept)[0].payload == b"last words"


def test_retaining_needs_a_right_of_its_own(home, name, version):
    statements = [allow("Connect", "*"), allow("Publish", "*")]
    device = home.device("forgetful", statements=statements)
    with device.online(version=version) as wire:
        if version == 5:
            assert wire.publish(name, b"kept", retain=True) == NOT_AUTHORIZED
            assert wire.publish(name, b"not kept") == 0
        else:
            with pytest.raises(Closed):
                wire.publish(name, b"kept", retain=True)
    refusal = home.refusals(device.name)[0]
    assert (refusal["action"], refusal["reason"]) == (
        "iot:RetainPublish",
        f"not authorized to retain a message on {name}",
    )
    with home.online(name) as wire:
        wire.subscribe(name)
        assert wire.messages() == []


def test_what_expires_is_not_sent_and_what_is_left_is_told(home, name):
    with home.online(f"w-{name}"[:100], 5) as writer:
        writer.publish(name, b"kept", retain=True, properties=long(MESSAGE_EXPIRY, 500))
    with home.later(seconds=100), home.online(name, 5) as wire:
        for qos in (0, 1):
            wire.subscribe(name, qos=qos)
            seen = Seen(wire)
            assert 390 <= seen.properties[MESSAGE_EXPIRY] <= 400
        disconnect(wire, b"")
    with home.later(seconds=501), home.online(name, 5) as wire:
        wire.subscribe(name)
        assert wire.messages() == []


def test_more_than_the_window_are_all_sent_with_qos_1(home, name, writer):
    for number in range(6):
        writer.publish(f"{name}/{number}", b"%d" % number, retain=True)
    with home.online(name, 5, properties=short(0x21, 2)) as wire:
        wire.subscribe(*(f"{name}/{number}" for number in range(6)))
        assert payloads(wire, 6) == [b"%d" % number for number in range(6)]


def test_what_is_too_large_for_the_client_is_not_sent(home, name, writer):
    writer.publish(name, bytes(200), retain=True)
    with home.online(name, 5, properties=long(0x27, 150)) as wire:
        for qos in (0, 1):
            wire.subscribe(name, qos=qos)
            assert wire.messages() == []
