"""The control packets of MQTT 3.1.1 and 5 as plain values; reason codes are always those of MQTT 5."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Properties = Mapping[str, Any]
"""MQTT 5 properties: the specification's name in snake_case -> value. Repeatable ones (`user_property`: pairs
of strings; `subscription_identifier`: integers) are tuples; one-byte flags are 0 or 1; binary data is
bytes."""

NO_PROPERTIES: Properties = MappingProxyType({})


class Will(NamedTuple):
    """What a CONNECT leaves to be published for it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: Properties


class Connect(NamedTuple):
    """CONNECT. `version` is the protocol level, 4 (3.1.1) or 5; `keep_alive` is in seconds, 0 for none."""

    version: int
    client_id: str
    clean_start: bool
    keep_alive: int
    username: str | None
    password: bytes | None
    will: Will | None
    properties: Properties

    def __repr__(self) -> str:
        # User name, password and properties may all carry credentials (tokens, authentication data).
        return (
            f"Connect(version={self.version}, client_id={self.client_id!r}, clean_start={self.clean_start}, "
            f"keep_alive={self.keep_alive}, username={_veiled(self.username)}, "
            f"password={_veiled(self.password)}, will={self.will is not None}, "
            f"properties={sorted(self.properties)})"
        )


class Connack(NamedTuple):
    """CONNACK. A 3.1.1 return code is given as the MQTT 5 reason that means the same."""

    reason: int
    session_present: bool
    properties: Properties


class Publish(NamedTuple):
    """PUBLISH. `packet_id` is 0 exactly when `qos` is 0."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int
    properties: Properties
    frame: bytes = b""
    """The bytes it came in, where a receiver at the same protocol version may be sent the very same."""


class Puback(NamedTuple):
    """PUBACK; in 3.1.1 the reason is always 0."""

    packet_id: int
    reason: int
    properties: Properties


class Pubrec(NamedTuple):
    """PUBREC; in 3.1.1 the reason is always 0."""

    packet_id: int
    reason: int
    properties: Properties


class Pubrel(NamedTuple):
    """PUBREL; in 3.1.1 the reason is always 0."""

    packet_id: int
    reason: int
    properties: Properties


class Pubcomp(NamedTuple):
    """PUBCOMP; in 3.1.1 the reason is always 0."""

    packet_id: int
    reason: int
    properties: Properties


class Subscription(NamedTuple):
    """One filter of a SUBSCRIBE. 3.1.1 has only the QoS; the other three are then False, False, 0.

    `identifier` is for who keeps subscriptions; in a packet it is 0, and the properties have it.
    """

    filter: str
    qos: int
    no_local: bool
    retain_as_published: bool
    retain_handling: int
    identifier: int = 0


class Subscribe(NamedTuple):
    """SUBSCRIBE, with at least one subscription."""

    packet_id: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties


class Suback(NamedTuple):
    """SUBACK: one reason per filter, in order. To a 3.1.1 client every refusal is written as 0x80."""

    packet_id: int
    reasons: tuple[int, ...]
    properties: Properties


class Unsubscribe(NamedTuple):
    """UNSUBSCRIBE, with at least one filter."""

    packet_id: int
    filters: tuple[str, ...]
    properties: Properties


class Unsuback(NamedTuple):
    """UNSUBACK: one reason per filter, in order; 3.1.1 has none, so there the tuple is empty when decoded."""

    packet_id: int
    reasons: tuple[int, ...]
    properties: Properties


class Pingreq(NamedTuple):
    """PINGREQ."""


class Pingresp(NamedTuple):
    """PINGRESP."""


class Disconnect(NamedTuple):
    """DISCONNECT; in 3.1.1 the reason is always 0."""

    reason: int
    properties: Properties


class Auth(NamedTuple):
    """AUTH, MQTT 5 only."""

    reason: int
    properties: Properties

    def __repr__(self) -> str:
        return f"Auth(reason={self.reason}, properties={sorted(self.properties)})"


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)


class Violation(NamedTuple):
    """Not a packet: what the peer did wrong, as an MQTT 5 reason and in words. The connection must end."""

    reason: int
    text: str


def _veiled(secret: object) -> str:
    return "None" if secret is None else "<set>"
