"""How connections end, as lifecycle events and wills tell it.

The reasons, and that all but the client's own leave have the will published: AWS IoT Developer Guide,
Lifecycle events.
"""

from __future__ import annotations

import json
import socket
import struct
import time

import pytest

from interop.devices import WITHIN, Factory, allow, deny, document, least_privilege, until
from interop.lifecycle import assert_left, events_of, will_of
from interop.lifecycle import quitter as quitter
from interop.packets import connect_packet
from interop.wire import Closed
from nodes import running

# --- reasons and wills -------------------------------------------------------------------------------------


def test_the_client_disconnects(quitter, observer):
    """[MQTT-3.1.2-10] [MQTT-3.14.4-3] [3.1.1 MQTT-3.1.2-10] [3.1.1 MQTT-3.14.4-3]"""
    events = events_of(observer, quitter)
    with quitter.online(will=will_of(quitter)) as wire:
        events.next("connected")
        wire.disconnect()
    assert_left(events, "CLIENT_INITIATED_DISCONNECT", will=False, by_client=True)


def test_the_client_disconnects_with_its_will(quitter, observer):
    """MQTT 5, reason 0x04."""
    events = events_of(observer, quitter)
    with quitter.online(version=5, will=will_of(quitter)) as wire:
        events.next("connected")
        wire.disconnect(0x04)
    assert_left(events, "CLIENT_INITIATED_DISCONNECT", will=True, by_client=True)


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_the_connection_is_lost(quitter, observer, how):
    """[MQTT-3.1.2-7] [MQTT-3.1.2-8] [3.1.1 MQTT-3.1.2-8]"""
    events = events_of(observer, quitter)
    with quitter.online(will=will_of(quitter)) as wire:
        events.next("connected")
        if how == "reset":
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert_left(events, "CONNECTION_LOST", will=True)


@pytest.mark.parametrize("version", [4, 5])
def test_another_connection_takes_the_client_id(quitter, observer, version):
    events = events_of(observer, quitter)
    with quitter.online(version=version, will=will_of(quitter)) as first:
        before = events.next("connected")
        with quitter.online() as second:
            assert first.until_closed() == (0x8E if version == 5 else None)
            seen = [observer.message() for _ in range(3)]
            assert [message.payload for message in seen].count(b"farewell") == 1
            found = {
                e["eventType"]: e for e in (json.loads(m.payload) for m in seen if m.payload[:1] == b"{")
            }
            assert found["disconnected"]["disconnectReason"] == "DUPLICATE_CLIENTID"
            assert found["disconnected"]["sessionIdentifier"] == before["sessionIdentifier"]
            assert found["disconnected"]["versionNumber"] == before["versionNumber"]
            assert found["connected"]["versionNumber"] == before["versionNumber"] + 1
            second.ping()


def test_the_second_connection_keeps_its_subscriptions(quitter, observer):
    topic = f"devices/{quitter.name}/a"
    with quitter.online() as first:
        first.subscribe(topic)
        with quitter.online() as second:
            second.subscribe(topic)
            first.until_closed()
            observer.publish(topic, b"for the second")
            assert [message.payload for message in second.messages()] == [b"for the second"]


@pytest.mark.parametrize(
    ("garbage", "code"),
    [(b"\x10\x00", 0x82), (b"\x40\x00", 0x81), (b"\x34\x05\x00\x01a\x00\x01", 0x9B), (b"\xf0\x00", 0x82)],
    ids=["a second CONNECT", "a malformed PUBACK", "QoS 2", "AUTH"],
)
def test_a_client_error(quitter, observer, garbage, code):
    """[MQTT-4.13.1-1] [MQTT-3.14.4-2] [3.1.1 MQTT-4.8.0-1]"""
    events = events_of(observer, quitter)
    for version in (4, 5):
        with quitter.online(version=version, will=will_of(quitter)) as wire:
            events.next("connected")
            wire.send(garbage if version == 4 or code != 0x9B else b"\x34\x06\x00\x01a\x00\x01\x00")
            reason = wire.until_closed()
            assert reason is None if version == 4 else reason in (code, 0x81, 0x82)
        assert_left(events, "CLIENT_ERROR", will=True)


def test_a_payload_that_is_too_large(quitter, observer):
    """The guide's own example of a client error."""
    events = events_of(observer, quitter)
    topic = f"devices/{quitter.name}/a"
    with quitter.online(version=5, will=will_of(quitter)) as wire:
        events.next("connected")
        assert wire.publish(topic, b"x" * 131072) == 0
        wire.publish(topic, b"x" * 131073, qos=0)
        assert wire.until_closed() in (0x95, 0x97)
    assert_left(events, "CLIENT_ERROR", will=True)


def test_too_many_subscriptions(quitter, observer):
    """The 51st closes the connection."""
    events = events_of(observer, quitter)
    with quitter.online(version=5, will=will_of(quitter)) as wire:
        events.next("connected")
        for number in range(50):
            assert wire.subscribe(f"devices/{quitter.name}/{number}") == [1]
            events.next("subscribed")
        assert wire.subscribe(f"devices/{quitter.name}/7") == [1]  # it has this one already
        events.next("subscribed")
        with pytest.raises(Closed):
            wire.subscribe(f"devices/{quitter.name}/50")
        assert wire.reason == 0x97
    assert_left(events, "CLIENT_ERROR", will=True)


