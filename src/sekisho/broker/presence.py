"""Lifecycle events: ``$aws/events/presence/…`` and ``$aws/events/subscriptions/…``.

Members as the AWS IoT Developer Guide, Lifecycle events, lists them; timestamps are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

PRESENCE = "$aws/events/presence/{}/{}"
SUBSCRIPTIONS = "$aws/events/subscriptions/{}/{}"

Event = tuple[str, bytes]
"""Topic and payload."""


class Who(NamedTuple):
    """Whom an event is about. ``principal`` is the certificate's id or an IAM principal's user id; ``thing``
    is only told when it is attached exclusively, and is None otherwise."""

    client_id: str
    session: str
    principal: str
    thing: str | None


def has_events(client_id: str) -> bool:
    """Client ids with ``#`` or ``+`` get no lifecycle events (AWS IoT Developer Guide, Lifecycle events)."""
    return "#" not in client_id and "+" not in client_id


def connected(who: Who, at: float, address: str, version: int) -> Event:
    return _event(PRESENCE, "connected", who, at, ipAddress=address, versionNumber=version)


def disconnected(who: Who, at: float, reason: str, by_client: bool, version: int) -> Event:
    """``version`` is that of the ``connected`` event of the same connection."""
    return _event(
        PRESENCE,
        "disconnected",
        who,
        at,
        clientInitiatedDisconnect=by_client,
        disconnectReason=reason,
        versionNumber=version,
    )


def connect_failed(who: Who, at: float, address: str) -> Event:
    """The policies do not let it connect, or not with this will."""
    reason = "AUTHORIZATION_FAILED"
    return _event(PRESENCE, "connect_failed", who, at, connectFailureReason=reason, ipAddress=address)


def subscribed(who: Who, at: float, filters: Sequence[str]) -> Event:
    return _event(SUBSCRIPTIONS, "subscribed", who, at, topics=list(filters))


def unsubscribed(who: Who, at: float, filters: Sequence[str]) -> Event:
    return _event(SUBSCRIPTIONS, "unsubscribed", who, at, topics=list(filters))


def _event(topic: str, what: str, who: Who, at: float, **more: Any) -> Event:
    body: dict[str, Any] = {"clientId": who.client_id}
    if who.thing is not None:
        body["thingName"] = who.thing
    body |= {
        "timestamp": int(at * 1000),
        "eventType": what,
        "sessionIdentifier": who.session,
        "principalIdentifier": who.principal,
    }
    return topic.format(what, who.client_id), orjson.dumps(body | more)
