"""QoS 2 towards the client in the extended profile, packet by packet (section 4.3.3)."""

from __future__ import annotations

import json

import pytest

from interop.devices import allow, until
from interop.exactly_once import (
    NOT_FOUND,
    PROTOCOL_ERROR,
    PUBCOMP,
    PUBREC,
    PUBREL,
    connected,
    get_whole,
    hear,
    put_whole,
    say,
)
from interop.exactly_once import home as home
from interop.exactly_once import persistent as persistent
from interop.exactly_once import resending as resending
from interop.extended import EXTENDED, identifier
from interop.packets import PUBACK
from interop.places import (
    ALIAS,
    ALIAS_MAXIMUM,
    MESSAGE_EXPIRY,
    RECEIVE_MAXIMUM,
    UNLIMITED,
    Seen,
    long,
    place,
    short,
)


@pytest.mark.parametrize(
    ("published", "subscribed", "got"), [(2, 2, 2), (2, 1, 1), (2, 0, 0), (1, 2, 1), (0, 2, 0)]
)
def test_the_lower_qos_counts(home, name, version, persistent, published, subscribed, got):
    """[MQTT-3.8.4-8]"""
    with home.online(f"w-{name}"[:100]) as writer, connected(home, name, version, persistent) as wire:
        wire.subscribe(name, qos=subscribed)
        if published == 2:
            put_whole(writer, name)
        else:
            writer.publish(name, b"x", qos=published)
        assert Seen(wire).qos == got


def test_the_whole_exchange(home, name, version, persistent):
    """[MQTT-4.3.3-1], [MQTT-4.3.3-2], [MQTT-4.3.3-4], [3.1.1 MQTT-4.3.3-1]"""
    with connected(home, name, version, persistent) as wire:
        wire.subscribe(name, qos=2)
        put_whole(wire, name, b"one", 1)
        first = get_whole(wire, b"one")
        assert (first.dup, first.retain) == (0, 0)
        put_whole(wire, name, b"two", 1)
        get_whole(wire, b"two")
        assert wire.messages() == []


def test_answers_out_of_place(home, name, version, persistent):
    with connected(home, name, version, persistent) as wire:
        wire.subscribe(name, qos=2)
        say(wire, PUBREC, 5)
        assert hear(wire, PUBREL) == (5, NOT_FOUND if version == 5 else 0)
        say(wire, PUBCOMP, 5)
        put_whole(wire, name)
        wire.acknowledges = False
        seen = Seen(wire)
        say(wire, PUBCOMP, seen.packet_id)  # not its turn: nothing is free
        say(wire, PUBREC, seen.packet_id)
        assert hear(wire, PUBREL) == (seen.packet_id, 0)
        say(wire, PUBREC, seen.packet_id)
        assert hear(wire, PUBREL) == (seen.packet_id, 0)
        say(wire, PUBACK, seen.packet_id)
        assert wire.until_closed() == (PROTOCOL_ERROR if version == 5 else None)


def test_a_message_that_the_client_refuses_is_done_with(home, name, persistent):
    """[MQTT-4.3.3-4]: no PUBREL follows a PUBREC with a reason of 0x80 or more."""
    with connected(home, name, 5, persistent, properties=short(RECEIVE_MAXIMUM, 1)) as wire:
        wire.subscribe(name, qos=2)
        for payload in (b"one", b"two"):
            put_whole(wire, name, payload)
        wire.acknowledges = False
        say(wire, PUBREC, Seen(wire).packet_id, 0x97)
        get_whole(wire, b"two")
        assert wire.messages() == []


def test_the_clients_receive_maximum(home, name, persistent):
    """[MQTT-3.3.4-9]: the window opens with PUBCOMP, not before."""
    with connected(home, name, 5, persistent, properties=short(RECEIVE_MAXIMUM, 2)) as wire:
        wire.subscribe(name, qos=2)
        for number in range(4):
            put_whole(wire, name, b"%d" % number, number + 1)
        wire.acknowledges = False
        first, second = Seen(wire), Seen(wire)
        for seen in (first, second):
            say(wire, PUBREC, seen.packet_id)
            assert hear(wire, PUBREL) == (seen.packet_id, 0)
        assert wire.messages() == []
        say(wire, PUBCOMP, first.packet_id)
        assert Seen(wire).payload == b"2"
        assert wire.messages() == []


@pytest.mark.parametrize("restart", [False, True], ids=["reconnect", "kill"])
def test_a_resumed_session_goes_on_where_it_was(tmp_path, version, restart):
    """[MQTT-4.4.0-1], [MQTT-4.3.3-3], [MQTT-4.3.3-5], [MQTT-4.3.3-6], [3.1.1 MQTT-4.3.3-1]: PUBLISH with the
    same identifier until PUBREC; from then on only PUBREL, until PUBCOMP."""
    with place(tmp_path, UNLIMITED, EXTENDED) as here:
        with here.online("w") as writer, here.persistent("r", version)[0] as wire:
            wire.subscribe("t", qos=2)
            wire.acknowledges = False
            for number in range(3):
                put_whole(writer, "t", b"%d" % number, number + 1)
            seen = [Seen(wire) for _ in range(3)]
            say(wire, PUBREC, seen[0].packet_id)
            assert hear(wire, PUBREL) == (seen[0].packet_id, 0)
            if restart:
                here.node.kill()
        if restart:
            here.node.start()
        for _ in range(2):  # and once more
            wire, present = here.persistent("r", version)
            with wire:
                assert present
                wire.acknowledges = False
                assert hear(wire, PUBREL) == (seen[0].packet_id, 0)
                again = [Seen(wire) for _ in range(2)]
                assert [(s.packet_id, s.payload, s.dup, s.qos) for s in again] == [
                    (s.packet_id, s.payload, 1, 2) for s in seen[1:]
                ]
                assert wire.messages() == []
        wire, present = here.persistent("r", version)
        with wire, here.online("w") as writer:
            wire.acknowledges = False
            put_whole(writer, "t", b"new")
            hear(wire, PUBREL)
            got = [Seen(wire) for _ in range(3)]
            assert [s.payload for s in got] == [b"1", b"2", b"new"]
            assert got[2].packet_id not in {s.packet_id for s in seen}
            for s in got:
                say(wire, PUBREC, s.packet_id)
                assert hear(wire, PUBREL) == (s.packet_id, 0)
            for s in [seen[0], *got]:
                say(wire, PUBCOMP, s.packet_id)
            wire.ping()
        wire, present = here.persistent("r", version)
        with wire:
            assert wire.messages() == []


