"""iot-data: Publish with all that it takes, retained messages, connections."""

from __future__ import annotations

import base64
import json

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from api.data_plane import CONTENT, CORRELATION, EXPIRY, EXPIRY_100, FORMAT, RESPONSE, USER, refused
from api.data_plane import device as device
from api.data_plane import name as name
from api.data_plane import subscriber as subscriber
from interop.devices import ANYTHING
from interop.packets import Will
from sekisho.cli.commands import read_credentials

# --- Publish ------------------------------------------------------------------------------------------------


def test_every_property_arrives(data, subscriber, name):
    data.publish(
        topic=name,
        qos=1,
        payload="ü".encode(),
        userProperties=json.dumps([{"a": "1"}, {"b": "ü"}, {"a": "2"}]),
        payloadFormatIndicator="UTF8_DATA",
        contentType="text/plain",
        responseTopic="answers/1",
        correlationData=base64.b64encode(b"\x00\xff").decode(),
        messageExpiry=1000,
    )
    message = subscriber.message()
    assert (message.payload, message.qos) == ("ü".encode(), 1)
    if subscriber.version == 5:
        assert 990 <= message.properties.pop(EXPIRY) <= 1000
        assert message.properties == {
            USER: [(b"a", b"1"), (b"b", "ü".encode()), (b"a", b"2")],
            FORMAT: 1,
            CONTENT: b"text/plain",
            RESPONSE: b"answers/1",
            CORRELATION: b"\x00\xff",
        }


def test_user_properties_as_a_raw_request_has_them(node, device, name):
    """Without an SDK the header is the Base64 of the array itself (botocore, PublishRequest)."""
    header = base64.b64encode(b'[{"deviceName": "alpha"}]').decode()
    with device.online(name, 5) as wire:
        wire.subscribe(f"{name}/x")
        url = f"http://{node.endpoints['api']}/topics/{name}%2Fx?qos=1"
        request = AWSRequest("POST", url, data=b"x", headers={"x-amz-mqtt5-user-properties": header})
        credentials = Credentials(*read_credentials(node.data))
        SigV4Auth(credentials, "iotdevicegateway", "us-east-1").add_auth(request)
        response = URLLib3Session().send(request.prepare())
        assert response.status_code == 200
        # What AWS answers, though the model has no output for it.
        answer = json.loads(response.content)
        assert answer == {"message": "OK", "traceId": response.headers["x-amzn-requestid"]}
        assert response.headers["content-type"] == "application/json"
        assert wire.message().properties == {USER: [(b"deviceName", b"alpha")]}


@pytest.mark.parametrize(("given", "least", "most"), [(0, 0, 1), (604_801, 604_790, 604_800), (60, 50, 60)])
def test_the_expiry_is_kept_within_its_bounds(data, device, name, given, least, most):
    with device.online(name, 5) as wire:
        wire.subscribe(name)
        data.publish(topic=name, qos=1, payload=b"x", messageExpiry=given)
        assert least <= wire.message().properties[EXPIRY] <= most


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"messageExpiry": -1}, "messageExpiry"),
        ({"correlationData": "not Base64!"}, "correlationData"),
        ({"responseTopic": "a/+"}, "responseTopic"),
        ({"responseTopic": "x" * 257}, "responseTopic"),
        ({"contentType": "a\0b"}, "contentType"),
        ({"userProperties": "no JSON"}, "userProperties"),
        ({"userProperties": {"a": "1"}}, "userProperties"),
        ({"userProperties": [{"a": "1", "b": "2"}]}, "userProperties"),
        ({"userProperties": [{"a": 1}]}, "userProperties"),
        ({"userProperties": [{"a": "\0"}]}, "userProperties"),
        ({"payloadFormatIndicator": "TEXT"}, "payloadFormatIndicator"),
        ({"payload": bytes(131_073)}, "131072"),
        ({"topic": "$SYS/x"}, "reserved"),
        ({"topic": "$aws/events/presence/connected/x"}, "reserved"),
        ({"topic": "$aws/things/x/shadow/update", "retain": True}, "reserved"),
        ({"topic": "a/#"}, "wildcard"),
    ],
)
def test_what_publish_refuses(node, members, word):
    unchecked = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    with refused("InvalidRequestException", 400, word):
        node.client("iot-data", config=unchecked).publish(**{"topic": "a"} | members)


