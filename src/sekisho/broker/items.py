"""What waits to be sent to a client, or was sent to it and not acknowledged."""

from __future__ import annotations

from typing import NamedTuple

from sekisho.broker.mailbox import Receiver, Stored
from sekisho.mqtt.message import Message


class Handed(NamedTuple):
    """A message that is a row, with the session or group whose row it is."""

    stored: Stored
    owner: Receiver


class Retain(NamedTuple):
    """A message that the client is to see with the RETAIN flag."""

    message: Message


Item = Message | Retain | Handed


def size(item: Item) -> int:
    """The bytes of its payload."""
    match item:
        case Retain(message):
            return len(message.payload)
        case Handed(stored, _):
            return len(stored.message.payload)
        case _:
            return len(item.payload)
