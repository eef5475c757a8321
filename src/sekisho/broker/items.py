"""What waits to be sent to a client, or waits for its acknowledgement."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from sekisho.broker.mailbox import Receiver, Stored
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Properties


class Reception(NamedTuple):
    """What one topic means to a client: with which QoS, and whether its own messages count."""

    qos: int
    retain_as_published: bool
    no_local: bool
    identifiers: tuple[int, ...] = ()
    """Subscription identifiers that go with it; a strict node has none."""


@cache
def plain_reception(qos: int, retain_as_published: bool, no_local: bool) -> Reception:
    """One for all connections that it is the same for: there are twelve."""
    return Reception(qos, retain_as_published, no_local)


class Handed(NamedTuple):
    """A message that is a row, with the session or group whose row it is."""

    stored: Stored
    owner: Receiver


class Retain(NamedTuple):
    """A message that the client is to see with the RETAIN flag."""

    message: Message


class Chosen(NamedTuple):
    """A message with all that was decided when it came, as the extended profile does it."""

    message: Message
    qos: int
    retain: bool
    identifiers: tuple[int, ...]


Item = Message | Retain | Handed | Chosen


def message_of(item: Item) -> Message:
    match item:
        case Retain(message) | Chosen(message):
            return message
        case Handed(stored, _):
            return stored.message
        case _:
            return item


def size(item: Item) -> int:
    """Bytes of its payload."""
    return len(message_of(item).payload)


def remaining(message: Message, clock: Any) -> Properties | None:
    """The properties, with what is left of the message's lifetime [MQTT-3.3.2-6]; None when it ended."""
    properties = message.properties
    lifetime = properties.get("message_expiry_interval") if properties else None
    if lifetime is None:
        return properties
    left = message.received_at + lifetime - clock.now()
    return {**properties, "message_expiry_interval": round(left)} if left > 0 else None
