"""Lifecycle events: ``$aws/events/presence/…`` and ``$aws/events/subscriptions/…``.

Members as the AWS IoT Developer Guide, Lifecycle events, lists them; timestamps are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

PRESENCE = "$aws/events/presence/{}/{}"
SUBSCRIPTIONS = "$aws/events/subscriptions/{}/{}"


def has_events(client_id: str) -> bool:
    """Client ids with ``#`` or ``+`` get no lifecycle events (AWS IoT Developer Guide, Lifecycle events)."""
    return "#" not in client_id and "+" not in client_id


def connected(
    client_id: str, at: float, session: str, principal: str, address: str, version: int, thing: str | None
) -> tuple[str, bytes]:
    return _event(
        PRESENCE,
        "connected",
        client_id,
        at,
        session,
        principal,
        thing,
        ipAddress=address,
        versionNumber=version,
    )


def disconnected(
    client_id: str,
    at: float,
    session: str,
    principal: str,
    reason: str,
    by_client: bool,
    version: int,
    thing: str | None,
) -> tuple[str, bytes]:
    return _event(
        PRESENCE,
        "disconnected",
        client_id,
        at,
        session,
        principal,
        thing,
        clientInitiatedDisconnect=by_client,
        disconnectReason=reason,
        versionNumber=version,
    )


def connect_failed(
    client_id: str, at: float, session: str, principal: str, address: str, thing: str | None
) -> tuple[str, bytes]:
    return _event(
        PRESENCE,
        "connect_failed",
        client_id,
        at,
        session,
        principal,
        thing,
        connectFailureReason="AUTHORIZATION_FAILED",
        ipAddress=address,
    )


def subscriptions(
    what: str, client_id: str, at: float, session: str, principal: str, filters: Sequence[str]
) -> tuple[str, bytes]:
    """``what`` is ``subscribed`` or ``unsubscribed``."""
    return _event(SUBSCRIPTIONS, what, client_id, at, session, principal, None, topics=list(filters))


def _event(
    topic: str,
    what: str,
    client_id: str,
    at: float,
    session: str,
    principal: str,
    thing: str | None,
    **more: Any,
) -> tuple[str, bytes]:
    body: dict[str, Any] = {"clientId": client_id, "timestamp": int(at * 1000), "eventType": what}
    if thing is not None:
        body["thingName"] = thing
    body |= {"sessionIdentifier": session, "principalIdentifier": principal} | more
    return topic.format(what, client_id), orjson.dumps(body)
