"""Eclipse paho: the client of most firmware prototypes, and details that the SDK hides."""

from __future__ import annotations

import queue
import ssl

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from interop.devices import allow

PATIENCE = 10

VERSIONS = {4: paho.MQTTv311, 5: paho.MQTTv5}


class Paho:
    """A client with its loop in a thread, and everything that it is told in queues."""

    def __init__(self, device, version, client_id=None, **more):
        self.told = {
            name: queue.Queue() for name in ("connect", "disconnect", "subscribe", "publish", "message")
        }
        client = self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=device.name if client_id is None else client_id,
            protocol=VERSIONS[version],
            reconnect_on_failure=False,
            **more,
        )
        client.max_inflight_messages_set(100)
        self.address = device.node.mqtt
        client.tls_set(
            ca_certs=device.node.ca,
            certfile=str(device.certificate),
            keyfile=str(device.key),
            tls_version=ssl.PROTOCOL_TLS_CLIENT,
        )
        told = self.told
        client.on_connect = lambda c, u, flags, reason, p: told["connect"].put((reason, p, flags))
        client.on_disconnect = lambda c, u, flags, reason, p: told["disconnect"].put((reason, p))
        client.on_subscribe = lambda c, u, mid, reasons, p: told["subscribe"].put(reasons)
        client.on_publish = lambda c, u, mid, reason, p: told["publish"].put(reason)
        client.on_message = lambda c, u, message: told["message"].put(message)

    def next(self, what):
        return self.told[what].get(timeout=PATIENCE)

    def __enter__(self):
        host, port = self.address
        self.client.connect(host, port, keepalive=60)
        self.client.loop_start()
        return self

    def __exit__(self, *error):
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, *filters, qos=1):
        self.client.subscribe([(filter, qos) for filter in filters])
        return [reason.value for reason in self.next("subscribe")]


def test_publish_and_receive(device, version):
    one = device("paho")
    topic = f"devices/{one.name}/a"
    with Paho(one, version) as client:
        assert client.next("connect")[0] == "Success"
        assert client.subscribe(topic) == [1]
        for qos in (0, 1):
            info = client.client.publish(topic, b"at %d" % qos, qos)
            info.wait_for_publish(PATIENCE)
            message = client.next("message")
            assert (message.topic, message.payload, message.qos) == (topic, b"at %d" % qos, qos)
            assert not message.retain
            assert not message.dup


def test_a_thousand_messages_in_order(device, version):
    """More than the window of unacknowledged messages, in both directions. [MQTT-4.6.0-5] [MQTT-4.6.0-6]
    [3.1.1 MQTT-4.6.0-5] [3.1.1 MQTT-4.6.0-6]"""
    one = device("paho")
    topic = f"devices/{one.name}/a"
    with Paho(one, version) as client:
        client.next("connect")
        client.subscribe(topic)
        for number in range(1000):
            client.client.publish(topic, str(number), 1)
        assert [int(client.next("message").payload) for _ in range(1000)] == list(range(1000))


def test_hash_does_not_match_its_parent(device, version):
    """Contrary to OASIS (AWS IoT Developer Guide, MQTT). [MQTT-3.3.2-3] [3.1.1 MQTT-3.3.2-3]"""
    one = device("paho", statements=[allow("*", "*")])
    with Paho(one, version) as client:
        client.next("connect")
        assert client.subscribe("sensor/#") == [1]
        for topic in ("sensor", "sensor/a", "sensor/a/b", "sensors", "sensor/"):
            client.client.publish(topic, b"", 1)
        assert [client.next("message").topic for _ in range(3)] == ["sensor/a", "sensor/a/b", "sensor/"]


def test_overlapping_subscriptions_deliver_once_at_the_highest_qos(device, version):
    """[MQTT-3.3.4-2] [3.1.1 MQTT-3.3.5-1]"""
    one = device("paho", statements=[allow("*", "*")])
    with Paho(one, version) as client:
        client.next("connect")
        client.client.subscribe([("a/+", 0), ("a/#", 1), ("a/b", 0)])
        client.next("subscribe")
        client.client.publish("a/b", b"once", 1)
        client.client.publish("a/marker", b"", 1)
        got = [client.next("message") for _ in range(2)]
        assert [(message.topic, message.qos) for message in got] == [("a/b", 1), ("a/marker", 1)]


def test_refused_connection(device, version):
    with Paho(device("paho"), version, "not-its-name") as client:
        if version == 5:
            reason, properties, _ = client.next("connect")
            assert reason == "Not authorized"
            assert properties.ReasonString == "not authorized to connect as not-its-name"
        assert client.next("disconnect")[0].is_failure
        assert client.told["connect"].empty()


def test_refused_publish(device, version):
    with Paho(device("paho"), version) as client:
        client.next("connect")
        client.client.publish("elsewhere", b"forged", 1)
        if version == 5:
            assert client.next("publish") == "Not authorized"
        else:
            assert client.next("disconnect")[0].is_failure


def test_refused_subscribe(device, version):
    one = device("paho")
    with Paho(one, version) as client:
        client.next("connect")
        refused = 0x87 if version == 5 else 0x80
        assert client.subscribe("elsewhere", f"devices/{one.name}/a") == [refused, 1]
        bad = {"a/#/b": 0x8F, "$share/g/a": 0x87, "$share//a": 0x8F, "a/b/c/d/e/f/g/h/i": 0x8F}
        for filter, code in bad.items():
            # paho itself refuses some filters, so the bytes go out without it.
            if filter != "a/#/b":
                assert client.subscribe(filter) == [code if version == 5 else 0x80]


