"""A message, from the socket to its last effect."""

from struct import Struct

from sekisho.mqtt.encoding import encode_publish
from sekisho.mqtt.packets import NO_PROPERTIES, Properties

_ID = Struct("!H").pack

LONGEST_EXPIRY = 604_800
"""Seconds that a message may wait (AWS IoT Developer Guide, MQTT 5: message expiry)."""


def in_range(properties: Properties) -> Properties:
    """A message's properties with its expiry within 1 second and :data:`LONGEST_EXPIRY`."""
    given = properties.get("message_expiry_interval")
    if given is None or 1 <= given <= LONGEST_EXPIRY:
        return properties
    return {**properties, "message_expiry_interval": min(max(given, 1), LONGEST_EXPIRY)}


class Message:
    """One published message and what is known of its origin. A value: never changed after construction.

    `received_at` is civil time in epoch seconds; `client_id`, `principal` and `source_ip` are None when the
    message did not come from a device. It compares by identity, being shared by all its receivers.
    """

    __slots__ = (
        "_wire",
        "account",
        "client_id",
        "frame",
        "frame_version",
        "payload",
        "principal",
        "properties",
        "qos",
        "received_at",
        "region",
        "retain",
        "source_ip",
        "topic",
        "trace",
    )

    def __init__(
        self,
        account: str,
        region: str,
        topic: str,
        payload: bytes,
        qos: int = 0,
        retain: bool = False,
        properties: Properties = NO_PROPERTIES,
        client_id: str | None = None,
        principal: str | None = None,
        source_ip: str | None = None,
        received_at: float = 0.0,
        trace: str = "",
        frame: bytes = b"",
        frame_version: int = 0,
    ) -> None:
        """`frame` is the PUBLISH that it came in, at a protocol version, if that had no retain flag."""
        self.account = account
        self.region = region
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.properties = properties
        self.client_id = client_id
        self.principal = principal
        self.source_ip = source_ip
        self.received_at = received_at
        self.trace = trace
        self.frame = frame
        self.frame_version = frame_version
        self._wire: dict[int, bytes] | None = None

    def wire(self, version: int, retain: bool = False) -> bytes:
        """The PUBLISH of QoS 0 for receivers at a protocol version, encoded once and shared.

        `retain` is the flag as the receiver sees it: set for a retained message sent to a new subscription
        [3.1.1 MQTT-3.3.1-8] or by Retain As Published. Raises ValueError if the properties cannot be encoded.
        """
        key = version << 1 | retain
        known = self._wire
        if known is None:
            known = self._wire = {}
        raw = known.get(key)
        if raw is None:
            raw = known[key] = encode_publish(
                version, self.topic, self.payload, 0, retain, False, 0, self.properties
            )
        return raw

    def numbered(self, version: int, packet_id: int) -> bytes:
        """The PUBLISH of QoS 1, without retain, for one receiver of a message of QoS 1."""
        if self.frame_version == version:
            # What it came in, but for the packet identifier; in MQTT 5 the length of no properties follows.
            frame = self.frame
            at = len(frame) - len(self.payload) - (3 if version == 5 else 2)
            return b"".join((frame[:at], _ID(packet_id), frame[at + 2 :]))
        return encode_publish(version, self.topic, self.payload, 1, False, False, packet_id, self.properties)

    def __repr__(self) -> str:
        return (
            f"Message(topic={self.topic!r}, payload=<{len(self.payload)} bytes>, qos={self.qos}, "
            f"retain={self.retain}, client_id={self.client_id!r})"
        )
