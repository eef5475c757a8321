"""Normative statements of the two specifications that only a whole node can keep, in raw bytes.

Cited as in `unit/mqtt/statements.py`; other tests of this folder cite theirs.
"""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from interop.normative import home as home
from interop.normative import name as name
from interop.normative import other as other
from interop.normative import wire as wire
from interop.packets import (
    CONNACK,
    PUBACK,
    SUBACK,
    UNSUBACK,
    Will,
    connect_packet,
    packet,
    props,
    publish_packet,
    subscribe_packet,
    unsubscribe_packet,
)
from interop.places import ALIAS, PACKET_MAXIMUM, RECEIVE_MAXIMUM, Seen, long, payloads, short
from interop.wire import Closed

UNSPECIFIED_ERROR, PROTOCOL_ERROR, PACKET_TOO_LARGE = 0x80, 0x82, 0x95
DUP = 0x08
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


# --- CONNECT -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client_id", [LETTERS[:23], LETTERS[23:46], LETTERS[46:], "x"])
def test_client_ids_that_every_server_takes(home, version, client_id):
    """[MQTT-3.1.3-5] [3.1.1 MQTT-3.1.3-5]"""
    with home.online(client_id, version) as wire:
        wire.ping()


def test_what_follows_a_refused_connect_is_not_looked_at(home, name, version, other):
    """[MQTT-3.1.4-2] [MQTT-3.1.4-6] [3.1.1 MQTT-3.1.4-5]"""
    device = home.device("refused")
    topic = f"devices/{device.name}/a"
    assert other.subscribe(topic) == [1]
    with device.wire() as refused:
        refused.send(
            connect_packet("somebody else", version)
            + publish_packet(topic, b"no", version)
            + publish_packet(topic, b"no", version, qos=1, packet_id=1)
        )
        refused.until_closed()
    with device.online(version=version) as wire:
        wire.publish(topic, b"yes")
    assert [message.payload for message in other.messages()] == [b"yes"]


def test_a_clean_start_has_no_session(home, name, version):
    """[MQTT-3.2.2-2] [3.1.1 MQTT-3.1.4-3] [3.1.1 MQTT-3.2.2-1]"""
    home.subscribed_and_gone(name, name, version=version)
    with home.anything.wire() as wire:
        answer = wire.connect(name, version, clean=True)
        assert (answer.code, answer.session_present) == (0, False)


@pytest.mark.parametrize(("size", "answer"), [(4, None), (5, PACKET_TOO_LARGE), (33, PACKET_TOO_LARGE)])
def test_a_client_that_takes_no_connack_is_not_let_in(home, name, size, answer):
    """It may be sent nothing else before that one [MQTT-3.2.0-1], which is too large [MQTT-3.1.2-24]; a
    reason string is left out where it does not fit [MQTT-3.2.2-19]."""
    with home.anything.wire() as wire:
        connect = connect_packet(name, 5, properties=long(PACKET_MAXIMUM, size))
        wire.send(connect + publish_packet(name, b"no", 5, qos=1, packet_id=1) + b"\xc0\0")
        if answer is not None:
            assert wire.read().body == bytes([0, answer, 0])
        assert wire.until_closed() is None
    assert home.refusals(name)[0]["action"] == "iot:Connect"


def test_no_response_information_unless_asked(home, name):
    """[MQTT-3.1.2-28]"""
    for asked in (b"", b"\x19\x00"):
        with home.anything.wire() as wire:
            assert 0x1A not in wire.connect(name, 5, properties=asked).properties


# --- acknowledgements --------------------------------------------------------------------------------------


@pytest.mark.parametrize("packet_id", [1, 0x1234, 0xFFFF])
def test_an_answer_has_the_identifier_of_its_question(wire, name, version, packet_id):
    """[MQTT-2.2.1-5] [MQTT-2.2.1-6] [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.10.4-4] [MQTT-4.3.2-4];
    an UNSUBACK also where there was nothing to delete [MQTT-3.10.4-5].
    [3.1.1 MQTT-2.3.1-6] [3.1.1 MQTT-2.3.1-7] [3.1.1 MQTT-3.8.4-1] [3.1.1 MQTT-3.8.4-2]
    [3.1.1 MQTT-3.10.4-4] [3.1.1 MQTT-3.10.4-5] [3.1.1 MQTT-4.3.2-2]"""
    number = packet_id.to_bytes(2)
    wire.send(publish_packet(name, b"", version, qos=1, packet_id=packet_id))
    assert wire.take(PUBACK).body == number
    wire.send(subscribe_packet([name], version, packet_id=packet_id))
    assert wire.take(SUBACK).body == number + props(version, b"") + b"\1"
    for code in (b"\x00", b"\x11"):
        wire.send(unsubscribe_packet([name], version, packet_id=packet_id))
        assert wire.take(UNSUBACK).body == number + (props(5, b"") + code if version == 5 else b"")


