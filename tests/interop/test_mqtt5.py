"""What MQTT 5 adds, as AWS has it: properties end to end, aliases, expiry, windows and sizes, reasons."""

from __future__ import annotations

import struct

import pytest

from interop.devices import allow
from interop.packets import PUBACK, packet, props, publish_packet, text
from interop.places import (
    ALIAS,
    ALIAS_MAXIMUM,
    MESSAGE_EXPIRY,
    PACKET_MAXIMUM,
    REASON_STRING,
    RECEIVE_MAXIMUM,
    SESSION_EXPIRY,
    UNLIMITED,
    Seen,
    disconnect,
    long,
    payloads,
    place,
    short,
)

FORMAT, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION, USER = 0x01, 0x03, 0x08, 0x09, 0x26
ASSIGNED, KEEP_ALIVE, PROBLEM = 0x12, 0x13, 0x17
NOT_AUTHORIZED, RECEIVE_MAXIMUM_EXCEEDED, ALIAS_INVALID = 0x87, 0x93, 0x94


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    settings = (UNLIMITED, "mqtt.limits.resend_seconds=1")
    with place(tmp_path_factory.mktemp("mqtt5"), *settings) as home:
        yield home


@pytest.fixture
def writer(home, name):
    with home.online(f"w-{name}"[:100], 5) as wire:
        yield wire


# --- properties of messages --------------------------------------------------------------------------------

PROPERTIES = {
    "payload format indicator": (b"\x01\x01", {FORMAT: 1}),
    "content type": (b"\x03" + text("application/json"), {CONTENT_TYPE: b"application/json"}),
    "response topic": (b"\x08" + text("answers/here"), {RESPONSE_TOPIC: b"answers/here"}),
    "correlation data": (b"\x09" + text(b"\x00\xff\x80"), {CORRELATION: b"\x00\xff\x80"}),
    "user properties": (
        b"".join(b"\x26" + text(key) + text(value) for key, value in (("b", "1"), ("a", "2"), ("b", "3"))),
        {USER: [(b"b", b"1"), (b"a", b"2"), (b"b", b"3")]},
    ),
}
EVERYTHING = b"".join(raw for raw, _ in PROPERTIES.values())
EVERY = {key: value for _, found in PROPERTIES.values() for key, value in found.items()}


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("which", PROPERTIES)
def test_a_property_goes_through_unchanged(home, name, writer, which, qos):
    """[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-20]"""
    raw, found = PROPERTIES[which]
    with home.online(name, 5) as wire:
        wire.subscribe(name, qos=qos)
        writer.publish(name, b"{}", qos=qos, properties=raw)
        assert wire.message().properties == found


@pytest.mark.parametrize("how", ["live", "stored", "retained"])
def test_all_of_them_in_their_order(home, name, writer, how):
    """[MQTT-3.3.2-17] [MQTT-3.3.2-18]"""
    with home.persistent(name, 5)[0] as wire:
        if how != "retained":
            wire.subscribe(name)
        if how == "stored":
            wire.disconnect()
        else:
            writer.publish(name, b"{}", retain=how == "retained", properties=EVERYTHING)
            if how == "retained":
                wire.subscribe(name)
            assert wire.message().properties == EVERY
            return
    writer.publish(name, b"{}", properties=EVERYTHING)
    with home.persistent(name, 5)[0] as wire:
        assert wire.message().properties == EVERY


def test_a_will_has_them_too(home, name):
    """[MQTT-3.1.3-10]"""
    flags, will = 0x02 | 0x04 | 1 << 3, props(5, EVERYTHING) + text(name) + text(b"gone")
    head = text("MQTT") + bytes([5, flags]) + struct.pack("!H", 60) + props(5, b"")
    with home.online(f"o-{name}"[:100], 5) as observer:
        observer.subscribe(name)
        with home.anything.wire() as wire:
            wire.send(packet(0x10, head + text(name) + will))
            wire.take(2)
        assert observer.message().properties == EVERY


