"""Packets and connections for scripts of a connection's life."""

from sekisho.mqtt.codec import Framer, decode, encode
from sekisho.mqtt.connection import Connection
from sekisho.mqtt.packets import NO_PROPERTIES, Connect, Publish, Subscribe, Subscription, Violation, Will
from sekisho.mqtt.profile import STRICT, Limits

N = NO_PROPERTIES
LIMITS = Limits()


def connect(
    version=5, client_id="c", clean=True, keep_alive=60, will=None, username=None, password=None, **props
):
    return Connect(version, client_id, clean, keep_alive, username, password, will, props or N)


def publish(topic="a/b", payload=b"hi", qos=0, packet_id=0, retain=False, **props):
    return Publish(topic, payload, qos, retain, False, packet_id or (1 if qos else 0), props or N)


def subscribe(*filters, qos=0, no_local=False, **props):
    entries = tuple(Subscription(filter, qos, no_local, False, 0) for filter in filters)
    return Subscribe(1, entries, props or N)


def will(topic="w", payload=b"p", qos=0, retain=False, **props):
    return Will(topic, payload, qos, retain, props or N)


def opened(version=5, profile=STRICT, limits=LIMITS, **members):
    connection = Connection(profile, limits, 0.0)
    packet = connect(version, **members)
    assert connection.receive(encode(packet, version), 1.0) == [packet]
    connection.accept(False, None, N)
    connection.data_to_send()
    return connection


def sent(connection):
    frames = Framer().feed(connection.data_to_send())
    return [decode(first, body, connection.version or 4) for first, body in frames]


def told(connection, packet, now=2.0):
    raw = encode(packet, connection.version)
    return [_unframed(found, raw) for found in connection.receive(raw, now)]


def _unframed(packet, raw):
    """What comes often also has the bytes that it came in."""
    if not isinstance(packet, Publish):
        return packet
    assert packet.frame in (b"", raw)
    return packet._replace(frame=b"")


def violation(packets):
    assert packets
    assert isinstance(packets[-1], Violation), packets
    return packets[-1]