def test_basic_ingest_is_refused_by_name(data):
    with refused("NotImplementedException", 501, "Basic Ingest", "$aws/rules/"):
        data.publish(topic="$aws/rules/myrule/a/b", payload=b"x")


# --- retained messages --------------------------------------------------------------------------------------


def test_a_retained_message_is_kept_delivered_and_deleted(data, device, name):
    payload = bytes(range(256))
    data.publish(topic=name, qos=1, retain=True, payload=payload, userProperties=[{"a": "1"}, {"b": "2"}])
    kept = data.get_retained_message(topic=name)
    assert (kept["topic"], kept["payload"], kept["qos"]) == (name, payload, 1)
    assert json.loads(kept["userProperties"]) == [{"a": "1"}, {"b": "2"}]
    assert kept["lastModifiedTime"] > 1_600_000_000_000, "milliseconds"
    with device.online(name, 5) as wire:
        wire.subscribe(name)
        message = wire.message()
        assert (message.payload, message.properties[USER]) == (payload, [(b"a", b"1"), (b"b", b"2")])
        data.publish(topic=name, retain=True)
        assert wire.message().payload == b"", "the deletion is still forwarded"
    with refused("ResourceNotFoundException", 404, name):
        data.get_retained_message(topic=name)


def test_a_retained_message_without_user_properties(data, device, name):
    with device.online(name) as wire:
        wire.publish(name, b"from a device", retain=True)
    kept = data.get_retained_message(topic=name)
    assert (kept["payload"], kept["qos"], "userProperties" in kept) == (b"from a device", 1, False)


def test_an_ordinary_message_is_not_kept(data, name):
    data.publish(topic=name, payload=b"x", retain=False)
    with refused("ResourceNotFoundException", 404):
        data.get_retained_message(topic=name)


def test_an_expired_retained_message_is_gone(data, own, name):
    data.publish(topic=name, payload=b"x", retain=True, messageExpiry=60)
    own.set_clock(frozen=True)
    try:
        assert data.get_retained_message(topic=name)["payload"] == b"x"
        own.set_clock(advanceSeconds=61)
        with refused("ResourceNotFoundException", 404):
            data.get_retained_message(topic=name)
        assert name not in [one["topic"] for one in listed(data, 200)]
    finally:
        own.set_clock(reset=True)


def listed(data, size):
    pages = data.get_paginator("list_retained_messages").paginate(PaginationConfig={"PageSize": size})
    return [one for page in pages for one in page["retainedTopics"]]


def test_retained_messages_are_listed_by_topic_in_pages(data, name):
    topics = [f"{name}/{letter}" for letter in "abcde"]
    for topic in reversed(topics):
        data.publish(topic=topic, payload=b"\xff" * 7, retain=True)
    for size in (1, 2, 5, 200):
        mine = [one for one in listed(data, size) if one["topic"].startswith(f"{name}/")]
        assert [one["topic"] for one in mine] == topics
        assert {(one["payloadSize"], one["qos"]) for one in mine} == {(7, 0)}
        assert all(one["lastModifiedTime"] > 1_600_000_000_000 for one in mine)


def test_a_page_token_that_is_none(data):
    with refused("InvalidRequestException", 400, "token"):
        data.list_retained_messages(nextToken="§")


# --- DeleteConnection, GetConnection, ListSubscriptions -----------------------------------------------------


@pytest.mark.parametrize(("version", "reason"), [(4, None), (5, 0x98)])
def test_a_client_is_cut_off(data, device, name, version, reason):
    with device.online(f"watch-{name}") as watcher, device.online(name, version) as wire:
        watcher.subscribe(f"$aws/events/presence/disconnected/{name}")
        data.delete_connection(clientId=name)
        assert wire.until_closed() == reason
        event = json.loads(watcher.message().payload)
        assert (event["disconnectReason"], event["clientInitiatedDisconnect"]) == (
            "API_INITIATED_DISCONNECT",
            False,
        )
    gone = data.get_connection(clientId=name)
    assert (gone["connected"], gone["disconnectReason"]) == (False, "API_INITIATED_DISCONNECT")
    with refused("ResourceNotFoundException", 404, name):
        data.delete_connection(clientId=name)


