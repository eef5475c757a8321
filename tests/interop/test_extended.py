"""`mqtt.profile = "extended"`: what AWS IoT lacks, and `sekisho explain` telling that it does."""

from __future__ import annotations

import pytest

from interop.devices import allow
from interop.extended import EXTENDED, IDENTIFIER, identifier, told
from interop.extended import home as home
from interop.extended import writer as writer
from interop.packets import PUBACK, PUBLISH, packet, publish_packet, subscribe_packet
from interop.places import ALIAS, ALIAS_MAXIMUM, RECEIVE_MAXIMUM, UNLIMITED, Seen, place, short

# --- # -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("persistent", [False, True])
def test_hash_matches_its_parent(home, name, version, writer, persistent):
    """Section 4.7.1.2, which AWS deviates from."""
    wire = home.persistent(name, version)[0] if persistent else home.online(name, version)
    with wire:
        wire.subscribe(f"{name}/#")
        for topic in (name, f"{name}/a", f"{name}x", f"{name}/"):
            writer.publish(topic, b"", qos=1)
        topics = [wire.message().topic for _ in range(3)]
        assert topics == [name, f"{name}/a", f"{name}/"]
        assert wire.messages() == []
    (record,) = told(home, name, "/#")
    assert (record["action"], record["resource"]) == ("iot:Receive", name)
    assert record["effect"] == "it was delivered; AWS IoT delivers only what is below"


def test_a_session_that_is_away_gets_the_parent_too(home, name, version, writer):
    home.subscribed_and_gone(name, f"{name}/#", version=version)
    writer.publish(name, b"kept", qos=1)
    with home.persistent(name, version)[0] as wire:
        assert wire.message().payload == b"kept"


def test_a_filter_that_aws_would_match_too_is_not_told(home, name, writer):
    with home.online(name) as wire:
        wire.subscribe(f"{name}/#", name)
        writer.publish(name, b"", qos=1)
        assert wire.message().topic == name
    assert home.refusals(name) == []


def test_one_record_a_second_of_each_kind(home, name, writer):
    with home.online(name) as wire:
        wire.subscribe(f"{name}/+/#")
        for number in range(100):
            writer.publish(f"{name}/{number}", b"", qos=1)
        for _ in range(100):
            wire.message()
    assert 1 <= len(told(home, name, "/#")) < 100


def test_what_was_done_is_not_counted_as_refused(home, name, writer):
    before = home.own.describe_broker()["refused"]
    with home.online(name) as wire:
        wire.subscribe(f"{name}/#")
        writer.publish(name, b"", qos=1)
        wire.message()
    assert told(home, name, "/#")
    assert home.own.describe_broker()["refused"] == before


# --- subscription identifiers ------------------------------------------------------------------------------


def test_connack_says_that_they_are_there(home, name):
    with home.anything.wire() as wire:
        assert wire.connect(name, 5).properties[0x29] == 1


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("persistent", [False, True])
def test_identifiers_of_all_matching_subscriptions(home, name, writer, qos, persistent):
    """[MQTT-3.3.4-3], [MQTT-3.3.4-4]; the largest takes four bytes."""
    wire = home.persistent(name, 5)[0] if persistent else home.online(name, 5)
    with wire:
        wire.subscribe(f"{name}/a", qos=qos, properties=identifier(7))
        wire.subscribe(f"{name}/+", f"{name}/b", qos=0, properties=identifier(268_435_455))
        wire.subscribe(f"{name}/#", qos=0)
        for topic in ("a", "b", "c/d"):
            writer.publish(f"{name}/{topic}", b"", qos=1)
        got = [wire.message() for _ in range(3)]
    assert [message.qos for message in got] == [qos, 0, 0]
    found = [sorted(message.properties.get(IDENTIFIER, [])) for message in got]
    assert found == [[7, 268_435_455], [268_435_455, 268_435_455], []]
    (record,) = told(home, name, "subscription identifier")[:1]
    assert record["effect"] == "it was done; AWS IoT closes the connection, with DISCONNECT 0xA1"


def test_subscribing_again_changes_or_takes_away_the_identifier(home, name, writer):
    """[MQTT-3.8.4-3]: the new subscription replaces the old one."""
    with home.online(name, 5) as wire:
        found = []
        for properties in (identifier(1), identifier(2), b""):
            wire.subscribe(name, properties=properties)
            writer.publish(name, b"", qos=1)
            found.append(wire.message().properties.get(IDENTIFIER))
    assert found == [[1], [2], None]


