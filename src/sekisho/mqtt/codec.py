"""The codec: a byte stream to packets, and packets to bytes."""

from sekisho.mqtt.decoding import connect_version, decode, decode_publish
from sekisho.mqtt.encoding import encode, encode_ack, encode_publish
from sekisho.mqtt.framing import Framer
from sekisho.mqtt.primitives import MalformedPacket

__all__ = [
    "Framer",
    "MalformedPacket",
    "connect_version",
    "decode",
    "decode_publish",
    "encode",
    "encode_ack",
    "encode_publish",
]
