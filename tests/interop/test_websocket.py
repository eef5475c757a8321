"""MQTT over WebSocket at ``/mqtt``: other people's clients, presigned by other people's signers."""

from __future__ import annotations

import json
import queue
import ssl
import threading

import paho.mqtt.client as paho
import pytest
from awscrt import auth, mqtt, mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder
from botocore.credentials import Credentials
from wsproto.events import CloseConnection, Ping, TextMessage

from interop.packets import CONNACK, SUBACK, Will, connect_packet, publish_packet, subscribe_packet
from interop.places import UNLIMITED
from interop.sockets import Refused, SocketWire, credentials, host_of, presigned, secure, signed_headers
from interop.wire import Closed
from nodes import running

PATIENCE = 10
ACCOUNT = "000000000000"


def provider(node):
    keys = credentials(node)
    return auth.AwsCredentialsProvider.new_static(keys.access_key, keys.secret_key)


def last_refusal(own):
    return own.list_refusals(maxResults=1)["refusals"][0]


# --- other people's clients ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 200, 100_000])
def test_awsiotsdk_3(node, size):
    host, port = node.address("https")
    messages = queue.Queue()
    connection = mqtt_connection_builder.websockets_with_default_aws_signing(
        region="us-east-1",
        credentials_provider=provider(node),
        endpoint=host,
        port=port,
        ca_filepath=node.ca,
        client_id=f"sdk-three-{size}",
        clean_session=True,
        keep_alive_secs=30,
    )
    connection.connect().result(PATIENCE)
    try:
        done, _ = connection.subscribe(
            f"ws/three/{size}",
            mqtt.QoS.AT_LEAST_ONCE,
            lambda topic, payload, **_: messages.put((topic, payload)),
        )
        done.result(PATIENCE)
        payload = bytes(size)
        connection.publish(f"ws/three/{size}", payload, mqtt.QoS.AT_LEAST_ONCE)[0].result(PATIENCE)
        assert messages.get(timeout=PATIENCE) == (f"ws/three/{size}", payload)
    finally:
        connection.disconnect().result(PATIENCE)


def test_awsiotsdk_5(node):
    host, port = node.address("https")
    messages, connacks, stopped = queue.Queue(), queue.Queue(), threading.Event()
    client = mqtt5_client_builder.websockets_with_default_aws_signing(
        region="us-east-1",
        credentials_provider=provider(node),
        endpoint=host,
        port=port,
        ca_filepath=node.ca,
        client_id="sdk-five",
        on_publish_received=lambda got: messages.put(got.publish_packet),
        on_lifecycle_connection_success=lambda got: connacks.put(got.connack_packet),
        on_lifecycle_stopped=lambda _: stopped.set(),
    )
    client.start()
    try:
        assert connacks.get(timeout=PATIENCE).maximum_qos == mqtt5.QoS.AT_LEAST_ONCE
        wanted = mqtt5.Subscription(topic_filter="ws/five", qos=mqtt5.QoS.AT_LEAST_ONCE)
        client.subscribe(mqtt5.SubscribePacket(subscriptions=[wanted])).result(PATIENCE)
        sent = mqtt5.PublishPacket(topic="ws/five", payload=b"hello", qos=mqtt5.QoS.AT_LEAST_ONCE)
        client.publish(sent).result(PATIENCE)
        assert messages.get(timeout=PATIENCE).payload == b"hello"
    finally:
        client.stop()
        assert stopped.wait(PATIENCE)


@pytest.mark.parametrize("version", [paho.MQTTv311, paho.MQTTv5])
def test_paho_with_a_url_that_botocore_presigned(node, version):
    host, port = node.address("https")
    connected, subscribed, messages = queue.Queue(), queue.Queue(), queue.Queue()
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2, f"paho-ws-{version}", protocol=version, transport="websockets"
    )
    client.tls_set(node.ca)
    client.ws_set_options(path=presigned(node))
    client.on_connect = lambda *given: connected.put(given[3])
    client.on_subscribe = lambda *given: subscribed.put(given[3])
    client.on_message = lambda _client, _data, got: messages.put(got.payload)
    client.connect(host, port)
    client.loop_start()
    try:
        assert connected.get(timeout=PATIENCE) == 0
        client.subscribe(f"ws/paho/{version}", 1)
        subscribed.get(timeout=PATIENCE)
        for size in (0, 125, 126, 70_000):
            client.publish(f"ws/paho/{version}", bytes(size), 1)
            assert messages.get(timeout=PATIENCE) == bytes(size)
    finally:
        client.disconnect()
        client.loop_stop()


# --- who may ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["iotdevicegateway", "iotdata"])
def test_a_url_may_be_presigned_for_either_name_of_the_data_plane(node, service):
    with SocketWire(node, presigned(node, service=service)) as wire:
        assert wire.connect(f"signed-{service}").code == 0


def test_the_signature_may_be_in_headers(node):
    with SocketWire(node, "/mqtt", headers=signed_headers(node)) as wire:
        assert wire.connect("signed-in-headers").code == 0