def test_they_last_as_long_as_the_session(tmp_path):
    with place(tmp_path, UNLIMITED, EXTENDED) as here:
        with here.persistent("stays", 5)[0] as wire:
            wire.subscribe("a/+", properties=identifier(3))
            wire.disconnect()
        here.node.kill()
        here.node.start()
        with here.online("w") as writer:
            writer.publish("a/b", b"waits")
            wire, present = here.persistent("stays", 5)
            with wire:
                assert present
                writer.publish("a/b", b"live")
                got = [wire.message() for _ in range(2)]
    assert [(m.payload, m.properties[IDENTIFIER]) for m in got] == [(b"waits", [3]), (b"live", [3])]


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("persistent", [False, True])
def test_a_shared_subscription_has_its_own(home, name, writer, qos, persistent):
    """[MQTT-3.3.4-5], section 4.8.2: its copy is another message than the plain subscription's."""
    wire = home.persistent(name, 5)[0] if persistent else home.online(name, 5)
    with wire:
        wire.subscribe(f"$share/group/{name}", qos=qos, properties=identifier(8))
        writer.publish(name, b"one", qos=1)
        assert wire.message().properties == {IDENTIFIER: [8]}
        wire.subscribe(name, qos=1 - qos, properties=identifier(9))
        writer.publish(name, b"two", qos=1)
        got = {(m.qos, *m.properties[IDENTIFIER]) for m in (wire.message(), wire.message())}
        assert got == {(qos, 8), (1 - qos, 9)}


def test_a_client_id_that_is_a_filter_is_no_shared_subscription(home, name, writer):
    with home.persistent(name, 5)[0] as wire:
        wire.subscribe(f"{name}/#", properties=identifier(1))
        wire.subscribe(name, properties=identifier(2))
        writer.publish(f"{name}/a", b"", qos=1)
        assert wire.message().properties == {IDENTIFIER: [1]}


def test_with_an_alias_and_sent_again(home, name, writer):
    with home.online(name, 5, properties=short(ALIAS_MAXIMUM, 1)) as wire:
        wire.subscribe(name, properties=identifier(5))
        wire.acknowledges = False
        writer.publish(name, b"1", qos=1)
        writer.publish(name, b"2", qos=0)
        first, second = Seen(wire), Seen(wire)
        assert (first.topic, first.properties) == (name, {ALIAS: 1, IDENTIFIER: [5]})
        assert (second.topic, second.properties) == ("", {ALIAS: 1, IDENTIFIER: [5]})
        again = Seen(wire)
        assert (again.dup, again.topic, again.properties) == (1, name, {IDENTIFIER: [5]})


# --- retained messages for wildcards -----------------------------------------------------------------------


def retain(writer, *topics, qos=1):
    for topic in topics:
        writer.publish(topic, topic.rpartition("/")[2].encode() or b"-", qos=qos, retain=True)


def all_for(wire, writer, *filters, **more):
    """Subscribe; all that is sent for it, as (topic, RETAIN), before a later filter's."""
    writer.publish("~end", b"~end", retain=True)
    wire.subscribe(*filters, **more)
    wire.send(subscribe_packet(["~end"], wire.version, packet_id=999))
    found = []
    while True:
        got = wire.read()
        if got.kind == PUBLISH:
            topic = wire._message(got).topic
            if topic == "~end":
                wire.unsubscribe("~end")
                return found
            found.append((topic, got.first & 1))


@pytest.mark.parametrize("persistent", [False, True])
def test_retained_for_wildcards(home, name, version, writer, persistent):
    """[MQTT-3.3.1-9], [3.1.1 MQTT-3.3.1-6], [3.1.1 MQTT-3.3.1-8]"""
    retain(writer, name, f"{name}/a", f"{name}/a/b", f"{name}/c", f"{name}x", f"{name[:-1]}/a", f"{name}/")
    wire = home.persistent(name, version)[0] if persistent else home.online(name, version)
    with wire:
        for filter, topics in {
            f"{name}/+": ["/", "/a", "/c"],
            f"{name}/#": ["", "/", "/a", "/a/b", "/c"],
            f"{name}/+/b": ["/a/b"],
            f"{name}/a/#": ["/a", "/a/b"],
            f"{name}/c": ["/c"],
            f"+/{name}": [],
            f"$share/group/{name}/#": [],
        }.items():
            assert all_for(wire, writer, filter) == [(f"{name}{topic}", 1) for topic in topics]
            wire.unsubscribe(filter)
    (record,) = told(home, name, "retained")[:1]
    assert (record["action"], record["resource"]) == ("iot:Subscribe", f"{name}/+")


