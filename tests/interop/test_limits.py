"""The limits of rate: what is beyond them is discarded, delayed or refused, and explain says so."""

from __future__ import annotations

import time

import pytest

from interop.devices import until
from interop.packets import PUBACK, publish_packet
from interop.places import REASON_STRING, UNLIMITED, Place, payloads, place, short
from interop.wire import Closed

QUOTA_EXCEEDED = 0x97

PUBLISHES, PUBLISHES_OUT, BYTES = 20, 30, 65536


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    settings = (
        f"mqtt.limits.publishes_per_second={PUBLISHES}",
        f"mqtt.limits.publishes_out_per_second={PUBLISHES_OUT}",
        f"mqtt.limits.bytes_per_second={BYTES}",
    )
    with place(tmp_path_factory.mktemp("limits"), "mqtt.enforce_limits=true", *settings) as place_:
        yield place_


def flood(wire, topic, count, qos=0):
    """All in one write, so that they come within one moment."""
    packets = (
        publish_packet(topic, b"%d" % number, wire.version, qos=qos, packet_id=number + 1)
        for number in range(count)
    )
    wire.send(b"".join(packets))


def refusals(limited: Place, client_id, action):
    return [found for found in limited.refusals(client_id) if found["action"] == action]


# --- publishes from a client -------------------------------------------------------------------------------


def test_what_is_published_beyond_the_rate_is_discarded(limited, version):
    name = f"flood-{version}"
    with limited.online(f"{name}-reader") as reader, limited.online(name, version) as wire:
        reader.subscribe("in/#")
        flood(wire, f"in/{name}", PUBLISHES + 10)
        wire.ping()
        got = [message.payload for message in reader.messages()]
        assert got[:PUBLISHES] == [b"%d" % number for number in range(PUBLISHES)]
        assert len(got) < PUBLISHES + 10

        def goes_on():
            wire.send(publish_packet(f"in/{name}", b"more", version))
            return b"more" in [message.payload for message in reader.messages()]

        until(goes_on)
    found = until(lambda: refusals(limited, name, "iot:Publish"))
    assert found[0]["reason"] == f"more than {PUBLISHES} messages a second from this connection"
    assert found[0]["effect"] == "the message was discarded"


def test_qos_1_beyond_the_rate_gets_no_puback(limited, version):
    name = f"flood-1-{version}"
    with limited.online(name, version) as wire:
        flood(wire, f"in/{name}", PUBLISHES + 10, qos=1)
        acknowledged = [int.from_bytes(wire.take(PUBACK).body[:2]) for _ in range(PUBLISHES)]
        wire.ping()  # would fail on a further PUBACK
        assert acknowledged == list(range(1, PUBLISHES + 1))
    found = until(lambda: refusals(limited, name, "iot:Publish"))
    assert found[0]["effect"] == "the message was discarded, without a PUBACK"


def test_a_flood_is_explained_once_a_second(limited):
    with limited.online("flooding") as wire:
        for _ in range(10):
            flood(wire, "in/flooding", 50)
        wire.ping()
    assert 1 <= len(until(lambda: refusals(limited, "flooding", "iot:Publish"))) <= 3


def test_the_rate_is_a_connections_own(limited):
    with limited.online("one-of-two") as one, limited.online("two-of-two") as two:
        flood(one, "in/one", PUBLISHES + 10)
        one.ping()
        flood(two, "in/two", PUBLISHES, qos=1)
        for number in range(PUBLISHES):
            assert two.take(PUBACK).body[:2] == (number + 1).to_bytes(2)


# --- messages to a client ----------------------------------------------------------------------------------


@pytest.mark.parametrize("qos", [0, 1])
def test_what_is_sent_beyond_the_rate_is_discarded(limited, version, qos):
    name = f"reader-{version}-{qos}"
    with limited.online(name, version) as reader:
        reader.subscribe(f"out/{name}", qos=qos)
        writers = [limited.online(f"{name}-w{number}") for number in range(3)]
        for writer in writers:
            flood(writer, f"out/{name}", PUBLISHES, qos=qos)
        for writer in writers:
            writer.acknowledges = False
            if qos:
                for _ in range(PUBLISHES):
                    writer.take(PUBACK)
            writer.ping()
            writer.close()
        got = reader.messages()
        assert PUBLISHES_OUT <= len(got) < 3 * PUBLISHES
    found = until(lambda: refusals(limited, name, "iot:Receive"))
    assert found[0]["reason"] == f"more than {PUBLISHES_OUT} messages a second to this connection"
    assert found[0]["resource"] == f"out/{name}"


