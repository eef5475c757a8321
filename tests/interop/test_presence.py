"""Lifecycle events: their topics and their members (AWS IoT Developer Guide, Lifecycle events)."""

from __future__ import annotations

import json
import re

import pytest

from interop.devices import Factory, allow, deny, until
from interop.lifecycle import Events, events_of
from interop.lifecycle import quitter as quitter
from interop.packets import Will
from interop.wire import Closed
from nodes import running

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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