def test_a_wildcard_at_the_beginning_looks_at_all(home, name, writer):
    retain(writer, *(f"{name}/{number}" for number in range(520)))  # more than a page
    with home.online(name, 5) as wire:
        found = all_for(wire, writer, "#")
        assert sorted(topic for topic, _ in found if topic.startswith(f"{name}/")) == sorted(
            f"{name}/{number}" for number in range(520)
        )
        wire.unsubscribe("#")  # else the end comes by that as well, perhaps before it is asked for
        assert len(all_for(wire, writer, "+/7")) == 1


def test_retain_handling_and_identifiers(home, name, writer):
    """[MQTT-3.3.1-10], [MQTT-3.3.1-11], [MQTT-3.3.4-3]"""
    retain(writer, f"{name}/a", f"{name}/b")
    with home.online(name, 5) as wire:
        assert all_for(wire, writer, f"{name}/+", qos=0x21) == []
        assert all_for(wire, writer, f"{name}/+", qos=0x11) == []  # it is not new
        wire.unsubscribe(f"{name}/+")
        assert len(all_for(wire, writer, f"{name}/+", qos=0x11)) == 2
        wire.subscribe(f"{name}/+", qos=0, properties=identifier(4))
        for topic in ("a", "b"):
            got = Seen(wire)
            assert (got.topic, got.qos, got.retain) == (f"{name}/{topic}", 0, 1)
            assert got.properties == {IDENTIFIER: [4]}


def test_they_come_as_fast_as_the_client_takes_them(home, name, writer):
    """None is lost, and no more are under way than its Receive Maximum."""
    topics = sorted(f"{name}/{number}" for number in range(1500))
    for start in range(0, 1500, 50):
        for packet_id, topic in enumerate(topics[start : start + 50], start=1):
            writer.send(publish_packet(topic, b"x", 5, qos=1, packet_id=packet_id, retain=True))
        for _ in range(50):
            writer.take(PUBACK)
    with home.online(name, 5, properties=short(RECEIVE_MAXIMUM, 3)) as wire:
        wire.acknowledges = False
        wire.subscribe(f"{name}/#")
        first = [Seen(wire) for _ in range(3)]
        assert wire.messages() == []
        wire.acknowledges = True
        for got in first:
            wire.send(packet(0x40, got.packet_id.to_bytes(2)))
        rest = [wire.message().topic for _ in range(1497)]
    assert [got.topic for got in first] + rest == topics


def test_an_older_one_does_not_follow_a_newer(home, name, writer):
    retain(writer, f"{name}/1", f"{name}/2")
    with home.online(name, 5, properties=short(RECEIVE_MAXIMUM, 1)) as wire:
        wire.acknowledges = False
        wire.subscribe(f"{name}/+")
        got = Seen(wire)
        assert got.payload == b"1"
        writer.publish(f"{name}/2", b"newer", qos=0, retain=True)
        got_newer = Seen(wire)
        assert (got_newer.payload, got_newer.retain) == (b"newer", 0)
        wire.acknowledges = True
        wire.send(packet(0x40, got.packet_id.to_bytes(2)))
        writer.publish(f"{name}/3", b"end", qos=1)
        assert wire.message().payload == b"end"


def test_unsubscribing_ends_it(home, name, writer):
    retain(writer, f"{name}/1", f"{name}/2")
    with home.online(name, 5, properties=short(RECEIVE_MAXIMUM, 1)) as wire:
        wire.acknowledges = False
        wire.subscribe(f"{name}/+")
        got = Seen(wire)
        wire.unsubscribe(f"{name}/+")
        wire.acknowledges = True
        wire.send(packet(0x40, got.packet_id.to_bytes(2)))
        assert wire.messages() == []
        retain(writer, f"{name}/end")
        wire.subscribe(f"{name}/end")
        assert wire.message().payload == b"end"


def test_what_may_not_be_received_is_left_out(home, name, writer):
    retain(writer, f"{name}/a", f"{name}/b", f"{name}/c")
    receive = allow("Receive", f"topic/{name}/a", f"topic/{name}/c")
    device = home.device("reader", statements=[allow("Connect", "*"), allow("Subscribe", "*"), receive])
    with device.online(version=5) as wire:
        wire.subscribe(f"{name}/#")
        assert [wire.message().topic for _ in range(2)] == [f"{name}/a", f"{name}/c"]
    assert home.refusals(device.name)[0]["resource"].endswith(f"{name}/b")