def test_qos_says_which_answer(wire, name, version):
    """[MQTT-3.3.4-1] [3.1.1 MQTT-3.3.4-1]; a PINGREQ has its PINGRESP [MQTT-3.12.4-1]
    [3.1.1 MQTT-3.12.4-1]."""
    wire.send(publish_packet(name, b"", version) + publish_packet(name, b"", version, qos=1, packet_id=5))
    wire.send(b"\xc0\0")
    assert [wire.read() for _ in range(2)] == [(0x40, b"\0\5"), (0xD0, b"")]


def test_an_identifier_that_was_acknowledged_is_a_new_message(wire, other, name, version):
    """Whatever its DUP flag says, which is not passed on [MQTT-4.3.2-5] [MQTT-3.3.1-3] [3.1.1 MQTT-4.3.2-2]
    [3.1.1 MQTT-3.3.1-3]."""
    other.subscribe(name)
    for payload, flag in ((b"first", 0), (b"second", DUP)):
        raw = publish_packet(name, payload, version, qos=1, packet_id=7)
        wire.send(bytes([raw[0] | flag]) + raw[1:])
        assert wire.take(PUBACK).body == b"\0\7"
        seen = Seen(other)
        assert (seen.payload, seen.dup) == (payload, 0)


def test_a_refusing_puback_settles(home, name, other):
    """[MQTT-4.4.0-2]: neither again on this connection, where the window of one opens, nor on the next."""
    other.subscribe("anything else")
    with home.persistent(name, 5, properties=short(RECEIVE_MAXIMUM, 1))[0] as wire:
        wire.subscribe(name)
        wire.acknowledges = False
        for payload in (b"refused", b"taken"):
            other.publish(name, payload)
        first = Seen(wire)
        wire.acknowledges = True
        wire.send(packet(0x40, first.packet_id.to_bytes(2) + b"\x97"))
        assert payloads(wire, 1) == [b"taken"]
        wire.disconnect()
    with home.persistent(name, 5)[0] as wire:
        assert wire.messages() == []


def test_a_full_window_holds_up_nothing_else(home, name, other):
    """[MQTT-3.3.4-10] [MQTT-4.9.0-3]: PINGRESP, SUBACK, PUBACK and messages of QoS 0."""
    with home.online(name, 5, properties=short(RECEIVE_MAXIMUM, 1)) as wire:
        wire.subscribe(name)
        wire.acknowledges = False
        other.publish(name, b"unacknowledged")
        assert Seen(wire).payload == b"unacknowledged"
        other.publish(name, b"waits")
        assert wire.subscribe(f"{name}/more") == [1]
        assert wire.publish(f"{name}/more", b"qos 0", qos=0) == 0
        assert wire.publish("elsewhere", b"") == 0
        wire.ping()
        assert [message.payload for message in wire.messages()] == [b"qos 0"]


# --- retained messages and wills ---------------------------------------------------------------------------


def test_what_is_not_retained_replaces_nothing(home, wire, other, name):
    """[MQTT-3.3.1-8] [3.1.1 MQTT-3.3.1-12]; nor does its publisher's end delete it [3.1.1 MQTT-3.1.2-7]."""
    with home.online(f"w-{name}") as writer:
        writer.publish(name, b"kept", retain=True)
        for payload in (b"passing", b""):
            writer.publish(name, payload)
        writer.disconnect()
    wire.subscribe(name)
    seen = Seen(wire)
    assert (seen.payload, seen.retain) == (b"kept", 1)


@pytest.mark.parametrize("qos", [0, 1])
def test_the_last_one_is_kept_whatever_its_qos(wire, other, name, qos):
    """[MQTT-3.3.1-5] [3.1.1 MQTT-3.3.1-5] [3.1.1 MQTT-3.3.1-7]"""
    other.publish(name, b"old", retain=True)
    other.publish(name, b"new", qos=qos, retain=True)
    other.ping()
    wire.subscribe(name)
    seen = Seen(wire)
    assert (seen.payload, seen.qos, seen.retain) == (b"new", qos, 1)
    assert wire.messages() == []


