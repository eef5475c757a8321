"""A message and its encoding."""

from sekisho.mqtt.codec import Framer, decode
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import NO_PROPERTIES, Publish


def test_defaults():
    message = Message("123456789012", "eu-west-1", "a/b", b"hi")
    assert (message.qos, message.retain, message.properties) == (0, False, NO_PROPERTIES)
    assert (message.client_id, message.principal, message.source_ip) == (None, None, None)
    assert (message.received_at, message.trace) == (0.0, "")


def test_wire_is_a_publish_of_qos_0_shared_by_its_receivers():
    properties = {"content_type": "t"}
    message = Message("1", "r", "a/b", b"hi", qos=1, retain=True, properties=properties)
    for version, known in ((4, NO_PROPERTIES), (5, properties)):
        for retain in (False, True):
            raw = message.wire(version, retain)
            ((first, body),) = Framer().feed(raw)
            assert decode(first, body, version) == Publish("a/b", b"hi", 0, retain, False, 0, known)
            assert message.wire(version, retain) is raw


def test_the_payload_is_not_in_the_repr():
    assert "hunter" not in repr(Message("1", "r", "a", b"hunter2"))
