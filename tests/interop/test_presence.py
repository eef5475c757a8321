"""Lifecycle events: their topics, their members, and the wills that go with them.

The reasons, and that all but the client's own leave have the will published: AWS IoT Developer Guide,
Lifecycle events.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import time

import pytest

from interop.devices import WITHIN, Factory, allow, deny, document, least_privilege, until
from interop.wire import Closed, Will, connect_packet
from nodes import running

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Events:
    """What happens to one client id, and to its will."""

    def __init__(self, observer, client_id, will="nothing"):
        self.observer = observer
        presence, subscriptions = "$aws/events/presence", "$aws/events/subscriptions"
        self.filters = [
            f"{presence}/connected/{client_id}",
            f"{presence}/disconnected/{client_id}",
            f"{presence}/connect_failed/{client_id}",
            f"{subscriptions}/subscribed/{client_id}",
            f"{subscriptions}/unsubscribed/{client_id}",
            will,
        ]
        assert observer.subscribe(*self.filters) == [1] * 6

    def next(self, what):
        """The next event, which must be of a kind, as (members that are the same in all, the others)."""
        message = self.observer.message()
        assert message.qos == 1
        event = json.loads(message.payload)
        assert message.topic.split("/")[-2:] == [what, event["clientId"]]
        assert event["eventType"] == what
        assert abs(event.pop("timestamp") / 1000 - time.time()) < 60
        return event


@pytest.fixture
def quitter(device):
    """May do what a device may, and leave a will."""
    return device("quitter")


def events_of(observer, device):
    return Events(observer, device.name, f"devices/{device.name}/will")


def will_of(device):
    return Will(f"devices/{device.name}/will", b"farewell", qos=1)


def assert_left(events, reason, *, will, by_client=False):
    """Disconnected with a reason, and the will is published or is not, in whatever order."""
    seen = [events.observer.message() for _ in range(2 if will else 1)]
    (gone,) = (json.loads(message.payload) for message in seen if message.payload != b"farewell")
    assert gone["eventType"] == "disconnected"
    assert gone["disconnectReason"] == reason
    assert gone["clientInitiatedDisconnect"] is by_client
    assert "ipAddress" not in gone
    assert events.observer.messages() == []
    return gone


# --- members -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 5])
def test_connected_and_disconnected(quitter, observer, version):
    events = events_of(observer, quitter)
    with quitter.online(version=version) as wire:
        connected = events.next("connected")
        address = wire.sock.getsockname()[0]
        wire.disconnect()
    session = connected.pop("sessionIdentifier")
    assert UUID.fullmatch(session)
    assert connected == {
        "clientId": quitter.name,
        "eventType": "connected",
        "principalIdentifier": quitter.certificate_id,
        "ipAddress": address,
        "versionNumber": 0,
    }
    assert events.next("disconnected") == {
        "clientId": quitter.name,
        "eventType": "disconnected",
        "sessionIdentifier": session,
        "principalIdentifier": quitter.certificate_id,
        "clientInitiatedDisconnect": True,
        "disconnectReason": "CLIENT_INITIATED_DISCONNECT",
        "versionNumber": 0,
    }


def test_the_version_number_is_that_of_the_connection(quitter, observer):
    events = events_of(observer, quitter)
    seen = []
    for _ in range(3):
        with quitter.online() as wire:
            seen.append(events.next("connected"))
            wire.disconnect()
        seen.append(events.next("disconnected"))
    assert [event["versionNumber"] for event in seen] == [0, 0, 1, 1, 2, 2]
    assert len({event["sessionIdentifier"] for event in seen}) == 3


def test_the_version_number_begins_anew_after_an_hour_away(tmp_path):
    """Or after the time of a persistent session; and it goes on after a restart of the node."""
    with running(tmp_path / "node") as node:
        own = node.client("sekisho")
        anything = Factory(node, node.client("iot"), tmp_path)(statements=[allow("*", "*")])

        def number(client_id, **how):
            presence = f"$aws/events/presence/connected/{client_id}"
            with anything.online("observer") as observer:
                observer.subscribe(presence)
                with anything.online(client_id, 5, **how) as wire:
                    found = json.loads(observer.message().payload)["versionNumber"]
                    wire.disconnect()
            until(lambda: not own.list_connections(clientId=client_id, live=True)["connections"])
            return found

        ten_minutes = {"clean": False, "properties": b"\x11\x00\x00\x02\x58"}
        assert [number("plain"), number("plain"), number("kept", **ten_minutes)] == [0, 1, 0]
        node.kill()
        node.start()
        own = node.client("sekisho")
        assert [number("plain"), number("kept", **ten_minutes)] == [2, 1]
        own.set_clock(advanceSeconds=601)
        assert [number("plain"), number("kept")] == [3, 0]
        own.set_clock(advanceSeconds=3601)
        assert number("plain") == 0


def test_an_exclusive_thing_is_named(device, observer):
    own = device("own", exclusive=True, statements=[allow("*", "*"), deny("Connect", "client/not-it")])
    events = Events(observer, "its-id")
    with own.online("its-id") as wire:
        assert events.next("connected")["thingName"] == own.name
        wire.subscribe("a")
        assert events.next("subscribed")["thingName"] == own.name
        wire.unsubscribe("a")
        assert events.next("unsubscribed")["thingName"] == own.name
    assert events.next("disconnected")["thingName"] == own.name
    failures = Events(observer, "not-it")
    with own.wire() as wire, pytest.raises(Closed):
        wire.connect("not-it")
    assert failures.next("connect_failed")["thingName"] == own.name


def test_subscribed_and_unsubscribed(quitter, observer):
    events = events_of(observer, quitter)
    one, two, forbidden = f"devices/{quitter.name}/a", f"devices/{quitter.name}/+/b", "elsewhere"
    with quitter.online() as wire:
        session = events.next("connected")["sessionIdentifier"]
        wire.subscribe(one, forbidden, two)
        wire.unsubscribe(two, "never/was")
    expected = {
        "clientId": quitter.name,
        "sessionIdentifier": session,
        "principalIdentifier": quitter.certificate_id,
    }
    assert events.next("subscribed") == expected | {"eventType": "subscribed", "topics": [one, two]}
    assert events.next("unsubscribed") == expected | {"eventType": "unsubscribed", "topics": [two]}


@pytest.mark.parametrize("version", [4, 5])
def test_connect_failed(quitter, observer, version):
    for client_id, will in (("not-its-name", None), (quitter.name, Will("elsewhere"))):
        events = Events(observer, client_id)
        with quitter.wire() as wire:
            address = wire.sock.getsockname()[0]
            if version == 5:
                assert wire.connect(client_id, 5, will=will).code == 0x87
            else:
                with pytest.raises(Closed):
                    wire.connect(client_id, will=will)
        failed = events.next("connect_failed")
        assert UUID.fullmatch(failed.pop("sessionIdentifier"))
        assert failed == {
            "clientId": client_id,
            "eventType": "connect_failed",
            "connectFailureReason": "AUTHORIZATION_FAILED",
            "principalIdentifier": quitter.certificate_id,
            "ipAddress": address,
        }
        assert observer.messages() == []
        observer.unsubscribe(*events.filters)


@pytest.mark.parametrize("client_id", ["with#hash", "with+plus"])
def test_client_ids_that_get_no_events(anything, observer, client_id):
    observer.subscribe("$aws/events/#")
    with anything.online(client_id) as wire:
        wire.subscribe("a/b")
        wire.disconnect()
    mine = [message for message in observer.messages() if client_id.encode() in message.payload]
    assert mine == []


def test_wildcards_at_the_root_do_not_see_events(quitter, observer):
    observer.subscribe("#", "+/events/#")
    quitter.online().close()
    assert observer.messages() == []


def test_events_cannot_be_forged(anything, iot_data, observer):
    observer.subscribe("$aws/events/#")
    with anything.online("forger", version=5) as wire:
        assert wire.publish("$aws/events/presence/connected/victim", b"{}") == 0x87
    with anything.online("forger") as wire:
        wire.publish("$aws/events/presence/connected/victim", b"{}", qos=0)
        wire.until_closed()
    with pytest.raises(iot_data.exceptions.InvalidRequestException):
        iot_data.publish(topic="$aws/events/presence/connected/victim", payload=b"{}")
    forged = [message for message in observer.messages() if message.topic.endswith("/victim")]
    assert forged == []


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