def test_a_will_that_is_not_to_be_retained_is_not(home, wire, other, name, version):
    """[MQTT-3.1.2-14] [3.1.1 MQTT-3.1.2-16]; it comes once [MQTT-3.1.2-10] [3.1.1 MQTT-3.1.2-10]."""
    other.subscribe(name)
    with home.online(f"x-{name}", version, will=Will(name, b"last words", qos=1)):
        pass
    assert payloads(other, 1) == [b"last words"]
    with home.online(f"x-{name}", version) as again:
        again.disconnect()
    assert other.messages() == []
    wire.subscribe(name)
    assert wire.messages() == []


def test_no_will_no_last_words(home, other, name, version):
    """[3.1.1 MQTT-3.1.2-12]"""
    other.subscribe("#")
    with home.online(f"x-{name}", version) as silent:
        silent.ping()
    with home.online(f"y-{name}", version) as speaker:
        speaker.publish(name, b"spoken")
    seen = other.message()
    while seen.payload != b"spoken":
        assert seen.topic != f"x-{name}"
        seen = other.message()
    assert other.messages() == []


# --- topic aliases -----------------------------------------------------------------------------------------


def test_an_alias_ends_with_its_connection(home, name):
    """[MQTT-3.3.2-7]: the node's memory of a client's aliases, with a session that goes on."""
    with home.persistent(name, 5)[0] as wire:
        for topic in (name, ""):
            assert wire.publish(topic, b"", properties=short(ALIAS, 1)) == 0
        wire.disconnect()
    wire, present = home.persistent(name, 5)
    with wire:
        assert present
        wire.send(publish_packet("", b"", 5, properties=short(ALIAS, 1)))
        assert wire.until_closed() == PROTOCOL_ERROR
        assert "alias 1 was never given a topic" in wire.reason_text


# --- errors ------------------------------------------------------------------------------------------------


def test_flags_that_are_reserved_end_the_connection(home, name, version):
    """[MQTT-3.14.1-1] [MQTT-4.13.2-1] [3.1.1 MQTT-3.14.1-1]: such a DISCONNECT is none, and the will goes
    out."""
    with home.online(f"o-{name}") as observer:
        observer.subscribe(name)
        with home.online(name, version, will=Will(name)) as wire:
            wire.send(b"\xe1\0")
            assert wire.until_closed() == (0x81 if version == 5 else None)
        assert payloads(observer, 1) == [b"gone"]


def test_what_cannot_be_stored_ends_the_connection(home, name, version):
    """[3.1.1 MQTT-4.8.0-2]: it is not acknowledged; somebody else holds the database for too long."""
    home.subscribed_and_gone(name, name, version=version)
    with home.online(f"w-{name}", version) as writer:
        with contextlib.closing(sqlite3.connect(home.node.data / "sekisho.db")) as database:
            database.execute("BEGIN IMMEDIATE")
            writer.send(publish_packet(name, b"lost", version, qos=1, packet_id=1))
            with pytest.raises(Closed):
                writer.take(PUBACK, within=30)
            database.rollback()
        assert writer.reason == (UNSPECIFIED_ERROR if version == 5 else None)
    with home.persistent(name, version)[0] as wire:
        assert wire.messages() == []


def test_a_connack_comes_first(home, name, version):
    """Also where what waited for a session is there at once, and packets came with the CONNECT
    [MQTT-3.2.0-1] [MQTT-3.1.4-5] [3.1.1 MQTT-3.2.0-1] [3.1.1 MQTT-3.1.4-4]."""
    home.subscribed_and_gone(name, name, version=version)
    with home.online(f"w-{name}") as writer:
        writer.publish(name, b"waits")
    with home.anything.wire() as wire:
        wire.version = version
        more = {"properties": long(0x11, 3600)} if version == 5 else {}
        wire.send(connect_packet(name, version, clean=False, **more) + b"\xc0\0")
        first = wire.read()
        assert first.kind == CONNACK
        assert first.body[:2] == b"\1\0"
        assert payloads(wire, 1) == [b"waits"] if wire.read().kind == 13 else wire.read().kind == 13