def test_a_3_1_1_client_gets_none_of_them(home, name, writer):
    with home.online(name) as wire:
        wire.subscribe(name)
        writer.publish(name, b"{}", properties=EVERYTHING)
        assert payloads(wire, 1) == [b"{}"]


# --- message expiry ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize(
    ("given", "told"),
    [(0, 1), (1, 1), (60, 60), (604_800, 604_800), (604_801, 604_800), (2**32 - 1, 604_800)],
)
def test_message_expiry_is_brought_into_range(home, name, writer, given, told, qos):
    """AWS IoT Developer Guide, MQTT 5: 0 becomes 1, what is above seven days becomes that."""
    home.own.set_clock(frozen=True)
    try:
        with home.online(name, 5) as wire:
            wire.subscribe(name, qos=qos)
            writer.publish(name, b"", qos=qos, properties=long(MESSAGE_EXPIRY, given))
            assert wire.message().properties == {MESSAGE_EXPIRY: told}
    finally:
        home.own.set_clock(reset=True)


def test_what_waits_for_the_window_expires_there(home, name, writer):
    """No persistent session: the messages wait in memory. [MQTT-3.3.2-5] [MQTT-3.3.2-6]"""
    with home.online(name, 5, properties=short(RECEIVE_MAXIMUM, 1)) as wire:
        wire.subscribe(name)
        wire.acknowledges = False
        writer.publish(name, b"first")
        first = Seen(wire)
        writer.publish(name, b"short", properties=long(MESSAGE_EXPIRY, 60))
        writer.publish(name, b"long", properties=long(MESSAGE_EXPIRY, 1000))
        wire.acknowledges = True
        with home.later(seconds=100):
            wire.send(packet(0x40, first.packet_id.to_bytes(2)))
            second = Seen(wire)
            assert second.payload == b"long"
            assert 890 <= second.properties[MESSAGE_EXPIRY] <= 900
            assert wire.messages() == []


# --- topic aliases -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize(("maximum", "used"), [(0, 0), (3, 3), (8, 8), (100, 8)])
def test_aliases_towards_the_client(home, name, writer, maximum, used, qos):
    """[MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11]"""
    with home.online(name, 5, properties=short(ALIAS_MAXIMUM, maximum)) as wire:
        wire.subscribe(f"{name}/#", qos=qos)
        for turn in range(2):
            for number in range(10):
                writer.publish(f"{name}/{number}", b"%d" % number, qos=qos)
                message = wire.message()
                assert message.payload == b"%d" % number
                known = turn == 1 and number < used
                assert message.topic == ("" if known else f"{name}/{number}")
                assert message.properties == ({ALIAS: number + 1} if number < used else {})


@pytest.mark.parametrize("shared", [False, True])
def test_aliases_are_one_table_for_all_ways(home, name, writer, shared):
    """QoS 0 and 1, stored, retained and shared: the client has one table of aliases."""
    writer.publish(name, b"retained", retain=True)
    wire, _ = home.persistent(name, 5, properties=short(ALIAS_MAXIMUM, 8))
    with wire:
        wire.subscribe(name)
        assert (wire.message().topic, wire.messages()) == (name, [])
        if shared:
            wire.unsubscribe(name)
            wire.subscribe(f"$share/group/{name}")
        for qos in (0, 1, 0):
            writer.publish(name, b"live", qos=qos)
            message = wire.message()
            assert (message.topic, message.properties) == ("", {ALIAS: 1})
        wire.disconnect()
    wire, _ = home.persistent(name, 5, properties=short(ALIAS_MAXIMUM, 8))
    with wire:
        writer.publish(name, b"again")
        assert wire.message().topic == name  # the next connection knows none [MQTT-3.3.2-7]


def test_an_alias_that_was_not_sent_is_not_used(home, name, writer):
    properties = short(ALIAS_MAXIMUM, 8) + long(PACKET_MAXIMUM, 200)
    with home.online(name, 5, properties=properties) as wire:
        for qos in (0, 1):
            topic = f"{name[:50]}/{qos}"
            wire.subscribe(topic, qos=qos)
            writer.publish(topic, bytes(300), qos=qos)
            writer.publish(topic, b"small", qos=qos)
            message = wire.message()
            assert (message.topic, message.payload) == (topic, b"small")