def test_the_older_subprotocol_and_the_alpn_of_http_will_do(node):
    with SocketWire(node, offered=("mqttv3.1",), alpn=["http/1.1"]) as wire:
        assert wire.frames.subprotocol == "mqttv3.1"
        assert wire.connect("older").code == 0


def expired(node):
    """As if presigned an hour ago: the date is part of what is signed, so the signature is of another."""
    return presigned(node).replace("X-Amz-Expires=3600", "X-Amz-Expires=3599")


REFUSED = {
    "unsigned": (lambda node: "/mqtt", "MissingAuthenticationTokenException"),
    "another secret": (
        lambda node: presigned(node, who=Credentials(credentials(node).access_key, "x" * 40)),
        "InvalidSignatureException",
    ),
    "an unknown key": (
        lambda node: presigned(node, who=Credentials("AKIA0000000000000000", "x" * 40)),
        "UnrecognizedClientException",
    ),
    "a changed query": (expired, "InvalidSignatureException"),
    "another service": (lambda node: presigned(node, service="iot"), "correct service: iotdevicegateway"),
    "another region": (lambda node: presigned(node, region="eu-west-1"), "valid region"),
    "a query cut short": (
        lambda node: presigned(node).partition("&X-Amz-Signature")[0],
        "IncompleteSignatureException",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_without_a_good_signature_there_is_no_upgrade(node, own, name):
    make, why = REFUSED[name]
    with pytest.raises(Refused) as caught:
        SocketWire(node, make(node))
    assert caught.value.status == 403
    assert json.loads(caught.value.body)["message"] == "Forbidden"
    refusal = last_refusal(own)
    assert why in refusal["reason"]
    assert refusal["effect"] == "the WebSocket upgrade was answered 403"


def test_a_certificate_is_not_a_signature(node, anything, own):
    with pytest.raises(Refused) as caught:
        SocketWire(node, "/mqtt", identity=anything.identity)
    assert caught.value.status == 403
    assert last_refusal(own)["certificateId"] == anything.certificate_id


def test_what_is_no_upgrade_is_told_so(node):
    with secure(node) as sock:
        # In two records, of which the first does not say yet what it is.
        sock.sendall(b"GET /m")
        sock.sendall(b"qtt HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while data := sock.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: Upgrade" in answer


def test_other_paths_and_methods_go_to_the_api(node):
    for line in (b"GET /mqttx", b"GET /", b"POST /mqtt"):
        with secure(node) as sock:
            for at in range(len(line)):
                sock.sendall(line[at : at + 1])
            sock.sendall(b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            assert b"MissingAuthenticationTokenException" in sock.recv(65536)


# --- frames -------------------------------------------------------------------------------------------------


def test_several_packets_of_a_frame_and_a_packet_of_several_frames(node):
    """[MQTT-6.0.0-2] [3.1.1 MQTT-6.0.0-2]"""
    with SocketWire(node) as wire:
        packets = connect_packet("frames") + subscribe_packet(["ws/frames"])
        packets += b"".join(publish_packet("ws/frames", bytes([n]), qos=0) for n in range(20))
        wire.frames.sendall(packets)
        assert wire.take(CONNACK).body == b"\0\0"
        assert wire.take(SUBACK).body == b"\0\1\1"
        assert [wire.message().payload for _ in range(20)] == [bytes([n]) for n in range(20)]
        # What the node wrote at once came in a frame for each packet.
        assert len(wire.frames.frames) == 22
        for size in (1, 2, 1000):
            wire.frames.size = size
            wire.publish("ws/frames", b"p" * 3000)
            assert wire.message().payload == b"p" * 3000


def test_a_message_of_the_largest_size_in_both_directions(node):
    with SocketWire(node) as wire:
        wire.connect("largest")
        wire.subscribe("ws/largest")
        payload = bytes(range(256)) * 512
        wire.publish("ws/largest", payload)
        assert wire.message().payload == payload


def test_pings_are_answered_between_messages(node):
    with SocketWire(node) as wire:
        wire.connect("pings")
        wire.frames.event(Ping(b"one"))
        wire.ping()
        wire.frames.event(Ping(b"two"))
        wire.ping()
        assert wire.frames.pongs == [b"one", b"two"]


def test_a_text_frame_ends_it_with_1003_and_is_explained(node, own, observer):
    """[MQTT-6.0.0-1] [3.1.1 MQTT-6.0.0-1]"""
    observer.subscribe("$aws/events/presence/disconnected/text")
    with SocketWire(node) as wire:
        wire.connect("text", 5)
        wire.frames.event(TextMessage("hello"))
        assert wire.until_closed() == 0x82
        assert wire.frames.closed.code == 1003
    assert json.loads(observer.message().payload)["disconnectReason"] == "CLIENT_ERROR"
    refusal = last_refusal(own)
    assert "text frame" in refusal["reason"]
    assert refusal["principal"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_bad_frame_before_connect_ends_it_too(node):
    with SocketWire(node) as wire:
        wire.frames.raw(b"\x82\x01x")
        with pytest.raises(Closed):
            wire.read()
        assert wire.frames.closed.code == 1002


def test_the_client_closes_and_is_answered_and_its_will_goes_out(node, observer):
    observer.subscribe("ws/will")
    with SocketWire(node) as wire:
        wire.connect("closes", will=Will("ws/will"))
        wire.frames.event(CloseConnection(1001, "going away"))
        wire.until_closed()
        assert wire.frames.closed.code == 1000
    assert observer.message().payload == b"gone"


def test_a_disconnect_is_answered_with_a_close_frame_and_then_the_socket(node, observer):
    observer.subscribe("ws/no-will")
    with SocketWire(node) as wire:
        wire.connect("disconnects", will=Will("ws/no-will"))
        wire.frames.sendall(b"\xe0\x00")
        wire.until_closed()
        assert wire.frames.closed.code == 1000
        wire.frames.event(wire.frames.closed.response())
        wire.frames.settimeout(PATIENCE)
        assert wire.frames.sock.recv(1) == b""
    assert observer.messages() == []


def test_a_connection_that_is_cut_is_noticed(node, observer):
    observer.subscribe("$aws/events/presence/disconnected/cut")
    with SocketWire(node) as wire:
        wire.connect("cut")
    assert json.loads(observer.message().payload)["disconnectReason"] == "CONNECTION_LOST"


def test_a_takeover_tells_the_older_one(tmp_path):
    with running(tmp_path / "node", UNLIMITED) as node, SocketWire(node) as older, SocketWire(node) as newer:
        older.connect("taken", 5)
        newer.connect("taken", 5)
        assert older.until_closed() == 0x8E
        newer.ping()


# --- what it is then ----------------------------------------------------------------------------------------


def test_events_name_the_principal_and_no_thing(node, observer):
    observer.subscribe("$aws/events/presence/+/named")
    observer.subscribe("$aws/events/subscriptions/+/named")
    with SocketWire(node) as wire:
        wire.connect("named")
        connected = json.loads(observer.message().payload)
        wire.subscribe("x")
        subscribed = json.loads(observer.message().payload)
        wire.disconnect()
    disconnected = json.loads(observer.message().payload)
    for event in (connected, subscribed, disconnected):
        assert event["principalIdentifier"] == ACCOUNT
        assert "thingName" not in event
    assert disconnected["disconnectReason"] == "CLIENT_INITIATED_DISCONNECT"


def test_a_change_in_the_registry_leaves_it_connected(node, iot, device):
    with SocketWire(node) as wire:
        wire.connect("stays")
        other = device("comes-and-goes")
        with other.online() as gone:
            iot.update_certificate(certificateId=other.certificate_id, newStatus="INACTIVE")
            gone.until_closed()
        wire.ping()


def test_devices_and_sockets_talk_to_each_other(node, observer):
    with SocketWire(node) as wire:
        wire.connect("talks", 5)
        wire.subscribe("ws/to-socket")
        observer.subscribe("ws/to-device")
        assert wire.publish("ws/to-device", b"1") == 0
        assert observer.message().payload == b"1"
        observer.publish("ws/to-socket", b"2")
        assert wire.message().payload == b"2"


def test_a_reader_that_stalls_is_dropped_behind_and_others_go_on(node, anything):
    """More than the sockets' buffers hold; what is too much is not sent, and the connection goes on."""
    with SocketWire(node) as wire, anything.online("pours") as publisher:
        wire.connect("stalls")
        wire.subscribe("ws/stalls", qos=0)
        for _ in range(90):
            publisher.publish("ws/stalls", bytes(100_000), qos=0)
        publisher.ping()
        first = wire.message()
        assert len(first.payload) == 100_000
        wire.ping()


def test_a_session_over_websocket_ends_in_time(tmp_path):
    settings = ("mqtt.limits.websocket_seconds=2", "mqtt.limits.connect_timeout=2")
    with running(tmp_path / "node", *settings) as node, SocketWire(node) as watching:
        watching.connect("watching", 5)
        watching.subscribe("$aws/events/presence/disconnected/limited")
        with SocketWire(node) as wire:
            wire.connect("limited", 5)
            assert wire.until_closed() == 0x98
            assert wire.reason_text == "the WebSocket session has lasted as long as one may"


def test_the_end_of_the_session_is_in_the_event(tmp_path, device):
    settings = ("mqtt.limits.websocket_seconds=2", "mqtt.limits.connect_timeout=2")
    with running(tmp_path / "node", *settings) as node:
        data = node.client("iot-data")
        with SocketWire(node) as wire:
            wire.connect("limited")
            wire.until_closed()
        found = data.get_connection(clientId="limited")
        assert (found["connected"], found["disconnectReason"]) == (False, "WEBSOCKET_TTL_EXPIRATION")


def test_an_upgrade_must_come_in_time(tmp_path):
    with running(tmp_path / "node", "mqtt.limits.connect_timeout=1") as node, secure(node) as sock:
        sock.sendall(f"GET {presigned(node)} HTTP/1.1\r\nHost: {host_of(node)}\r\n".encode())
        sock.settimeout(30)
        with pytest.raises((ConnectionError, ssl.SSLError, StopIteration)):
            while sock.recv(1):
                pass
            raise StopIteration
