"""How long persistent sessions live, and what ends them."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from interop.away import PROTOCOL_ERROR, send_all
from interop.away import home as home
from interop.away import writer as writer
from interop.devices import until
from interop.places import SESSION_EXPIRY, disconnect, long


def test_a_clean_start_ends_it(home, name, version, writer):
    """[MQTT-3.1.2-4] [MQTT-3.1.4-4] [3.1.1 MQTT-3.1.2-6]"""
    home.subscribed_and_gone(name, name, version=version)
    send_all(writer, name, [b"lost"])
    with home.online(name, version) as wire:
        assert wire.messages() == []
        send_all(writer, name, [b"not subscribed"])
        assert wire.messages() == []
    wire, present = home.persistent(name, version)
    with wire:
        assert not present
        assert wire.messages() == []


def test_another_version_begins_anew(home, name, version, writer):
    home.subscribed_and_gone(name, name, version=version)
    send_all(writer, name, [b"lost"])
    wire, present = home.persistent(name, 9 - version)
    with wire:
        assert not present
        assert wire.messages() == []
        send_all(writer, name, [b"not subscribed"])
        assert wire.messages() == []


@pytest.mark.parametrize(("away", "present"), [(3000, True), (3700, False)])
def test_it_ends_an_hour_after_the_client_has_gone(home, name, version, writer, away, present):
    """[MQTT-4.1.0-2]"""
    home.subscribed_and_gone(name, name, version=version, **({"expiry": 99999} if version == 5 else {}))
    send_all(writer, name, [b"waits"])
    with home.later(seconds=away):
        wire, found = home.persistent(name, version)
        with wire:
            assert found == present
            assert [m.payload for m in ([wire.message()] if present else wire.messages())] == (
                [b"waits"] if present else []
            )


def waiting(home, name):
    """How many rows a client's session and its messages are."""
    with contextlib.closing(sqlite3.connect(home.node.data / "sekisho.db")) as database:
        return [
            database.execute(f"SELECT COUNT(*) FROM {table} WHERE {column} = ?", (value,)).fetchone()[0]
            for table, column, value in (
                ("session", "client_id", name),
                ("mailbox", "session", name),
                ("message", "topic", name),
            )
        ]


def test_nothing_is_left_of_a_session_that_has_ended(home, name, version, writer):
    home.subscribed_and_gone(name, name, version=version)
    send_all(writer, name, [b"waits", b"too"])
    assert waiting(home, name) == [1, 2, 2]
    with home.later(seconds=3700):
        until(lambda: waiting(home, name) == [0, 0, 0], within=30)


def test_an_hour_counts_from_the_disconnect(home, name, version):
    """[MQTT-4.1.0-1] [3.1.1 MQTT-4.1.0-2]"""
    home.subscribed_and_gone(f"x-{name}"[:100], name)
    with home.persistent(name, version)[0] as wire:
        with home.later(seconds=7200):
            # When the other's session has ended, all have been looked through.
            until(lambda: waiting(home, f"x-{name}"[:100])[0] == 0)
            wire.ping()
        wire.disconnect()
    wire, present = home.persistent(name, version)
    assert present
    wire.close()


def test_expiry_is_a_clients_own_in_5(home, name):
    home.subscribed_and_gone(name, name, version=5, expiry=100)
    with home.later(seconds=101):
        wire, present = home.persistent(name, 5, expiry=100)
        assert not present
        wire.close()


def test_expiry_0_ends_with_the_connection(home, name):
    home.subscribed_and_gone(name, name, version=5, expiry=0)
    wire, present = home.persistent(name, 5)
    assert not present
    wire.close()


def test_expiry_is_lowered_to_what_is_allowed_and_told(home, name):
    wire = home.anything.wire()
    with wire:
        answer = wire.connect(name, 5, properties=long(SESSION_EXPIRY, 0xFFFFFFFF))
        assert answer.properties[SESSION_EXPIRY] == 3600


def test_disconnect_changes_expiry(home, name):
    with home.persistent(name, 5, expiry=3600)[0] as wire:
        assert disconnect(wire, long(SESSION_EXPIRY, 0)) is None
    wire, present = home.persistent(name, 5, expiry=10)
    with wire:
        assert not present
        assert disconnect(wire, long(SESSION_EXPIRY, 1000)) is None
    with home.later(seconds=900):
        wire, present = home.persistent(name, 5)
        assert present
        wire.close()


def test_disconnect_cannot_keep_what_ends(home, name):
    """From 0 to more is a protocol error (MQTT 5, section 3.14.2.2.2)."""
    with home.online(name, 5) as wire:
        assert disconnect(wire, long(SESSION_EXPIRY, 10)) == PROTOCOL_ERROR
    wire, present = home.persistent(name, 5)
    assert not present
    wire.close()