def test_more_than_eight_filters(device, version):
    one = device("paho")
    with Paho(one, version) as client:
        client.next("connect")
        assert client.subscribe(*(f"devices/{one.name}/{n}" for n in range(8))) == [1] * 8
        client.client.subscribe([(f"devices/{one.name}/{n}", 1) for n in range(9)])
        reason, _ = client.next("disconnect")
        assert reason == "Quota exceeded" if version == 5 else reason.is_failure


@pytest.mark.parametrize(
    ("topic", "payload", "name"),
    [
        ("a/b/c/d/e/f/g/h/i", b"", "Topic name invalid"),
        ("x" * 257, b"", "Topic name invalid"),
        ("large", b"x" * 131073, "Quota exceeded"),
        ("$something/of/mine", b"", "Not authorized"),
    ],
    ids=["slashes", "long", "payload", "reserved"],
)
def test_publishes_that_cannot_be(device, topic, payload, name, version):
    one = device("paho", statements=[allow("*", "*")])
    with Paho(one, version) as client:
        client.next("connect")
        client.client.publish(topic, payload, 0)
        reason, _ = client.next("disconnect")
        assert reason == name if version == 5 else reason.is_failure


def test_the_largest_publishes_that_can_be(device, version):
    one = device("paho", statements=[allow("*", "*")])
    with Paho(one, version) as client:
        client.next("connect")
        client.subscribe("#")
        for topic, payload in (("a/b/c/d/e/f/g/h", b""), ("x" * 256, b""), ("large", b"x" * 131072)):
            client.client.publish(topic, payload, 1)
            message = client.next("message")
            assert (message.topic, message.payload) == (topic, payload)


# --- MQTT 5 ------------------------------------------------------------------------------------------------


def test_a_request_and_its_response(device):
    asker, answerer = (device("paho", statements=[allow("*", "*")]) for _ in range(2))
    with Paho(asker, 5) as asks, Paho(answerer, 5) as answers:
        asks.next("connect"), answers.next("connect")
        answers.subscribe("question")
        asks.subscribe("answer/1")
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "answer/1"
        properties.CorrelationData = b"\x00\xff"
        properties.UserProperty = [("trace", "1"), ("trace", "2")]
        asks.client.publish("question", b"?", 1, properties=properties)
        question = answers.next("message")
        assert question.properties.UserProperty == [("trace", "1"), ("trace", "2")]
        back = Properties(PacketTypes.PUBLISH)
        back.CorrelationData = question.properties.CorrelationData
        answers.client.publish(question.properties.ResponseTopic, b"!", 1, properties=back)
        answer = asks.next("message")
        assert (answer.payload, answer.properties.CorrelationData) == (b"!", b"\x00\xff")


def test_no_local(device):
    """[MQTT-3.8.3-3]"""
    one = device("paho", statements=[allow("*", "*")])
    with Paho(one, 5, "a") as mine, Paho(one, 5, "b") as other:
        mine.next("connect"), other.next("connect")
        mine.client.subscribe("echo", options=SubscribeOptions(qos=1, noLocal=True))
        mine.next("subscribe")
        mine.client.publish("echo", b"mine", 1).wait_for_publish(PATIENCE)
        other.client.publish("echo", b"other's", 1)
        assert mine.next("message").payload == b"other's"


def test_subscription_identifiers_are_refused(device):
    one = device("paho")
    with Paho(one, 5) as client:
        client.next("connect")
        properties = Properties(PacketTypes.SUBSCRIBE)
        properties.SubscriptionIdentifier = 7
        client.client.subscribe(f"devices/{one.name}/a", 1, properties=properties)
        assert client.next("disconnect")[0] == "Subscription identifiers not supported"


def test_a_topic_alias_above_the_maximum(device):
    one = device("paho")
    with Paho(one, 5) as client:
        client.next("connect")
        properties = Properties(PacketTypes.PUBLISH)
        properties.TopicAlias = 9
        client.client.publish(f"devices/{one.name}/a", b"", 0, properties=properties)
        assert client.next("disconnect")[0] == "Topic alias invalid"


def test_receive_maximum_of_the_client(device):
    """The node has no more unacknowledged messages under way than the client takes."""
    one = device("paho", statements=[allow("*", "*")])
    with one.wire() as wire:
        wire.acknowledges = False
        assert wire.connect("slow", 5, properties=b"\x21\x00\x02").code == 0
        wire.subscribe("flow")
        with Paho(one, 5) as client:
            client.next("connect")
            for number in range(5):
                client.client.publish("flow", str(number), 1).wait_for_publish(PATIENCE)
        assert [message.payload for message in wire.messages()] == [b"0", b"1"]
        wire.send(b"\x40\x02\x00\x01")
        assert [message.payload for message in wire.messages()] == [b"2"]


def test_maximum_packet_size_of_the_client(device):
    """What is larger is not sent, and what follows is [MQTT-3.1.2-25]."""
    one = device("paho", statements=[allow("*", "*")])
    with one.wire() as wire:
        assert wire.connect("small", 5, properties=b"\x27\x00\x00\x00\x40").code == 0
        wire.subscribe("size")
        with Paho(one, 5) as client:
            client.next("connect")
            for payload in (b"x" * 100, b"fits"):
                for qos in (0, 1):
                    client.client.publish("size", payload, qos).wait_for_publish(PATIENCE)
        assert [message.payload for message in wire.messages()] == [b"fits", b"fits"]


def test_message_expiry_is_passed_on(device):
    one = device("paho")
    topic = f"devices/{one.name}/a"
    with Paho(one, 5) as client:
        client.next("connect")
        client.subscribe(topic)
        properties = Properties(PacketTypes.PUBLISH)
        properties.MessageExpiryInterval = 100
        client.client.publish(topic, b"", 1, properties=properties)
        assert 98 <= client.next("message").properties.MessageExpiryInterval <= 100
