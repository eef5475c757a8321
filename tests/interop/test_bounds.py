"""What may wait for a session, and what happens beyond it: on both databases, across restarts."""

from __future__ import annotations

import urllib.request

import pytest

from interop.bounds import BYTES, MESSAGES, SHARED, come_back, counters, numbers, renewed, send, waits
from interop.bounds import home as home
from interop.bounds import name as name
from interop.bounds import writer as writer
from interop.devices import until
from interop.places import MESSAGE_EXPIRY, long, payloads

# --- the queue of a session --------------------------------------------------------------------------------


def test_the_newest_is_dropped_for_a_full_session_and_for_no_other(home, name, version, writer):
    before = counters(home)
    home.subscribed_and_gone(name, name, version=version)
    with home.online(f"{name}-2", version) as other:
        other.subscribe(name)
        send(writer, name, *numbers(MESSAGES + 3))  # each is acknowledged
        assert payloads(other, MESSAGES + 3) == numbers(MESSAGES + 3)
        other.ping()
        assert waits(home, name) == MESSAGES
        after = counters(home)
        assert after["overflowed"] - before["overflowed"] == 3
        assert (after["queued"], after["queued_bytes"]) == (MESSAGES, MESSAGES * (1 + len(name) + 2))
        [refusal] = home.refusals(name)
        assert (refusal["action"], refusal["resource"], refusal["decision"]) == (
            "iot:Receive",
            name,
            "REFUSED",
        )
        assert f"{MESSAGES} messages" in refusal["reason"]
        assert "dropped for this session alone" in refusal["effect"]
        assert come_back(home, name, MESSAGES, version) == numbers(MESSAGES)
        send(writer, name, b"again")
        assert payloads(other, 1) == [b"again"]
        assert come_back(home, name, 1, version) == [b"again"]
    assert waits(home, name) == 0
    assert counters(home)["queued"] == 0


def test_bytes_are_bounded_too(home, name, writer):
    home.subscribed_and_gone(name, name)
    size = (BYTES - 2 * (len(name) + 2)) // 2
    send(writer, name, b"a" * size, b"b" * size, b"c")
    assert come_back(home, name, 2) == [b"a" * size, b"b" * size]
    send(writer, name, b"d" * (2 * BYTES), b"e")
    assert come_back(home, name, 1) == [b"d" * (2 * BYTES)]


def test_properties_are_counted(home, name, writer):
    home.subscribed_and_gone(name, name)
    user = b"\x26\x00\x01a\x03\x20" + b"x" * 800
    send(writer, name, b"first")
    assert writer.publish(name, b"second", properties=user) == 0
    assert writer.publish(name, b"third", properties=user) == 0
    send(writer, name, b"fourth")
    assert come_back(home, name, 3) == [b"first", b"second", b"fourth"]


def test_each_acknowledgement_makes_room_for_a_client_that_is_here(home, name, version, writer):
    with home.persistent(name, version)[0] as wire:
        wire.subscribe(name)
        wire.acknowledges = False
        send(writer, name, *numbers(MESSAGES + 2))
        assert payloads(wire, MESSAGES) == numbers(MESSAGES)
        assert wire.messages() == []
        wire.acknowledges = True
        # It is sent them again on a new connection, and takes them there.
    with home.persistent(name, version)[0] as wire:
        assert payloads(wire, MESSAGES) == numbers(MESSAGES)
        wire.ping()
        for payload in numbers(100, 100 + 3 * MESSAGES):
            send(writer, name, payload)
            assert payloads(wire, 1) == [payload]
            wire.ping()


def test_a_takeover_keeps_the_count(home, name, version, writer):
    older, _ = home.persistent(name, version)
    with older:
        older.subscribe(name)
        older.acknowledges = False
        send(writer, name, *numbers(3))
        payloads(older, 3)
        newer, _ = home.persistent(name, version)
        with newer:
            newer.acknowledges = False
            older.until_closed()
            assert payloads(newer, 3) == numbers(3)
            send(writer, name, *numbers(3, 9))
            assert payloads(newer, MESSAGES - 3) == numbers(3, MESSAGES)
            assert newer.messages() == []
    assert waits(home, name) == MESSAGES


def test_what_expires_makes_room(home, name, writer):
    home.subscribed_and_gone(name, name)
    for payload in numbers(MESSAGES - 1):
        assert writer.publish(name, payload, properties=long(MESSAGE_EXPIRY, 60)) == 0
    send(writer, name, b"stays", b"dropped")
    with home.later(seconds=61):
        until(lambda: waits(home, name) == 1, within=30)
        until(lambda: counters(home)["queued"] == 1)
        send(writer, name, *numbers(MESSAGES))
    assert come_back(home, name, MESSAGES) == [b"stays", *numbers(MESSAGES - 1)]


def test_what_expires_while_it_is_unacknowledged_counts_once(home, name, writer):
    """Its row goes first, and then the client acknowledges it."""
    with home.persistent(name, 5)[0] as wire:
        wire.subscribe(name)
        wire.acknowledges = False
        assert writer.publish(name, b"late", properties=long(MESSAGE_EXPIRY, 60)) == 0
        send(writer, name, b"stays")
        assert payloads(wire, 2) == [b"late", b"stays"]
        with home.later(seconds=61):
            until(lambda: waits(home, name) == 1, within=30)
        wire.send(b"\x40\x02\x00\x01")
        wire.ping()
        until(lambda: (waits(home, name), counters(home)["queued"]) == (1, 1))


@pytest.mark.parametrize("how", ["clean start", "DeleteConnection", "time"])
def test_a_new_session_begins_empty(home, name, version, writer, how):
    home.subscribed_and_gone(name, name, version=version)
    send(writer, name, *numbers(MESSAGES + 1))
    if how == "clean start":
        home.online(name, version).close()
    elif how == "DeleteConnection":
        home.data.delete_connection(clientId=name, cleanSession=True)
    else:
        with home.later(seconds=3601):
            until(lambda: not home.own.list_sessions(clientId=name)["sessions"])
    assert counters(home)["queued"] == 0
    home.subscribed_and_gone(name, name, version=version)
    send(writer, name, *numbers(MESSAGES + 1))
    assert come_back(home, name, MESSAGES, version) == numbers(MESSAGES)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_count_is_that_of_the_database_after_a_restart(home, name, how):
    shared = f"$share/group/{name}"
    home.subscribed_and_gone(name, name)
    home.subscribed_and_gone(f"{name}-2", shared)
    with home.online("w", 5) as writer:
        send(writer, name, *numbers(3))
        before = counters(home)
    getattr(home.node, how)()
    home.node.start()
    renewed(home)
    after = counters(home)
    for counter in ("queued", "queued_bytes", "sessions", "shared_subscriptions"):
        assert after[counter] == before[counter]
    assert after["queued"] == 6
    with home.online("w", 5) as writer:
        send(writer, name, *numbers(3, 9))
    assert come_back(home, name, MESSAGES) == numbers(MESSAGES)
    assert sorted(come_back(home, f"{name}-2", SHARED)) == numbers(SHARED)


# --- metrics -----------------------------------------------------------------------------------------------


def test_what_waits_is_a_metric(home, name, writer):
    home.subscribed_and_gone(name, name)
    send(writer, name, b"x", b"yz")
    with urllib.request.urlopen(f"http://{home.node.endpoints['api']}/_sekisho/metrics") as response:
        lines = response.read().decode().splitlines()
    assert "sekisho_queued 2.0" in lines
    assert f"sekisho_queued_bytes {float(3 + 2 * (len(name) + 2))}" in lines
    assert counters(home)["queued"] == 2