def test_aliases_towards_the_node(home, name, writer):
    """[MQTT-3.3.2-12]"""
    with home.online(name, 5) as wire:
        wire.subscribe(f"{name}/#")
        writer.publish(f"{name}/a", b"1", properties=short(ALIAS, 8))
        writer.publish("", b"2", properties=short(ALIAS, 8))
        writer.publish(f"{name}/b", b"3", properties=short(ALIAS, 8))
        writer.publish("", b"4", properties=short(ALIAS, 8))
        got = [wire.message() for _ in range(4)]
        assert [message.topic for message in got] == [f"{name}/{level}" for level in "aabb"]
        assert all(message.properties == {} for message in got)


def test_alias_9_is_one_too_many(home, name, writer):
    """[MQTT-3.2.2-17] [MQTT-3.3.2-9]"""
    writer.send(publish_packet(name, b"", 5, properties=short(ALIAS, 9)))
    assert writer.until_closed() == ALIAS_INVALID
    assert writer.reason_text == "topic alias 9 is above the maximum of 8"


# --- windows and sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("persistent", [False, True])
def test_the_clients_receive_maximum(home, name, writer, persistent):
    """[MQTT-3.3.4-9] [MQTT-4.9.0-2]"""
    if persistent:
        wire, _ = home.persistent(name, 5, properties=short(RECEIVE_MAXIMUM, 2))
    else:
        wire = home.online(name, 5, properties=short(RECEIVE_MAXIMUM, 2))
    with wire:
        wire.subscribe(name)
        wire.acknowledges = False
        for number in range(5):
            writer.publish(name, b"%d" % number)
        first, second = Seen(wire), Seen(wire)
        wire.acknowledges = True
        for seen in (first, second):
            wire.send(packet(0x40, seen.packet_id.to_bytes(2)))
        assert payloads(wire, 3) == [b"2", b"3", b"4"]