def test_a_client_id_with_a_slash_and_an_umlaut(data, device, name):
    with device.online(f"a/ü {name}", 5) as wire:
        data.delete_connection(clientId=f"a/ü {name}")
        assert wire.until_closed() == 0x98


@pytest.mark.parametrize("prevented", [False, True])
def test_the_will_unless_prevented(data, device, name, prevented):
    with (
        device.online(f"watch-{name}") as watcher,
        device.online(name, will=Will(name, b"gone")) as wire,
    ):
        watcher.subscribe(name)
        data.delete_connection(clientId=name, preventWillMessage=prevented)
        wire.until_closed()
        data.publish(topic=name, payload=b"after", qos=1)
        wanted = [b"after"] if prevented else [b"gone", b"after"]
        assert [watcher.message().payload for _ in wanted] == wanted


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("online", [False, True])
def test_the_session_stays_unless_it_is_to_be_cleaned(data, device, name, clean, online):
    with device.online(name, clean=False) as wire:
        wire.subscribe(name)
        if online:
            data.delete_connection(clientId=name, cleanSession=clean)
            wire.until_closed()
        else:
            wire.disconnect()
            data.delete_connection(clientId=name, cleanSession=clean)
    data.publish(topic=name, payload=b"kept", qos=1)
    with device.wire() as wire:
        assert wire.connect(name, clean=False).session_present is not clean
        if not clean:
            assert wire.message().payload == b"kept"
        assert wire.messages() == []


def test_what_is_known_of_a_connection(data, factory, node):
    device = factory(statements=ANYTHING)
    with device.online(device.name, 5, keep_alive=77, clean=False, properties=EXPIRY_100) as wire:
        shown = data.get_connection(clientId=device.name)
        del shown["ResponseMetadata"]
        assert shown.pop("connectedSince") > 1_600_000_000_000, "milliseconds"
        assert shown == {
            "connected": True,
            "clientId": device.name,
            "thingName": device.name,
            "cleanSession": False,
            "keepAliveDuration": 77,
            "sessionExpiry": 100,
        }
        shown = data.get_connection(clientId=device.name, includeSocketInformation=True)
        local, peer = wire.sock.getsockname(), wire.sock.getpeername()
        assert (shown["sourceIp"], shown["sourcePort"]) == local
        assert (shown["targetIp"], shown["targetPort"]) == peer
        assert peer[1] == node.mqtt[1]
        wire.disconnect()
    shown = data.get_connection(clientId=device.name)
    del shown["ResponseMetadata"]
    assert shown.pop("disconnectedSince") > 1_600_000_000_000, "milliseconds"
    assert shown == {
        "connected": False,
        "clientId": device.name,
        "thingName": device.name,
        "cleanSession": False,
        "keepAliveDuration": 77,
        "sessionExpiry": 100,
        "disconnectReason": "CLIENT_INITIATED_DISCONNECT",
    }


def test_a_connection_is_remembered_for_half_an_hour(data, own, device, name):
    with device.online(name) as wire:
        wire.disconnect()
    own.set_clock(frozen=True)
    try:
        own.set_clock(advanceSeconds=1790)
        assert data.get_connection(clientId=name)["cleanSession"] is True
        own.set_clock(advanceSeconds=20)
        with refused("ResourceNotFoundException", 404, name):
            data.get_connection(clientId=name)
    finally:
        own.set_clock(reset=True)


def test_subscriptions_are_listed_in_pages_here_and_away(data, device, name):
    wanted = [{"topicFilter": f"{name}/{number:02}/#", "qos": number % 2} for number in range(45)]
    with device.online(name, clean=False) as wire:
        for one in reversed(wanted):
            wire.subscribe(one["topicFilter"], qos=one["qos"])
        for away in (False, True):
            if away:
                wire.disconnect()
            first = data.list_subscriptions(clientId=name)
            assert first["subscriptions"] == wanted[:20]
            pages = data.get_paginator("list_subscriptions").paginate(
                clientId=name, PaginationConfig={"PageSize": 7}
            )
            assert [one for page in pages for one in page["subscriptions"]] == wanted


@pytest.mark.parametrize("operation", ["delete_connection", "get_connection", "list_subscriptions"])
def test_a_client_that_nobody_has_seen(data, operation):
    with refused("ResourceNotFoundException", 404, "nobody"):
        getattr(data, operation)(clientId="nobody")
