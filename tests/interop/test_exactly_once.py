"""QoS 2 in the extended profile, packet by packet (section 4.3.3); the clients of others are at the end."""

from __future__ import annotations

import json

import pytest

from interop.devices import allow, until
from interop.places import (
    ALIAS,
    ALIAS_MAXIMUM,
    MESSAGE_EXPIRY,
    PACKET_MAXIMUM,
    REASON_STRING,
    RECEIVE_MAXIMUM,
    UNLIMITED,
    Seen,
    long,
    place,
    short,
)
from interop.test_extended import EXTENDED, RESEND, identifier
from interop.test_mosquitto_clients import pub, start_sub, wait_for
from interop.test_paho import PATIENCE, Paho
from interop.wire import PUBACK, Closed, Will, packet, publish_packet, read_properties

PUBREC, PUBREL, PUBCOMP = 5, 6, 7
FIRST = {PUBACK: 0x40, PUBREC: 0x50, PUBREL: 0x62, PUBCOMP: 0x70}
NOT_FOUND, NOT_AUTHORIZED, QUOTA, PROTOCOL_ERROR = 0x92, 0x87, 0x97, 0x82


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with place(
        tmp_path_factory.mktemp("exactly"), UNLIMITED, EXTENDED, "mqtt.limits.resend_seconds=0"
    ) as home:
        yield home


@pytest.fixture(scope="module")
def resending(tmp_path_factory):
    with place(tmp_path_factory.mktemp("resending"), UNLIMITED, EXTENDED, RESEND) as home:
        yield home


@pytest.fixture(params=[True, False], ids=["persistent", "clean"])
def persistent(request):
    return request.param


@pytest.fixture
def observer(home, name):
    with home.online(f"o-{name}"[:100], 5) as wire:
        wire.subscribe(f"{name}/#", qos=1)
        yield wire


def connected(home, name, version, persistent, **more):
    if persistent:
        return home.persistent(name, version, **more)[0]
    return home.online(name, version, **more)


def say(wire, kind, packet_id, reason=None):
    tail = b"" if reason is None else bytes([reason])
    wire.send(packet(FIRST[kind], packet_id.to_bytes(2) + tail))


def hear(wire, kind):
    """The packet identifier and the reason of the next packet, which must be of a kind."""
    body = wire.take(kind).body
    return int.from_bytes(body[:2]), body[2] if len(body) > 2 else 0


def put(wire, topic, payload=b"x", packet_id=1, dup=False, **more):
    raw = bytearray(publish_packet(topic, payload, wire.version, qos=2, packet_id=packet_id, **more))
    raw[0] |= 8 if dup else 0
    wire.send(bytes(raw))


def put_whole(wire, topic, payload=b"x", packet_id=1, **more):
    """Publish, from PUBLISH to PUBCOMP."""
    put(wire, topic, payload, packet_id, **more)
    assert hear(wire, PUBREC) == (packet_id, 0)
    say(wire, PUBREL, packet_id)
    assert hear(wire, PUBCOMP) == (packet_id, 0)


def get_whole(wire, payload=b"x"):
    """Receive, from PUBLISH to PUBCOMP."""
    wire.acknowledges = False
    seen = Seen(wire)
    assert (seen.payload, seen.qos) == (payload, 2)
    say(wire, PUBREC, seen.packet_id)
    assert hear(wire, PUBREL) == (seen.packet_id, 0)
    say(wire, PUBCOMP, seen.packet_id)
    return seen


def all_of(wire):
    return [message.payload for message in wire.messages()]


# --- from the client ---------------------------------------------------------------------------------------


def test_what_is_granted_and_advertised(home, name, version):
    with home.anything.wire() as wire:
        answer = wire.connect(name, version)
        assert 0x24 not in answer.properties  # no Maximum QoS: 2 (section 3.2.2.3.4)
        assert wire.subscribe(name, qos=2) == [2]


def test_a_message_is_taken_once(home, name, version, persistent, observer):
    """[MQTT-4.3.3-8], [MQTT-4.3.3-10], [MQTT-4.3.3-11], [MQTT-4.3.3-12], [3.1.1 MQTT-4.3.3-2]"""
    with connected(home, name, version, persistent) as wire:
        put(wire, f"{name}/a", b"one")
        assert hear(wire, PUBREC) == (1, 0)
        put(wire, f"{name}/a", b"one", dup=True)
        assert hear(wire, PUBREC) == (1, 0)
        assert observer.message().payload == b"one"
        say(wire, PUBREL, 1)
        assert hear(wire, PUBCOMP) == (1, 0)
        put_whole(wire, f"{name}/a", b"two")
        assert all_of(observer) == [b"two"]


