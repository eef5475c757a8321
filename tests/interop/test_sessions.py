"""Persistent sessions: what a client that was away finds when it comes back, in 3.1.1 and 5."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest

from interop.away import home as home
from interop.away import paced as paced
from interop.away import send_all
from interop.away import writer as writer
from interop.devices import ANYTHING, allow, document, until
from interop.packets import Will, packet
from interop.places import MESSAGE_EXPIRY, SESSION_EXPIRY, UNLIMITED, long, payloads, place, short
from interop.wire import Closed

TAKEN_OVER = 0x8E


# --- resuming ----------------------------------------------------------------------------------------------


def test_a_new_session_is_not_present_and_a_kept_one_is(home, name, version):
    """[MQTT-3.1.2-6] [MQTT-3.1.3-2] [MQTT-3.2.2-3] [3.1.1 MQTT-3.1.2-4] [3.1.1 MQTT-3.1.3-2]
    [3.1.1 MQTT-3.2.2-2] [3.1.1 MQTT-3.2.2-3]"""
    wire, present = home.persistent(name, version)
    assert not present
    wire.disconnect()
    wire.close()
    wire, present = home.persistent(name, version)
    assert present
    wire.close()


def test_what_came_while_away_is_there_in_order(home, name, version, writer):
    """[MQTT-3.1.2-5] [MQTT-4.5.0-1] [3.1.1 MQTT-3.1.2-4] [3.1.1 MQTT-3.1.2-5] [3.1.1 MQTT-4.5.0-1]"""
    home.subscribed_and_gone(name, name, version=version)
    sent = [b"%d" % number for number in range(20)]
    send_all(writer, name, sent)
    wire, present = home.persistent(name, version)
    with wire:
        assert present
        assert payloads(wire, 20) == sent
        assert wire.messages() == []


def test_what_was_acknowledged_does_not_come_again(home, name, version, writer):
    home.subscribed_and_gone(name, name, version=version)
    send_all(writer, name, [b"once"])
    with home.persistent(name, version)[0] as wire:
        assert payloads(wire, 1) == [b"once"]
        wire.disconnect()
    with home.persistent(name, version)[0] as wire:
        send_all(writer, name, [b"after"])
        assert payloads(wire, 1) == [b"after"]


def test_what_was_not_acknowledged_comes_again(home, name, version, writer):
    """[MQTT-4.4.0-1] [3.1.1 MQTT-4.4.0-1] [3.1.1 MQTT-4.6.0-1]"""
    wire, _ = home.persistent(name, version)
    with wire:
        wire.subscribe(name)
        wire.acknowledges = False
        send_all(writer, name, [b"a", b"b"])
        assert payloads(wire, 2) == [b"a", b"b"]
    wire, present = home.persistent(name, version)
    with wire:
        assert present
        assert payloads(wire, 2) == [b"a", b"b"]


def test_a_connection_that_is_cut_leaves_its_session(home, name, version, writer):
    """[MQTT-3.1.2-23] [3.1.1 MQTT-4.1.0-1]"""
    with home.persistent(name, version)[0] as wire:
        wire.subscribe(name)
    send_all(writer, name, [b"kept"])
    wire, present = home.persistent(name, version)
    with wire:
        assert present
        assert payloads(wire, 1) == [b"kept"]


def test_subscriptions_survive_with_their_qos(home, name, version, writer):
    with home.persistent(name, version)[0] as wire:
        wire.subscribe(f"{name}/one", qos=1)
        wire.subscribe(f"{name}/zero", qos=0)
        wire.disconnect()
    with home.persistent(name, version)[0] as wire:
        writer.publish(f"{name}/zero", b"0")
        writer.publish(f"{name}/one", b"1")
        got = sorted((wire.message() for _ in range(2)), key=lambda message: message.payload)
        assert [(message.payload, message.qos) for message in got] == [(b"0", 0), (b"1", 1)]


def test_what_was_unsubscribed_stays_so(home, name, version, writer):
    home.subscribed_and_gone(name, f"{name}/a", f"{name}/b", version=version)
    with home.persistent(name, version)[0] as wire:
        wire.unsubscribe(f"{name}/a")
        wire.disconnect()
    send_all(writer, f"{name}/a", [b"a"])
    send_all(writer, f"{name}/b", [b"b"])
    with home.persistent(name, version)[0] as wire:
        assert payloads(wire, 1) == [b"b"]
        assert wire.messages() == []


# --- what is kept, and what is not -------------------------------------------------------------------------


@pytest.mark.parametrize(("published", "subscribed"), [(0, 1), (1, 0), (0, 0)])
def test_only_qos_1_on_both_sides_waits(home, name, writer, published, subscribed):
    with home.persistent(name)[0] as wire:
        wire.subscribe(name, qos=subscribed)
        wire.subscribe(f"{name}/end", qos=1)
        wire.disconnect()
    writer.publish(name, b"lost", qos=published)
    writer.publish(f"{name}/end", b"end")
    with home.persistent(name)[0] as wire:
        assert payloads(wire, 1) == [b"end"]
        assert wire.messages() == []


def test_overlapping_filters_bring_a_message_once(home, name, version, writer):
    home.subscribed_and_gone(name, f"{name}/+", f"{name}/#", f"{name}/a", version=version)
    send_all(writer, f"{name}/a", [b"once"])
    with home.persistent(name, version)[0] as wire:
        assert payloads(wire, 1) == [b"once"]
        assert wire.messages() == []


def test_what_may_no_longer_be_received_does_not_come(home, name, version, writer):
    statements = [
        allow("Connect", "*"),
        allow("Subscribe", "*"),
        allow("Receive", f"topic/{name}/a", f"topic/{name}/b"),
    ]
    device = home.device("narrowed", statements=statements)
    how = {"properties": long(SESSION_EXPIRY, 3600)} if version == 5 else {}
    with device.online(version=version, clean=False, **how) as wire:
        wire.subscribe(f"{name}/#")
        wire.disconnect()
    send_all(writer, f"{name}/a", [b"a"])
    send_all(writer, f"{name}/b", [b"b"])
    home.iot.create_policy_version(
        policyName=device.policy,
        policyDocument=document(*statements[:2], allow("Receive", f"topic/{name}/b")),
        setAsDefault=True,
    )
    with device.online(version=version, clean=False, **how) as wire:
        assert payloads(wire, 1) == [b"b"]


# --- takeover ----------------------------------------------------------------------------------------------


def test_a_takeover_keeps_the_session(home, name, version, writer):
    """[MQTT-3.1.4-3] [3.1.1 MQTT-3.1.4-2]"""
    older, _ = home.persistent(name, version)
    with older:
        older.subscribe(name)
        older.acknowledges = False
        send_all(writer, name, [b"unacknowledged"])
        assert payloads(older, 1) == [b"unacknowledged"]
        newer, present = home.persistent(name, version)
        with newer:
            assert present
            assert older.until_closed() == (TAKEN_OVER if version == 5 else None)
            assert payloads(newer, 1) == [b"unacknowledged"]
            send_all(writer, name, [b"live"])
            assert payloads(newer, 1) == [b"live"]


def test_a_takeover_with_clean_start_ends_the_session(home, name, version, writer):
    older, _ = home.persistent(name, version)
    with older:
        older.subscribe(name)
        with home.online(name, version) as newer:
            older.until_closed()
            send_all(writer, name, [b"nobody's"])
            assert newer.messages() == []
    wire, present = home.persistent(name, version)
    assert not present
    wire.close()


def test_a_will_waits_for_a_session(home, name, version):
    home.subscribed_and_gone(f"r-{name}"[:100], name, version=version)
    with home.online(f"o-{name}"[:100]) as observer:
        observer.subscribe(name)
        home.online(name, version, will=Will(name, b"last words", qos=1)).close()
        assert payloads(observer, 1) == [b"last words"]
    with home.persistent(f"r-{name}"[:100], version)[0] as wire:
        assert payloads(wire, 1) == [b"last words"]


# --- many --------------------------------------------------------------------------------------------------


def test_more_than_the_window_arrive(home, name, version, writer):
    home.subscribed_and_gone(name, name, version=version)
    sent = [b"%d" % number for number in range(350)]
    send_all(writer, name, sent)
    with home.persistent(name, version)[0] as wire:
        assert payloads(wire, 350) == sent


def test_a_window_that_is_not_acknowledged_stays_closed(home, name, version, writer):
    home.subscribed_and_gone(name, name, version=version)
    send_all(writer, name, [b"%d" % number for number in range(150)])
    with home.persistent(name, version)[0] as wire:
        wire.acknowledges = False
        payloads(wire, 100)
        assert wire.messages() == []


def test_more_than_wait_in_memory_arrive(home, name, version, writer):
    """Of a client that is here and slow: the window, what waits in memory, what stays in the database."""
    total = 1500
    with home.persistent(name, version)[0] as wire:
        wire.subscribe(name)
        wire.acknowledges = False
        sent = [b"%d" % number for number in range(total)]
        send_all(writer, name, sent)
        unacknowledged = [wire.take(3) for _ in range(100)]
        wire._inbox.clear()
        wire.acknowledges = True
        for got in unacknowledged:
            at = 2 + int.from_bytes(got.body[:2])
            wire.send(packet(0x40, got.body[at : at + 2]))
        assert payloads(wire, total - 100) == sent[100:]
        send_all(writer, name, [b"live"])
        assert payloads(wire, 1) == [b"live"]


def test_many_arrive_while_more_are_published(home, name, version, writer):
    """Replay, live traffic and what is left behind meet: every message comes."""
    home.subscribed_and_gone(name, name, version=version)
    send_all(writer, name, [b"%d" % number for number in range(1000)])
    with home.persistent(name, version)[0] as wire:
        send_all(writer, name, [b"%d" % number for number in range(1000, 2500)])
        got = {int(payload) for payload in payloads(wire, 2500)}
        assert got == set(range(2500))


def test_replay_is_paced_and_live_traffic_is_not(paced, name, version):
    """AWS IoT Developer Guide, MQTT persistent sessions: at most 10 stored messages a second."""
    paced.subscribed_and_gone(name, f"{name}/#", version=version)
    with paced.online(f"w-{name}"[:100]) as writer:
        send_all(writer, f"{name}/stored", [b"%d" % number for number in range(15)])
        with paced.persistent(name, version)[0] as wire:
            started = time.monotonic()
            send_all(writer, f"{name}/live", [b"live"])
            topics, at = [], []
            for _ in range(16):
                topics.append(wire.message().topic)
                at.append(time.monotonic() - started)
            assert topics.index(f"{name}/live") < 10
            assert at[-1] >= 1.3
            stored = [topic for topic in topics if topic.endswith("stored")]
            assert len(stored) == 15


# --- message expiry ----------------------------------------------------------------------------------------


def test_message_expiry_is_counted_down_across_queueing(home, name):
    """[MQTT-3.3.2-5] [MQTT-3.3.2-6]"""
    home.subscribed_and_gone(name, name, version=5)
    with home.online(f"w-{name}"[:100], 5) as writer:
        writer.publish(name, b"short", properties=long(MESSAGE_EXPIRY, 60))
        writer.publish(name, b"long", properties=long(MESSAGE_EXPIRY, 1000))
        writer.publish(name, b"for ever")
    with home.later(seconds=100), home.persistent(name, 5)[0] as wire:
        long_, ever = wire.message(), wire.message()
        assert (long_.payload, ever.payload) == (b"long", b"for ever")
        assert 890 <= long_.properties[MESSAGE_EXPIRY] <= 900
        assert MESSAGE_EXPIRY not in ever.properties
        assert wire.messages() == []


def test_an_expired_message_is_kept_from_a_3_1_1_client_too(home, name):
    home.subscribed_and_gone(name, name)
    with home.online(f"w-{name}"[:100], 5) as writer:
        writer.publish(name, b"short", properties=long(MESSAGE_EXPIRY, 60))
        writer.publish(name, b"long", properties=long(MESSAGE_EXPIRY, 1000))
    with home.later(seconds=100), home.persistent(name)[0] as wire:
        assert payloads(wire, 1) == [b"long"]
        assert wire.messages() == []


def test_receive_maximum_holds_for_what_was_stored(home, name, writer):
    home.subscribed_and_gone(name, name, version=5)
    send_all(writer, name, [b"%d" % number for number in range(10)])
    wire, _ = home.persistent(name, 5, properties=short(0x21, 3))
    with wire:
        wire.acknowledges = False
        payloads(wire, 3)
        assert wire.messages() == []


def test_it_survives_a_stop_and_a_start(tmp_path, version):
    with place(tmp_path, UNLIMITED) as here:
        here.subscribed_and_gone("stays", "kept/+", version=version)
        with here.online("w") as writer:
            send_all(writer, "kept/1", [b"before"])
            assert here.node.stop() == 0
        here.node.start()
        with here.online("w") as writer:
            send_all(writer, "kept/2", [b"after"])
        wire, present = here.persistent("stays", version)
        with wire:
            assert present
            assert payloads(wire, 2) == [b"before", b"after"]


def test_what_comes_while_a_connection_is_being_closed_is_kept(home, name, writer):
    """Its client reads nothing, so that what it was sent last holds up the close."""
    device = home.device("stuck", statements=ANYTHING)
    payload = bytes(100_000)
    with device.online(clean=False) as stuck:
        stuck.subscribe(name)
        stuck.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(60):
            writer.publish(name, payload)
        home.iot.update_certificate(certificateId=device.certificate_id, newStatus="INACTIVE")
        until(lambda: home.refusals(device.name))  # judged again: its connection is being closed
        writer.publish(name, b"in between")
    home.iot.update_certificate(certificateId=device.certificate_id, newStatus="ACTIVE")

    def back():
        with contextlib.suppress(Closed):
            return device.online(clean=False)

    with until(back) as wire:
        assert payloads(wire, 61) == [payload] * 60 + [b"in between"]
