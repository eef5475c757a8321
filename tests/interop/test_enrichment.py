"""Propagating attributes: what a thing type has the messages of its things carry."""

from __future__ import annotations

import base64
import itertools
import json

import pytest

from interop.devices import ANYTHING, WITHIN, until
from interop.packets import text
from interop.test_https_publish import post

NUMBERS = itertools.count(1)
USER_PROPERTY = 0x26
ATTRIBUTES = [
    {"userPropertyKey": "site", "thingAttribute": "site"},
    {"userPropertyKey": "floor", "thingAttribute": "floor"},
    {"userPropertyKey": "iot:ClientId", "connectionAttribute": "iot:ClientId"},
    {"userPropertyKey": "$name", "connectionAttribute": "iot:Thing.ThingName"},
]


def propagating(*attributes):
    return {"mqtt5Configuration": {"propagatingAttributes": list(attributes)}}


@pytest.fixture
def typed(iot, device):
    """Makes a device whose thing has the attribute site, and a type that propagates these."""

    def make(*attributes, **more):
        kind = f"enriching-{next(NUMBERS)}"
        iot.create_thing_type(thingTypeName=kind, thingTypeProperties=propagating(*attributes))
        one = device("enriched", statements=ANYTHING, attributes={"site": "tokyo"}, **more)
        iot.update_thing(thingName=one.name, thingTypeName=kind)
        return one, kind

    return make


@pytest.fixture
def reader(anything, name):
    """A subscriber of MQTT 5 to the test's own topics."""
    with anything.online(f"reader-{name}"[:100], version=5) as wire:
        wire.subscribe(f"{name}/#")
        yield wire


def user_properties(message):
    pairs = message.properties.get(USER_PROPERTY, [])
    return [(key.decode(), value.decode()) for key, value in pairs]


def pair(key, value):
    return bytes([USER_PROPERTY]) + text(key) + text(value)


@pytest.mark.parametrize("qos", [0, 1])
def test_messages_of_any_version_are_enriched(typed, reader, name, version, qos):
    """An attribute that the thing does not have is left out."""
    one, _ = typed(*ATTRIBUTES)
    with one.online(version=version) as wire:
        for payload in (b"1", b"2"):
            wire.publish(f"{name}/a", payload, qos=qos)
            got = reader.message()
            assert (got.payload, got.qos) == (payload, qos)
            assert user_properties(got) == [
                ("site", "tokyo"),
                ("iot:ClientId", one.name),
                ("$name", one.name),
            ]


def test_a_reader_of_3_1_1_gets_the_message_alone(typed, observer, name):
    one, _ = typed(*ATTRIBUTES)
    observer.subscribe(f"{name}/a")
    with one.online(version=5) as wire:
        wire.publish(f"{name}/a", b"plain")
    got = observer.message()
    assert (got.payload, got.properties) == (b"plain", {})


def test_the_devices_own_properties_stay_but_for_those_keys(typed, reader, name):
    """The registry's word takes the place of the device's."""
    one, _ = typed(ATTRIBUTES[0])
    with one.online(version=5) as wire:
        own = pair("mine", "1") + pair("site", "forged") + pair("mine", "2")
        wire.publish(f"{name}/a", b"x", properties=own)
    assert user_properties(reader.message()) == [("mine", "1"), ("mine", "2"), ("site", "tokyo")]


def test_only_for_the_thing_that_the_connection_is(typed, reader, name):
    one, _ = typed(*ATTRIBUTES)
    own, _ = typed(*ATTRIBUTES, exclusive=True)
    with one.online("another", version=5) as wire:
        wire.publish(f"{name}/a")
    assert user_properties(reader.message()) == []
    with own.online("another", version=5) as wire:
        wire.publish(f"{name}/a")
    assert user_properties(reader.message()) == [
        ("site", "tokyo"),
        ("iot:ClientId", "another"),
        ("$name", own.name),
    ]


def test_changed_under_a_living_connection(iot, typed, reader, name):
    one, kind = typed(ATTRIBUTES[0])
    with one.online(version=5) as wire:

        def carried():
            wire.publish(f"{name}/a")
            return user_properties(reader.message())

        assert carried() == [("site", "tokyo")]
        payload = {"attributes": {"site": "osaka", "floor": "3"}}
        iot.update_thing(thingName=one.name, attributePayload=payload)
        until(lambda: carried() == [("site", "osaka")], WITHIN)
        iot.update_thing_type(thingTypeName=kind, thingTypeProperties=propagating(*ATTRIBUTES[:2]))
        until(lambda: carried() == [("site", "osaka"), ("floor", "3")], WITHIN)
        iot.update_thing_type(thingTypeName=kind, thingTypeProperties=propagating())
        until(lambda: carried() == [], WITHIN)
        iot.update_thing_type(thingTypeName=kind, thingTypeProperties=propagating(ATTRIBUTES[1]))
        until(lambda: carried() == [("floor", "3")], WITHIN)
        iot.update_thing(thingName=one.name, attributePayload={"attributes": {}}, removeThingType=True)
        until(lambda: carried() == [], WITHIN)


def test_what_waits_for_a_session_is_enriched(typed, anything, name):
    one, _ = typed(ATTRIBUTES[0])
    client = f"session-{name}"[:100]
    keep = bytes([0x11]) + (300).to_bytes(4)
    with anything.online(client, version=5, clean=False, properties=keep) as wire:
        wire.subscribe(f"{name}/#")
    with one.online(version=4) as wire:
        wire.publish(f"{name}/a", b"later")
    with anything.online(client, version=5, clean=False, properties=keep) as wire:
        got = wire.message()
    assert (got.payload, user_properties(got)) == (b"later", [("site", "tokyo")])


def test_https_publish_of_an_exclusive_thing(node, typed, reader, name):
    own, _ = typed(*ATTRIBUTES, exclusive=True)
    assert post(node, own.identity, f"/topics/{name}/a").status == 200
    added = [("site", "tokyo"), ("$name", own.name)]  # there is no client id
    assert user_properties(reader.message()) == added
    mine = base64.b64encode(json.dumps([{"mine": "1"}, {"site": "forged"}]).encode()).decode()
    headers = {"x-amz-mqtt5-user-properties": mine}
    assert post(node, own.identity, f"/topics/{name}/a", headers=headers).status == 200
    assert user_properties(reader.message()) == [("mine", "1"), *added]
    bad = {"x-amz-mqtt5-user-properties": base64.b64encode(b'{"no": "list"}').decode()}
    assert post(node, own.identity, f"/topics/{name}/a", headers=bad).status == 400
