"""Custom authorizers with AWS's own SDK, unmodified, with paho and with mosquitto's tools."""

from __future__ import annotations

import json
import queue
import ssl
import subprocess
from concurrent.futures import Future

import awscrt.exceptions
import paho.mqtt.client as paho
import pytest
from awscrt import http, mqtt, mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder

from interop.authorizing import (
    BAD_PASSWORD,
    PASSWORD,
    TOKEN,
    create,
    events,
    last_refusal,
    query,
    signature,
    username,
)
from interop.clients.javascript import FOLDER
from interop.devices import until
from interop.tunnel import Tunnel

PATIENCE = 10


@pytest.fixture(scope="module")
def iot(gate):
    return gate.client("iot")


@pytest.fixture(scope="module")
def plain(iot):
    return create(iot, "plain-clients")


@pytest.fixture(scope="module")
def signed(iot):
    return create(iot, "signed-clients", signed=True)


@pytest.fixture
def tunnel(gate):
    """The SDK for Python connects directly to port 443 and to no other: a proxy leads it to the node's."""
    with Tunnel(gate.address("https")) as tunnel:
        yield http.HttpProxyOptions(
            "127.0.0.1", tunnel.port, connection_type=http.HttpProxyConnectionType.Tunneling
        )


def by_token(name):
    return {
        "auth_authorizer_name": name,
        "auth_authorizer_signature": signature(),
        "auth_token_key_name": "token",
        "auth_token_value": TOKEN,
    }


def by_password(name):
    return {"auth_username": "user", "auth_authorizer_name": name, "auth_password": PASSWORD.decode()}


# --- the SDK's connection of 3.1.1 -------------------------------------------------------------------------


def three(gate, client_id, build, **more):
    host, port = gate.address("https")
    return build(
        endpoint=host, port=port, ca_filepath=gate.ca, client_id=client_id, clean_session=True, **more
    )


def talk(connection, name):
    connection.connect().result(PATIENCE)
    try:
        got = queue.Queue()
        done, _ = connection.subscribe(
            f"own/{name}/a", mqtt.QoS.AT_LEAST_ONCE, lambda topic, payload, **_: got.put(payload)
        )
        done.result(PATIENCE)
        connection.publish(f"own/{name}/a", b"hello", mqtt.QoS.AT_LEAST_ONCE)[0].result(PATIENCE)
        assert got.get(timeout=PATIENCE) == b"hello"
    finally:
        connection.disconnect().result(PATIENCE)


@pytest.mark.parametrize("how", [by_token, by_password])
def test_the_sdk_of_python_directly(gate, plain, signed, tunnel, name, how):
    shown = how(signed if how is by_token else plain)
    build = mqtt_connection_builder.direct_with_custom_authorizer
    talk(three(gate, name, build, http_proxy_options=tunnel, **shown), name)


@pytest.mark.parametrize("how", [by_token, by_password])
def test_the_sdk_of_python_over_websocket(gate, plain, signed, name, how):
    shown = how(signed if how is by_token else plain)
    talk(three(gate, name, mqtt_connection_builder.websockets_with_custom_authorizer, **shown), name)


def test_the_sdk_of_python_with_a_wrong_signature(gate, signed, tunnel, name):
    shown = by_token(signed) | {"auth_authorizer_signature": signature("another")}
    build = mqtt_connection_builder.direct_with_custom_authorizer
    connection = three(gate, name, build, http_proxy_options=tunnel, **shown)
    with pytest.raises(awscrt.exceptions.AwsCrtError):
        connection.connect().result(PATIENCE)
    assert "signature does not verify" in last_refusal(gate, clientId=name)["reason"]


# --- the SDK's client of MQTT 5 ----------------------------------------------------------------------------


class Five:
    def __init__(self, gate, client_id, build, **more):
        host, port = gate.address("https")
        self.connacks, self.failures, self.messages = queue.Queue(), queue.Queue(), queue.Queue()
        self.stopped = Future()
        self.client = build(
            endpoint=host,
            port=port,
            ca_filepath=gate.ca,
            client_id=client_id,
            on_publish_received=lambda data: self.messages.put(data.publish_packet),
            on_lifecycle_connection_success=self.connacks.put,
            on_lifecycle_connection_failure=self.failures.put,
            on_lifecycle_stopped=lambda data: self.stopped.set_result(None),
            **more,
        )

    def __enter__(self):
        self.client.start()
        return self

    def __exit__(self, *error):
        self.client.stop()
        self.stopped.result(PATIENCE)


