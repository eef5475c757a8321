"""QoS 2 in the extended profile: from the client packet by packet (section 4.3.3), retained, wills, shared,
and the clients of others."""

from __future__ import annotations

import json

import pytest

from interop.devices import allow, until
from interop.exactly_once import (
    NOT_AUTHORIZED,
    NOT_FOUND,
    PUBCOMP,
    PUBREC,
    PUBREL,
    QUOTA,
    all_of,
    connected,
    get_whole,
    hear,
    put,
    put_whole,
    say,
)
from interop.exactly_once import home as home
from interop.exactly_once import observer as observer
from interop.exactly_once import persistent as persistent
from interop.extended import EXTENDED
from interop.packets import Will, packet, read_properties
from interop.places import MESSAGE_EXPIRY, PACKET_MAXIMUM, REASON_STRING, UNLIMITED, Seen, long, place
from interop.test_mosquitto_clients import pub, start_sub, wait_for
from interop.test_paho import PATIENCE, Paho
from interop.wire import Closed

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