def test_a_duplicate_before_its_pubrec_is_none_too(home, name, version, persistent, observer):
    with connected(home, name, version, persistent) as wire:
        put(wire, f"{name}/a", b"one")
        put(wire, f"{name}/a", b"one", dup=True)
        assert hear(wire, PUBREC) == (1, 0)
        wire.send(packet(0xC0, b""))
        while wire.read().kind == PUBREC:
            pass
        assert all_of(observer) == [b"one"]


def test_a_pubrel_of_nothing(home, name, version, persistent):
    """Section 3.7.2.1: 0x92, which is no error when sessions are resumed; 3.1.1 has only PUBCOMP."""
    with connected(home, name, version, persistent) as wire:
        say(wire, PUBREL, 9)
        assert hear(wire, PUBCOMP) == (9, NOT_FOUND if version == 5 else 0)


def test_a_resumed_session_knows_what_it_has(home, name, version, observer):
    """[MQTT-4.4.0-1]: the client publishes again what has no PUBREC, and releases what has one."""
    with home.persistent(name, version)[0] as wire:
        put(wire, f"{name}/a", b"one", 1)
        put(wire, f"{name}/a", b"two", 2)
        assert [hear(wire, PUBREC)[0] for _ in range(2)] == [1, 2]
    wire, present = home.persistent(name, version)
    with wire:
        assert present
        put(wire, f"{name}/a", b"one", 1, dup=True)
        assert hear(wire, PUBREC) == (1, 0)
        for packet_id in (1, 2):
            say(wire, PUBREL, packet_id)
            assert hear(wire, PUBCOMP) == (packet_id, 0)
        say(wire, PUBREL, 2)
        assert hear(wire, PUBCOMP) == (2, NOT_FOUND if version == 5 else 0)
        assert all_of(observer) == [b"one", b"two"]
        put_whole(wire, f"{name}/a", b"new")
        assert all_of(observer) == [b"new"]


def test_a_session_that_has_ended_knows_nothing(home, name, version, observer):
    with home.persistent(name, version)[0] as wire:
        put(wire, f"{name}/a", b"one")
        hear(wire, PUBREC)
    home.online(name, version).disconnect()
    with home.persistent(name, version)[0] as wire:
        put(wire, f"{name}/a", b"another")
        hear(wire, PUBREC)
        assert all_of(observer) == [b"one", b"another"]


def test_it_counts_for_the_receive_maximum_until_it_is_complete(home, name):
    """[MQTT-3.3.4-9], section 4.9"""
    with home.online(name, 5) as wire:
        for packet_id in range(1, 101):
            put(wire, name, b"", packet_id)
            assert hear(wire, PUBREC) == (packet_id, 0)
        put(wire, name, b"", 7, dup=True)
        assert hear(wire, PUBREC) == (7, 0)
        say(wire, PUBREL, 1)
        assert hear(wire, PUBCOMP) == (1, 0)
        put(wire, name, b"", 101)
        assert hear(wire, PUBREC) == (101, 0)
        put(wire, name, b"", 102)
        assert wire.until_closed() == 0x93


def test_more_than_are_kept(home, name, version):
    """3.1.1 has no Receive Maximum, and over connections neither has 5; there is an end all the same."""
    packet_ids = iter(range(1, 1001))
    while True:
        wire = home.persistent(name, version)[0]
        with wire:
            for _, packet_id in zip(range(100 if version == 5 else 1000), packet_ids, strict=False):
                put(wire, name, b"", packet_id)
                assert hear(wire, PUBREC) == (packet_id, 0)
                if packet_id == 1000:
                    break
            else:
                continue
        break
    with home.persistent(name, version)[0] as wire:
        put(wire, name, b"", 1001)
        if version == 5:
            assert hear(wire, PUBREC) == (1001, QUOTA)
        else:
            assert wire.until_closed() is None


