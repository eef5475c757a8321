"""iot-data Publish: from the API to a device that has subscribed."""

from __future__ import annotations

import queue
import ssl

import paho.mqtt.client as mqtt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from api.making import KEY, UNCHECKED, certificate, document, refused

PATIENCE = 10


@pytest.fixture(scope="module")
def subscriber(node, iot, tmp_path_factory):
    """Messages under ``api/``, as a device gets them: (topic, payload, QoS)."""
    folder = tmp_path_factory.mktemp("subscriber")
    cert = certificate(iot, "subscriber")
    (folder / "crt").write_text(cert.pem)
    (folder / "key").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    policy = f"subscriber-{cert.id[:8]}"
    text = document(action="iot:*").replace("arn:aws:iot:us-east-1:000000000000:topic/a", "*")
    iot.create_policy(policyName=policy, policyDocument=text)
    iot.attach_policy(policyName=policy, target=cert.arn)

    messages: queue.Queue = queue.Queue()
    ready: queue.Queue = queue.Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, policy)
    client.tls_set(node.ca, folder / "crt", folder / "key", tls_version=ssl.PROTOCOL_TLS_CLIENT)
    client.on_connect = lambda client, *_: client.subscribe("api/#", 1)
    client.on_subscribe = lambda *_: ready.put(True)
    client.on_message = lambda _client, _data, got: messages.put((got.topic, got.payload, got.qos))
    client.connect(*node.mqtt)
    client.loop_start()
    ready.get(timeout=PATIENCE)
    yield messages
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("qos", [0, 1])
def test_a_device_gets_the_message(data, subscriber, name, qos):
    answer = data.publish(topic=f"api/{name}", qos=qos, payload=b"\x00any bytes\xff")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert subscriber.get(timeout=PATIENCE) == (f"api/{name}", b"\x00any bytes\xff", qos)


def test_qos_0_and_no_payload_unless_said(data, subscriber, name):
    data.publish(topic=f"api/{name}")
    assert subscriber.get(timeout=PATIENCE) == (f"api/{name}", b"", 0)


def test_messages_arrive_in_order(data, subscriber, name):
    for number in range(20):
        data.publish(topic=f"api/{name}", qos=1, payload=str(number).encode())
    got = [subscriber.get(timeout=PATIENCE)[1] for _ in range(20)]
    assert got == [str(number).encode() for number in range(20)]


def test_topics_with_slashes_spaces_and_umlauts(data, subscriber, name):
    topic = f"api/{name}/a b/%2F/ü𝄞"
    data.publish(topic=topic, payload=b"x")
    assert subscriber.get(timeout=PATIENCE)[0] == topic


def test_the_largest_payload(data, subscriber, name):
    largest = bytes(131_072)
    data.publish(topic=f"api/{name}", payload=largest)
    assert subscriber.get(timeout=PATIENCE)[1] == largest
    with refused("InvalidRequestException", 400, "131072"):
        data.publish(topic=f"api/{name}", payload=largest + b"x")


@pytest.mark.parametrize(
    "topic",
    ["a/+/b", "a/#", "$aws/events/x", "$SYS/x", "/".join("abcdefghi"), "x" * 257, "a\x00b"],
)
def test_topics_that_are_refused(data, topic):
    with refused("InvalidRequestException", 400, "topic"):
        data.publish(topic=topic, payload=b"x")


def test_a_quality_of_service_that_does_not_exist(node):
    client = node.client("iot-data", config=UNCHECKED)
    with refused("InvalidRequestException", 400, "qos"):
        client.publish(topic="a", qos=2)
