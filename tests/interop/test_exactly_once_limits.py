"""QoS 2 and the limits of rate: what is beyond them is not taken at all, or waits; nothing half or twice."""

from __future__ import annotations

import pytest

from interop.devices import until
from interop.exactly_once import NOT_FOUND, PUBCOMP, PUBREC, PUBREL, get_whole, hear, put, put_whole, say
from interop.extended import EXTENDED
from interop.packets import PINGRESP, packet, publish_packet
from interop.places import Seen, payloads, place

PUBLISHES, PUBLISHES_OUT, UNRELEASED = 10, 12, 14
RECEIVE_MAXIMUM_EXCEEDED = 0x93


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    settings = (
        f"mqtt.limits.publishes_per_second={PUBLISHES}",
        f"mqtt.limits.publishes_out_per_second={PUBLISHES_OUT}",
        f"mqtt.limits.inbound_inflight={UNRELEASED}",
        "mqtt.limits.connects_per_second=1000",
        "mqtt.limits.resend_seconds=0",
    )
    with place(tmp_path_factory.mktemp("limited"), "mqtt.enforce_limits=true", EXTENDED, *settings) as home:
        yield home


@pytest.fixture
def name(request):
    return request.node.name.translate(str.maketrans("[]", "--"))[:80]


def flood(wire, topic, packet_ids, dup=False):
    """All in one write, so that they come within one moment; each with its packet identifier in words."""
    raw = bytearray()
    for packet_id in packet_ids:
        one = bytearray(publish_packet(topic, b"%d" % packet_id, wire.version, qos=2, packet_id=packet_id))
        one[0] |= 8 if dup else 0
        raw += one
    wire.send(bytes(raw))


def answered(wire):
    """The packet identifiers of the PUBRECs that come before the answer to a PINGREQ."""
    wire.send(packet(0xC0, b""))
    found = []
    while (got := wire.read()).kind != PINGRESP:
        assert got.kind == PUBREC
        found.append(int.from_bytes(got.body[:2]))
    return found


def put_within_the_rate(wire, topic, packet_id, dup=False):
    """Publish until there is a PUBREC, as often as the rate wants it."""
    tries = []

    def taken():
        put(wire, topic, b"%d" % packet_id, packet_id, dup=dup or bool(tries))
        tries.append(packet_id)
        return packet_id in answered(wire)

    until(taken)


# --- from the client ---------------------------------------------------------------------------------------


def test_what_is_beyond_the_rate_is_not_taken_and_new_when_it_comes_again(limited, name, version):
    """There is no PUBREC, as there is no PUBACK; whoever resumes the session publishes again."""
    reader = f"r-{name}"
    limited.subscribed_and_gone(reader, name, version=version)
    all_ids = range(1, UNRELEASED + 1)
    with limited.persistent(name, version)[0] as wire:
        flood(wire, name, all_ids)
        assert [hear(wire, PUBREC) for _ in range(PUBLISHES)] == [(n, 0) for n in range(1, PUBLISHES + 1)]
        wire.ping()  # would fail on a further PUBREC
        last = UNRELEASED
        say(wire, PUBREL, last)  # of what has no PUBREC: it is not known
        assert hear(wire, PUBCOMP) == (last, NOT_FOUND if version == 5 else 0)
    found = until(lambda: [r for r in limited.refusals(name) if r["decision"] != "EXTENDED"])
    assert found[0]["reason"] == f"more than {PUBLISHES} messages a second from this connection"
    assert found[0]["effect"] == "the message was discarded, without a PUBREC"
    with limited.persistent(name, version)[0] as wire:
        for packet_id in all_ids[:PUBLISHES]:
            say(wire, PUBREL, packet_id)
            assert hear(wire, PUBCOMP) == (packet_id, 0)
        flood(wire, name, all_ids[PUBLISHES:], dup=True)
        for packet_id in all_ids[PUBLISHES:]:
            assert hear(wire, PUBREC) == (packet_id, 0)
        for packet_id in all_ids[PUBLISHES:]:
            say(wire, PUBREL, packet_id)
            assert hear(wire, PUBCOMP) == (packet_id, 0)
    with limited.persistent(reader, version)[0] as wire:
        assert payloads(wire, UNRELEASED) == [b"%d" % packet_id for packet_id in all_ids]
        assert wire.messages() == []


def test_a_duplicate_beyond_the_rate_frees_nothing(limited, name):
    """It has no PUBREC either, and what it repeats counts for the receive maximum as before."""
    with limited.online(name, 5) as wire:
        put_whole(wire, name, packet_id=9)
        for packet_id in range(1, 4):
            put(wire, name, packet_id=packet_id)
            assert hear(wire, PUBREC) == (packet_id, 0)
        flood(wire, name, [1, 2, 3] * 4, dup=True)
        assert len(answered(wire)) < 12
        for packet_id in range(4, UNRELEASED + 1):
            put_within_the_rate(wire, name, packet_id)
        put(wire, name, packet_id=UNRELEASED + 1)
        assert wire.until_closed() == RECEIVE_MAXIMUM_EXCEEDED


# --- towards the client ------------------------------------------------------------------------------------


def published(limited, name, topic, writers=3):
    """As many messages as several connections may publish at once, each of another payload."""
    sent = []
    for number in range(writers):
        with limited.online(f"w{number}-{name}") as writer:
            for packet_id in range(1, PUBLISHES + 1):
                put_whole(writer, topic, b"%d" % len(sent), packet_id)
                sent.append(b"%d" % len(sent))
    return sent


def take_whole(wire):
    """Receive the next message, from PUBLISH to PUBCOMP."""
    seen = Seen(wire)
    assert seen.qos == 2
    say(wire, PUBREC, seen.packet_id)
    assert hear(wire, PUBREL) == (seen.packet_id, 0)
    say(wire, PUBCOMP, seen.packet_id)
    return seen


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_what_is_stored_waits(limited, name, version, shared):
    """With a connection lost in the middle of exchanges."""
    filter = f"$share/g/{name}" if shared else name
    with limited.persistent(name, version)[0] as wire:
        wire.acknowledges = False
        wire.subscribe(filter, qos=2)
        sent = published(limited, name, name)
        got = [take_whole(wire).payload for _ in range(3)]
        begun = [Seen(wire) for _ in range(3)]
    with limited.persistent(name, version)[0] as wire:
        wire.acknowledges = False
        again = {}
        while len(got) < len(sent):
            seen = take_whole(wire)
            if seen.dup:
                again[seen.packet_id] = seen.payload
            got.append(seen.payload)
        assert again.items() >= {seen.packet_id: seen.payload for seen in begun}.items()
        assert sorted(got, key=int) == sent
        assert wire.messages() == []
    assert [r for r in limited.refusals(name) if r["decision"] != "EXTENDED"] == []


def test_what_is_not_stored_is_discarded_as_a_whole(limited, name, version):
    with limited.online(name, version) as wire:
        wire.acknowledges = False
        wire.subscribe(name, qos=2)
        published(limited, name, name)
        wire.ping()
        waiting = len(wire._inbox)
        # One is spent on looking for a retained message.
        assert PUBLISHES_OUT - 1 <= waiting < 3 * PUBLISHES
        for _ in range(waiting):
            take_whole(wire)

        def goes_on():
            with limited.online(f"more-{name}") as writer:
                put_whole(writer, name, b"more")
            wire.ping()
            return bool(wire._inbox)

        until(goes_on)
        get_whole(wire, b"more")
    found = [r for r in limited.refusals(name) if r["decision"] != "EXTENDED"]
    assert found[0]["reason"] == f"more than {PUBLISHES_OUT} messages a second to this connection"