@pytest.mark.parametrize("how", [by_token, by_password])
@pytest.mark.parametrize(
    "build",
    [
        mqtt5_client_builder.direct_with_custom_authorizer,
        mqtt5_client_builder.websockets_with_custom_authorizer,
    ],
)
def test_the_sdks_client_of_mqtt_5(gate, plain, signed, name, how, build):
    shown = how(signed if how is by_token else plain)
    with Five(gate, name, build, **shown) as five:
        assert five.connacks.get(timeout=PATIENCE).connack_packet.reason_code == 0
        topic = f"own/{name}/a"
        wanted = mqtt5.Subscription(topic_filter=topic, qos=mqtt5.QoS.AT_LEAST_ONCE)
        five.client.subscribe(mqtt5.SubscribePacket(subscriptions=[wanted])).result(PATIENCE)
        packet = mqtt5.PublishPacket(topic=topic, payload=b"hello", qos=mqtt5.QoS.AT_LEAST_ONCE)
        assert five.client.publish(packet).result(PATIENCE).puback.reason_code == 0
        assert five.messages.get(timeout=PATIENCE).payload == b"hello"


def test_the_sdks_client_of_mqtt_5_with_a_wrong_password(gate, iot, plain, name):
    shown = {"auth_username": "user?do=refuse", "auth_authorizer_name": plain, "auth_password": "wrong"}
    with Five(gate, name, mqtt5_client_builder.direct_with_custom_authorizer, **shown) as five:
        failure = five.failures.get(timeout=PATIENCE)
        assert failure.connack_packet.reason_code == BAD_PASSWORD


# --- the SDK for JavaScript --------------------------------------------------------------------------------


def javascript(gate, **what):
    """The reason code of the CONNACK."""
    host, port = gate.address("https")
    what |= {"host": host, "port": port, "ca": gate.ca}
    command = ["node", "custom_auth.mjs", json.dumps(what)]
    done = subprocess.run(command, cwd=FOLDER, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("door", ["direct", "websocket"])
def test_the_sdk_for_javascript(gate, plain, signed, name, door):
    token = {"authorizerName": signed, "tokenKeyName": "token", "tokenValue": TOKEN}
    shown = token | {"tokenSignature": signature()}
    assert javascript(gate, door=door, clientId=name, shown=shown) == "0"
    shown = token | {"tokenSignature": signature("another")}
    assert javascript(gate, door=door, clientId=name, shown=shown) == str(BAD_PASSWORD)
    shown = {"authorizerName": plain, "username": "user", "password": PASSWORD.decode()}
    assert javascript(gate, door=door, clientId=name, shown=shown) == "0"


# --- others ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_paho(gate, plain, name, version, transport, tmp_path):
    record = tmp_path / "events"
    context = ssl.create_default_context(cafile=gate.ca)
    if transport == "tcp":
        context.set_alpn_protocols(["mqtt"])
    protocol = {4: paho.MQTTv311, 5: paho.MQTTv5}[version]
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol, transport=transport
    )
    client.tls_set_context(context)
    client.username_pw_set(username("me", record=record), PASSWORD.decode())
    if transport == "websockets":
        client.ws_set_options(path=f"/mqtt?{query(name=plain)}")
    else:
        client.username_pw_set(username("me", name=plain, record=record), PASSWORD.decode())
    connected, got = queue.Queue(), queue.Queue()
    client.on_connect = lambda c, u, flags, reason, p: connected.put(reason)
    client.on_message = lambda c, u, message: got.put(message.payload)
    client.connect(*gate.address("https"))
    client.loop_start()
    try:
        assert connected.get(timeout=PATIENCE) == 0
        client.subscribe(f"own/{name}/a", 1)
        until(lambda: client.publish(f"own/{name}/a", b"hello", 1) and not got.empty())
    finally:
        client.disconnect()
        client.loop_stop()
    assert events(record)[0]["protocolData"]["mqtt"]["clientId"] == name


def test_mosquittos_tools(gate, plain, name):
    host, port = gate.address("https")
    command = ["mosquitto_pub", "-h", host, "-p", str(port), "--cafile", gate.ca, "--tls-alpn", "mqtt"]
    command += ["-i", name, "-P", PASSWORD.decode(), "-q", "1", "-t", "shared/a", "-m", "hello"]
    good = [*command, "-u", username(name=plain)]
    assert subprocess.run(good, check=False, capture_output=True, timeout=PATIENCE).returncode == 0
    wrong = [*command, "-u", username(name=plain, do="refuse")]
    done = subprocess.run(wrong, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode != 0
    assert "bad user name or password" in done.stderr.lower()