@pytest.mark.parametrize("version", [4, 5])
def test_an_unauthorized_publish(quitter, observer, version):
    """AUTH_ERROR: it failed to authenticate, or authorization failed."""
    events = events_of(observer, quitter)
    with quitter.online(version=version, will=will_of(quitter)) as wire:
        events.next("connected")
        wire.publish("elsewhere", qos=0)
        assert wire.until_closed() == (0x87 if version == 5 else None)
    assert_left(events, "AUTH_ERROR", will=True)


@pytest.mark.parametrize("version", [4, 5])
def test_the_certificate_is_withdrawn(quitter, iot, observer, version):
    """The will is published: the connection was there before the error."""
    events = events_of(observer, quitter)
    with quitter.online(version=version, will=will_of(quitter)) as wire:
        events.next("connected")
        iot.update_certificate(certificateId=quitter.certificate_id, newStatus="INACTIVE")
        assert wire.until_closed() == (0x87 if version == 5 else None)
    assert_left(events, "AUTH_ERROR", will=True)


def test_the_right_to_connect_is_withdrawn(quitter, iot, observer):
    """It was connected, so this is no failed attempt to connect; it may still publish, so its will is."""
    events = events_of(observer, quitter)
    with quitter.online(will=will_of(quitter)) as wire:
        events.next("connected")
        denied = document(*least_privilege(quitter.name), deny("Connect", "*"))
        iot.create_policy_version(policyName=quitter.policy, policyDocument=denied, setAsDefault=True)
        wire.until_closed()
    assert_left(events, "FORBIDDEN_ACCESS", will=True)


def test_every_right_is_withdrawn(quitter, iot, observer):
    events = events_of(observer, quitter)
    with quitter.online(will=will_of(quitter)) as wire:
        events.next("connected")
        iot.detach_policy(policyName=quitter.policy, target=quitter.arn)
        wire.until_closed()
    assert_left(events, "FORBIDDEN_ACCESS", will=False)


def test_the_right_to_publish_the_will_is_withdrawn(quitter, iot, observer):
    """The connection stays, and the will is not published in the end."""
    events = events_of(observer, quitter)
    with quitter.online(version=5, will=will_of(quitter)) as wire:
        events.next("connected")
        only = [s for s in least_privilege(quitter.name) if s["Action"] != "iot:Publish"]
        iot.create_policy_version(
            policyName=quitter.policy, policyDocument=document(*only), setAsDefault=True
        )
        until(lambda: wire.publish(f"devices/{quitter.name}/a") == 0x87, WITHIN)
    assert_left(events, "CONNECTION_LOST", will=False)


def test_a_will_has_its_properties(anything, observer):
    observer.disconnect()
    with anything.online("observer-five", version=5) as five:
        five.subscribe("wills")
        head = b"\x00\x04MQTT\x05\x06\x00\x3c\x00" + b"\x00\x04will"
        properties = b"\x26\x00\x01a\x00\x01b" + b"\x03\x00\x04text"
        body = head + bytes([len(properties)]) + properties + b"\x00\x05wills" + b"\x00\x03bye"
        with anything.wire() as wire:
            wire.send(bytes([0x10, len(body)]) + body)
            assert wire.read().body[1] == 0
        message = five.message()
    assert message.payload == b"bye"
    assert message.properties == {0x26: [(b"a", b"b")], 0x03: b"text"}


# --- keep alive --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 5])
def test_the_keep_alive_passes(tmp_path, version):
    """A node of its own, where a second is long enough to be silent for. [MQTT-3.1.2-22]
    [3.1.1 MQTT-3.1.2-24]"""
    with running(tmp_path / "node", "mqtt.limits.keep_alive_min=1", "mqtt.limits.connect_timeout=1") as node:
        make = Factory(node, node.client("iot"), tmp_path)
        silent, watcher = make("silent"), make("watcher", statements=[allow("*", "*")])
        with watcher.online() as observer:
            events = events_of(observer, silent)
            with silent.online(version=version, keep_alive=1, will=will_of(silent)) as wire:
                events.next("connected")
                started = time.monotonic()
                for _ in range(3):  # each packet counts
                    time.sleep(0.6)
                    wire.ping()
                talked = time.monotonic()
                assert wire.until_closed() == (0x8D if version == 5 else None)
                assert time.monotonic() - talked >= 1.4
                assert time.monotonic() - started >= 3
            assert_left(events, "MQTT_KEEP_ALIVE_TIMEOUT", will=True)


def test_a_node_that_stops_says_so(tmp_path):
    with running(tmp_path / "node") as node:
        make = Factory(node, node.client("iot"), tmp_path)
        one = make("one", statements=[allow("*", "*")])
        with one.online(version=5) as wire, one.wire() as unborn:
            node.process.terminate()
            assert wire.until_closed() == 0x8B
            unborn.send(connect_packet("late"))
            unborn.until_closed()
        assert node.process.wait(10) == 0