def test_what_may_not_be_published(home, name, version):
    device = home.device("mute", statements=[allow("Connect", "*")])
    with device.online(version=version) as wire:
        put(wire, name)
        if version == 5:
            for _ in range(2):  # [MQTT-4.3.3-9]: the next one is new, and refused again
                assert hear(wire, PUBREC) == (1, NOT_AUTHORIZED)
                put(wire, name)
            say(wire, PUBREL, 1)
            assert hear(wire, PUBREC)[1] == NOT_AUTHORIZED
            assert hear(wire, PUBCOMP) == (1, NOT_FOUND)
        else:
            assert wire.until_closed() is None
    if version == 5:
        assert home.refusals(device.name)[0]["effect"] == "PUBREC 0x87 (not authorized)"


def test_a_reason_that_makes_a_pubrec_too_large_is_left_out(home, name):
    """[MQTT-3.5.2-2]"""
    device = home.device("mute", statements=[allow("Connect", "*")])
    topic = "x" * 200
    for most, words in ((150, None), (1000, f"not authorized to publish to {topic}".encode())):
        with device.online(version=5, properties=long(PACKET_MAXIMUM, most)) as wire:
            put(wire, topic)
            body = wire.take(PUBREC).body
            assert body[:3] == bytes([0, 1, NOT_AUTHORIZED])
            assert (read_properties(body, 3)[0] if body[3:] else {}).get(REASON_STRING) == words


def test_an_exchange_goes_on_though_its_message_has_expired(home, name, persistent):
    """[MQTT-4.3.3-13]"""
    reader = f"r-{name}"[:100]
    home.subscribed_and_gone(reader, f"{name}/+", version=5)
    with connected(home, name, 5, persistent) as wire:
        for packet_id in (1, 2):
            put(wire, f"{name}/a", b"short-lived", packet_id, properties=long(MESSAGE_EXPIRY, 60))
            assert hear(wire, PUBREC) == (packet_id, 0)
        with home.later(seconds=100):
            put(wire, f"{name}/a", b"short-lived", 1, dup=True, properties=long(MESSAGE_EXPIRY, 60))
            assert hear(wire, PUBREC) == (1, 0)
            for packet_id in (1, 2):
                say(wire, PUBREL, packet_id)
                assert hear(wire, PUBCOMP) == (packet_id, 0)
            put_whole(wire, f"{name}/b", b"new")
            with home.persistent(reader, 5)[0] as back:
                assert back.message().payload == b"new"
                assert back.messages() == []


def test_a_request_is_made_once(home, name):
    """On a reserved topic, which an engine answers."""
    topic = "$aws/certificates/create/json"
    with home.online(name, 5) as wire:
        wire.subscribe(f"{topic}/accepted")
        put(wire, topic, b"{}")
        assert hear(wire, PUBREC) == (1, 0)
        put(wire, topic, b"{}", dup=True)
        assert hear(wire, PUBREC) == (1, 0)
        assert "certificateId" in json.loads(wire.message().payload)
        put_whole(wire, topic, b"{}", 2)
        assert "certificateId" in json.loads(wire.message().payload)
        assert wire.messages() == []


# --- towards the client ------------------------------------------------------------------------------------


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


# --- retained, wills, shared -------------------------------------------------------------------------------


def test_retained(home, name, version, persistent):
    with home.online(f"w-{name}"[:100]) as writer:
        put_whole(writer, f"{name}/a", b"kept", retain=True)
    with connected(home, name, version, persistent) as wire:
        wire.subscribe(f"{name}/+", qos=2)
        wire.acknowledges = False
        seen = Seen(wire)
        assert (seen.payload, seen.qos, seen.retain) == (b"kept", 2, 1)
        if not persistent:
            return
    with home.persistent(name, version)[0] as wire:
        again = get_whole(wire, b"kept")
        assert (again.packet_id, again.dup, again.retain) == (seen.packet_id, 1, 1)
        assert wire.messages() == []


def test_a_will(home, name, version):
    with home.online(f"o-{name}"[:100], version) as observer:
        observer.subscribe(name, qos=2)
        home.online(name, version, will=Will(name, b"last words", qos=2)).close()
        get_whole(observer, b"last words")
    record = until(lambda: [r for r in home.refusals(name) if "will" in r["reason"]])[0]
    assert record["effect"] == "it was done; AWS IoT closes the connection, in MQTT 5 with CONNACK 0x9B"