def test_qos_0_does_not_count_for_it(home, name, writer):
    with home.online(name, 5, properties=short(RECEIVE_MAXIMUM, 1)) as wire:
        wire.subscribe(name)
        wire.acknowledges = False
        writer.publish(name, b"1")
        for number in range(5):
            writer.publish(name, b"%d" % number, qos=0)
        writer.ping()
        assert [message.qos for message in (wire.message() for _ in range(6))] == [1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("qos", [0, 1])
def test_the_clients_maximum_packet_size(home, name, writer, qos, persistent):
    """What is too large counts as sent [MQTT-3.1.2-25]: it holds up nothing and does not come later."""
    size = long(PACKET_MAXIMUM, 300)
    wire = (
        home.persistent(name, 5, properties=size)[0] if persistent else home.online(name, 5, properties=size)
    )
    with wire:
        wire.subscribe(name, qos=qos)
        writer.publish(name, bytes(400), qos=qos)
        writer.publish(name, b"small", qos=qos)
        assert payloads(wire, 1) == [b"small"]
        wire.disconnect()
    if persistent:
        with home.persistent(name, 5)[0] as wire:
            assert wire.messages() == []


# --- reasons -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "told"), [(b"", True), (b"\x17\x01", True), (b"\x17\x00", False)])
def test_request_problem_information(home, asked, told):
    """[MQTT-3.1.2-29]: without it reason strings are for CONNACK and DISCONNECT alone."""
    device = home.device("quiet", statements=[allow("Connect", "*")])
    with device.online(version=5, properties=asked) as wire:
        wire.send(publish_packet("no", b"", 5, qos=1, packet_id=7))
        body = wire.take(PUBACK).body
        assert body[:3] == b"\x00\x07" + bytes([NOT_AUTHORIZED])
        assert (b"not authorized to publish to no" in body) == told
        wire.send(publish_packet("no", b"", 5))
        assert wire.until_closed() == NOT_AUTHORIZED
        assert wire.reason_text == "not authorized to publish to no"


# --- CONNACK -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "granted"), [(0, 1200), (1, 30), (30, 30), (600, 600), (65535, 1200)])
def test_server_keep_alive(home, name, asked, granted):
    with home.anything.wire() as wire:
        assert wire.connect(name, 5, keep_alive=asked).properties[KEEP_ALIVE] == granted


def test_assigned_client_id(home):
    """[MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]"""
    with home.anything.wire() as one, home.anything.wire() as two:
        ids = [wire.connect("", 5).properties[ASSIGNED] for wire in (one, two)]
        assert all(ids)
        assert ids[0] != ids[1]
    with home.anything.wire() as wire:
        assert ASSIGNED not in wire.connect("named", 5).properties


@pytest.mark.parametrize(("asked", "granted"), [(0, 0), (5, 5), (3600, 3600), (3601, 3600)])
def test_session_expiry(home, name, asked, granted):
    with home.anything.wire() as wire:
        answer = wire.connect(name, 5, properties=long(SESSION_EXPIRY, asked))
        assert answer.properties[SESSION_EXPIRY] == granted
        disconnect(wire, b"")


def test_what_connack_says(home, name):
    """[MQTT-3.2.2-9] [MQTT-4.12.0-6]"""
    with home.anything.wire() as wire:
        found = wire.connect(name, 5).properties
    assert found | {SESSION_EXPIRY: 0, KEEP_ALIVE: 60} == {
        SESSION_EXPIRY: 0,
        KEEP_ALIVE: 60,
        RECEIVE_MAXIMUM: 100,
        ALIAS_MAXIMUM: 8,
        PACKET_MAXIMUM: 149_504,
        0x24: 1,  # maximum QoS
        0x25: 1,  # retain
        0x28: 1,  # wildcards
        0x29: 0,  # subscription identifiers
        0x2A: 1,  # shared subscriptions
    }
    assert REASON_STRING not in found


# --- sent again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("how", ["live", "stored", "retained"])
def test_what_is_not_acknowledged_is_sent_again(home, name, writer, version, how):
    """On the same connection, in MQTT 5 too; here after one second instead of thirty. [MQTT-3.3.1-1]
    [MQTT-4.3.2-3] [3.1.1 MQTT-3.3.1-1]"""
    if how == "stored":
        wire, _ = home.persistent(name, version)
    else:
        wire = home.online(name, version)
    with wire:
        wire.acknowledges = False
        if how == "retained":
            writer.publish(name, b"once", retain=True)
            wire.subscribe(name)
        else:
            wire.subscribe(name)
            writer.publish(name, b"once")
        first, second, third = Seen(wire), Seen(wire), Seen(wire)
        assert [seen.dup for seen in (first, second, third)] == [0, 1, 1]
        for seen in (first, second, third):
            assert (seen.topic, seen.payload, seen.packet_id) == (name, b"once", first.packet_id)
            assert seen.retain == (how == "retained")
        wire.send(packet(0x40, first.packet_id.to_bytes(2)))
        wire.ping()
        wire.messages()
        writer.publish(name, b"next")
        assert Seen(wire).payload == b"next"


def test_with_an_alias_it_is_sent_again_with_its_topic(home, name, writer):
    with home.online(name, 5, properties=short(ALIAS_MAXIMUM, 8)) as wire:
        wire.subscribe(name)
        writer.publish(name, b"known")
        assert Seen(wire).topic == name
        wire.acknowledges = False
        writer.publish(name, b"once")
        first, second = Seen(wire), Seen(wire)
        assert (first.topic, first.dup) == ("", 0)
        assert (second.topic, second.dup, second.payload) == (name, 1, b"once")


def test_what_has_expired_is_not_sent_again(home, name, writer):
    with home.online(name, 5) as wire:
        wire.subscribe(name)
        wire.acknowledges = False
        writer.publish(name, b"short", properties=long(MESSAGE_EXPIRY, 60))
        assert Seen(wire).payload == b"short"
        with home.later(seconds=100):
            writer.publish(name, b"long")
            assert Seen(wire).payload == b"long"
            again = Seen(wire)
            assert (again.payload, again.dup) == (b"long", 1)