def test_a_smaller_receive_maximum_when_it_is_resumed(home, name):
    with home.online(f"w-{name}"[:100]) as writer, home.persistent(name, 5)[0] as wire:
        wire.subscribe(name, qos=2)
        wire.acknowledges = False
        for number in range(3):
            put_whole(writer, name, b"%d" % number, number + 1)
        seen = [Seen(wire) for _ in range(3)]
    with home.persistent(name, 5, properties=short(RECEIVE_MAXIMUM, 1))[0] as wire:
        for before in seen:
            assert get_whole(wire, before.payload).packet_id == before.packet_id
        assert wire.messages() == []


def test_what_waited_comes_after(home, name, version):
    home.persistent(name, version)[0].close()
    with home.persistent(name, version)[0] as wire:
        wire.subscribe(name, qos=2)
        wire.disconnect()
    with home.online(f"w-{name}"[:100]) as writer:
        for number in range(3):
            put_whole(writer, name, b"%d" % number, number + 1)
    with home.persistent(name, version)[0] as wire:
        for number in range(3):
            get_whole(wire, b"%d" % number)
        assert wire.messages() == []


def test_once_sent_it_does_not_expire(home, name):
    """[MQTT-4.3.3-7]; what had not been sent does."""
    with home.online(f"w-{name}"[:100], 5) as writer:
        with home.persistent(name, 5, properties=short(RECEIVE_MAXIMUM, 1))[0] as wire:
            wire.subscribe(name, qos=2)
            wire.acknowledges = False
            for number in range(2):
                put_whole(writer, name, b"%d" % number, number + 1, properties=long(MESSAGE_EXPIRY, 60))
            assert Seen(wire).payload == b"0"
        with home.later(seconds=100), home.persistent(name, 5)[0] as wire:
            seen = get_whole(wire, b"0")
            assert (seen.dup, seen.properties) == (1, {MESSAGE_EXPIRY: 0})
            assert wire.messages() == []


def test_what_may_no_longer_be_received_is_not_told(home, name, version):
    """The exchange ends with PUBREL, which says nothing of the message."""
    device = home.device("narrowed")
    topic = f"devices/{device.name}/a"
    how = {"clean": False} | ({"properties": long(0x11, 3600)} if version == 5 else {})
    with home.online(f"w-{name}"[:100]) as writer, device.online(version=version, **how) as wire:
        wire.subscribe(topic, qos=2)
        wire.acknowledges = False
        put_whole(writer, topic)
        packet_id = Seen(wire).packet_id
    statements = [allow("Connect", "*"), allow("Subscribe", "*")]
    home.iot.create_policy_version(
        policyName=device.policy,
        policyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
        setAsDefault=True,
    )

    def resumed():
        with device.online(version=version, **how) as wire:
            wire.acknowledges = False
            first = wire.read()
            return (
                first.kind == PUBREL and int.from_bytes(first.body[:2]) == packet_id and wire.messages() == []
            )

    until(resumed)


def test_aliases_and_identifiers(home, name, persistent):
    with connected(home, name, 5, persistent, properties=short(ALIAS_MAXIMUM, 1)) as wire:
        wire.subscribe(name, qos=2, properties=identifier(6))
        for number, topic in enumerate((name, "")):
            put_whole(wire, name, b"x", number + 1)
            seen = get_whole(wire)
            assert (seen.topic, seen.properties) == (topic, {ALIAS: 1, 0x0B: [6]})


def test_what_is_too_large_counts_as_sent(home, name, persistent):
    """[MQTT-3.1.2-25]"""
    with connected(home, name, 5, persistent, properties=long(0x27, 200)) as wire:
        wire.subscribe(name, qos=2)
        put_whole(wire, name, bytes(300))
        put_whole(wire, name, b"small")
        get_whole(wire, b"small")


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "clean"], indirect=True)
def test_sent_again_on_the_same_connection(resending, name, version, persistent):
    """PUBLISH with its identifier until PUBREC, PUBREL until PUBCOMP; never PUBLISH after PUBREC."""
    home = resending
    with home.online(f"w-{name}"[:100]) as writer, connected(home, name, version, persistent) as wire:
        wire.subscribe(name, qos=2)
        wire.acknowledges = False
        put_whole(writer, name)
        first, second = Seen(wire), Seen(wire)
        assert (first.packet_id, first.dup, second.packet_id, second.dup) == (
            first.packet_id,
            0,
            first.packet_id,
            1,
        )
        say(wire, PUBREC, first.packet_id)
        for _ in range(3):
            got = wire.read()
            while got.kind == 3:  # one that was on its way
                got = wire.read()
            assert (got.kind, int.from_bytes(got.body[:2])) == (PUBREL, first.packet_id)
        say(wire, PUBCOMP, first.packet_id)