def test_shared(home, name, version, persistent):
    with home.online(f"w-{name}"[:100]) as writer, connected(home, name, version, persistent) as wire:
        wire.subscribe(f"$share/g/{name}", qos=2)
        for number in range(3):
            put_whole(writer, name, b"%d" % number)
            get_whole(wire, b"%d" % number)
        assert wire.messages() == []


@pytest.mark.parametrize("other", ["persistent", "clean"])
def test_what_one_member_may_have_no_other_gets(home, name, version, persistent, other):
    """[MQTT-4.8.2-4], [MQTT-4.8.2-5]: it waits for its member, or is gone with its session."""
    keeper = f"k-{name}"[:100]
    group = f"$share/g/{name}"
    with home.persistent(keeper)[0] as wire:  # the messages are the group's rows
        wire.subscribe(group, qos=2)
        wire.disconnect()
    with home.online(f"w-{name}"[:100]) as writer, connected(home, name, version, persistent) as wire:
        wire.subscribe(group, qos=2)
        wire.acknowledges = False
        put_whole(writer, name, b"mine")
        seen = Seen(wire)
        assert seen.payload == b"mine"
    with connected(home, f"x-{name}"[:100], version, other == "persistent") as wire:
        wire.subscribe(group, qos=2)
        with home.online(f"w-{name}"[:100]) as writer:
            put_whole(writer, name, b"next")
        get_whole(wire, b"next")
        assert wire.messages() == []
        if persistent:
            with home.persistent(name, version)[0] as back:
                again = get_whole(back, b"mine")
                assert (again.packet_id, again.dup) == (seen.packet_id, 1)


# --- explain, and the strict profile -----------------------------------------------------------------------


def test_explain_tells(home, name, version):
    with home.online(name, version) as wire:
        wire.subscribe(name, qos=2)
        put_whole(wire, name)
    found = until(lambda: {r["action"]: r for r in home.refusals(name) if "QoS 2" in r["reason"]})
    assert found.keys() == {"iot:Publish", "iot:Subscribe"}
    assert found["iot:Publish"]["reason"] == "AWS IoT would have refused this: a PUBLISH with QoS 2"
    assert {r["decision"] for r in found.values()} == {"EXTENDED"}


def test_a_strict_node_goes_on_with_what_an_extended_one_left(tmp_path):
    with place(tmp_path, UNLIMITED, EXTENDED) as here:
        with here.online("w") as writer, here.persistent("r")[0] as wire:
            wire.subscribe("t", qos=2)
            wire.acknowledges = False
            put_whole(writer, "t", b"kept")
            Seen(wire)
        here.node.stop()
        here.node.settings = (UNLIMITED,)
        here.node.start()
        with here.persistent("r")[0] as wire:
            assert wire.message()[:3] == ("t", b"kept", 1)
            with pytest.raises(Closed):
                put(wire, "t")
                hear(wire, PUBREC)


# --- other people's clients --------------------------------------------------------------------------------


def test_paho(home, version):
    one = home.device("paho", statements=[allow("*", "*")])
    with Paho(one, version) as client:
        client.next("connect")
        assert client.subscribe(f"{one.name}/+", qos=2) == [2]
        infos = [client.client.publish(f"{one.name}/{n % 3}", str(n), 2) for n in range(300)]
        for info in infos:
            info.wait_for_publish(PATIENCE)
        got = [client.next("message") for _ in range(300)]
        assert [int(message.payload) for message in got] == list(range(300))
        assert {message.qos for message in got} == {2}
        assert client.told["message"].empty()


@pytest.mark.parametrize("mosquitto", ["mqttv311", "mqttv5"])
def test_mosquitto(home, mosquitto):
    one = home.device("mosquitto", statements=[allow("*", "*")])
    with (
        start_sub(one, mosquitto, "m/+", "-q", "2", "-C", "1", "-c", "-x", "60")
        if mosquitto == "mqttv5"
        else (start_sub(one, mosquitto, "m/+", "-q", "2", "-C", "1", "-c")) as sub
    ):
        wait_for(sub, "SUBACK")
        sent = pub(one, mosquitto, "m/a", "-m", "hello", "-q", "2", "-d", client_id=f"p-{one.name}")
        assert (sent.returncode, sent.stderr) == (0, "")
        assert "PUBREC" in sent.stdout
        assert "PUBCOMP" in sent.stdout
        output, errors = sub.communicate(timeout=20)
    assert (sub.returncode, errors) == (0, "")
    assert "hello\n" in output
    assert "PUBREL" in output