def test_what_is_stored_waits_instead(limited, version):
    name = f"stored-{version}"
    total = 4 * PUBLISHES
    wire, _ = limited.persistent(name, version)
    with wire:
        wire.subscribe(f"out/{name}")
        for number in range(4):
            with limited.online(f"{name}-w{number}") as writer:
                flood(writer, f"out/{name}", PUBLISHES, qos=1)
                for _ in range(PUBLISHES):
                    writer.take(PUBACK)
        started = time.monotonic()
        got = payloads(wire, total)
        assert sorted(got, key=int) == sorted([b"%d" % n for n in range(PUBLISHES)] * 4, key=int)
        # A full bucket lets PUBLISHES_OUT through at once; the others come at the rate.
        assert time.monotonic() - started >= (total - 2 * PUBLISHES_OUT) / PUBLISHES_OUT
    assert refusals(limited, name, "iot:Receive") == []


def test_what_is_stored_for_a_shared_subscription_waits(limited):
    total = 4 * PUBLISHES
    wire, _ = limited.persistent("sharing")
    with wire:
        wire.subscribe("$share/group/out/shared")
        for number in range(4):
            with limited.online(f"sharing-w{number}") as writer:
                flood(writer, "out/shared", PUBLISHES, qos=1)
                for _ in range(PUBLISHES):
                    writer.take(PUBACK)
        assert sorted(payloads(wire, total), key=int) == sorted(
            [b"%d" % n for n in range(PUBLISHES)] * 4, key=int
        )


# --- bytes -------------------------------------------------------------------------------------------------


def test_bytes_beyond_the_rate_are_delayed_and_not_lost(limited):
    payload = bytes(BYTES // 4)
    with limited.online("bulk") as wire:
        started = time.monotonic()
        for _ in range(16):  # four seconds' worth; the first second is free
            assert wire.publish("bulk/in", payload) == 0
        assert time.monotonic() - started >= 2.5


def test_a_delayed_connection_delays_no_other(limited):
    with limited.online("bulky") as bulky, limited.online("slim") as slim:
        bulky.send(b"".join(publish_packet("bulky/in", bytes(BYTES // 2), qos=0) for _ in range(5)))
        started = time.monotonic()
        slim.ping()
        assert time.monotonic() - started < 1.0
        bulky.ping()
        assert time.monotonic() - started >= 1.0


# --- CONNECT -----------------------------------------------------------------------------------------------


def test_a_client_id_may_connect_once_a_second(limited, version):
    name = f"eager-{version}"
    with limited.online(name, version) as first:
        with limited.anything.wire() as second:
            if version == 4:
                with pytest.raises(Closed):
                    second.connect(name, version)
                assert second.received == 0
            else:
                answer = second.connect(name, version)
                assert answer.code == QUOTA_EXCEEDED
                words = f"more than 1 CONNECT a second of client id {name}"
                assert answer.properties[REASON_STRING] == words.encode()
        first.ping()  # it was not taken over
    found = until(lambda: refusals(limited, name, "iot:Connect"))
    assert found[0]["reason"] == f"THROTTLED: more than 1 CONNECT a second of client id {name}"

    def again():
        wire = limited.anything.wire()
        try:
            return wire if wire.connect(name, version).code == 0 else wire.close()
        except Closed:
            return wire.close()

    until(again).close()


def test_who_may_not_connect_keeps_nobody_from_it(limited):
    owner, other = limited.device("owner"), limited.device("other")
    for _ in range(5):
        with other.wire() as wire, pytest.raises(Closed):
            wire.connect(owner.name)
    with owner.online() as wire:
        wire.ping()


# --- lifted ------------------------------------------------------------------------------------------------


def test_lifted_limits(tmp_path):
    settings = ("mqtt.limits.publishes_per_second=5", "mqtt.limits.publishes_out_per_second=5")
    with place(tmp_path, UNLIMITED, *settings) as lifted:
        assert "No limits of rate (mqtt.enforce_limits = false)" in until(lambda: lifted.node.log)
        with lifted.online("reader", 5, properties=short(0x21, 1000)) as reader:
            reader.subscribe("many", qos=0)
            with lifted.online("writer", 5) as writer:
                flood(writer, "many", 500)
                writer.ping()
            assert len(reader.messages()) == 500
        for _ in range(3):
            lifted.online("again").close()
        assert lifted.refusals("writer") == []


def test_the_node_says_what_it_enforces(limited):
    assert (
        f"A second: {PUBLISHES} messages from and {PUBLISHES_OUT} to a connection, {BYTES} bytes from it, "
        "1 CONNECT of a client id, 10 stored messages to a client that came back"
    ) in until(lambda: limited.node.log)
