"""The broker as operators see it: connections now and before, sessions with what waits for them, counters."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from sekisho.services.call import Call
from sekisho.services.live import Group
from sekisho.services.paging import key, token
from sekisho.services.work import Document
from sekisho.store import connections as rows
from sekisho.store import queues, sessions
from sekisho.store.statement import Row

PAGE = 25
SHOWN = 5
"""Messages shown of a queue."""

PAYLOAD = 1024
"""Bytes shown of a message's payload."""

VERSIONS = {4: "3.1.1", 5: "5"}


async def list_connections(
    call: Call,
    clientId: str | None = None,
    certificateId: str | None = None,
    live: bool | None = None,
    maxResults: int | None = None,
    nextToken: str | None = None,
) -> Document:
    await call.deps.connections.settle()
    filters = {"account": call.account, "region": call.region}
    given = {"client_id": clientId, "certificate_id": certificateId}
    filters |= {column: value for column, value in given.items() if value is not None}
    limit = maxResults or PAGE
    page = await call.deps.store.fetch(
        *rows.page_connections(filters, key(nextToken), limit + 1, live=bool(live))
    )
    more = page[limit - 1]["id"] if len(page) > limit else ""
    return {"connections": [_connection(row) for row in page[:limit]], "nextToken": token(more)}


def _connection(row: Row) -> Document:
    detail = orjson.loads(row["detail"])
    ended = row["disconnected"] != rows.LIVE
    return {
        "connectionId": row["id"],
        "sessionIdentifier": detail["session"],
        "clientId": row["client_id"],
        "certificateId": row["certificate_id"],
        "thingName": detail["thingName"] or None,
        "sourceIp": row["address"],
        "sourcePort": detail["port"],
        "protocolVersion": VERSIONS[row["protocol"]],
        "cleanSession": detail["cleanSession"],
        "live": not ended,
        "connectedAt": row["connected"],
        "disconnectedAt": row["disconnected"] if ended else None,
        "disconnectReason": row["reason"] if ended else None,
    }


async def list_sessions(
    call: Call, clientId: str | None = None, maxResults: int | None = None, nextToken: str | None = None
) -> Document:
    await call.deps.connections.settle()
    store, place = call.deps.store, (call.account, call.region)
    limit = maxResults or PAGE
    if clientId is not None:
        found = await store.fetch(*sessions.get_session(*place, clientId))
    else:
        found = await store.fetch(*sessions.page_sessions(*place, key(nextToken), limit + 1))
    page = found[:limit]
    names = [row["client_id"] for row in page]
    queued = await _queues(call, names, "session_queue_messages")
    more = names[-1] if len(found) > limit else ""
    return {
        "sessions": [_session(row) | queue for row, queue in zip(page, queued, strict=True)],
        "nextToken": token(more),
    }


def _session(row: Row) -> Document:
    connected = not row["ends"]
    return {
        "clientId": row["client_id"],
        "protocolVersion": VERSIONS[row["protocol"]],
        "connected": connected,
        "sessionExpiry": int(row["expiry"]),
        "endsAt": None if connected else row["ends"],
        "subscriptionCount": len(orjson.loads(row["subscriptions"])),
    }


async def list_shared_subscriptions(
    call: Call, maxResults: int | None = None, nextToken: str | None = None
) -> Document:
    await call.deps.connections.settle()
    limit = maxResults or PAGE
    after = key(nextToken)
    left = sorted(
        item for item in call.deps.connections.groups(call.account, call.region).items() if item[0] > after
    )
    page = left[:limit]
    queued = await _queues(call, [name for name, _ in page], "shared_queue_messages")
    more = page[-1][0] if len(left) > limit else ""
    return {
        "sharedSubscriptions": [
            _shared(name, group) | queue for (name, group), queue in zip(page, queued, strict=True)
        ],
        "nextToken": token(more),
    }


def _shared(name: str, group: Group) -> Document:
    return {
        "topicFilter": name,
        "memberCount": group.members,
        "connectedCount": group.connected,
        "queues": group.queues,
    }


async def _queues(call: Call, names: Sequence[str], limit: str) -> list[Document]:
    """What waits under each of the names, which are in order; ``limit`` is the setting that bounds it."""
    if not names:
        return []
    store, place = call.deps.store, (call.account, call.region)
    counted = await store.fetch(*queues.queue_lengths(*place, names[0], names[-1]))
    lengths = {row["session"]: row["waiting"] for row in counted}
    shown = []
    for name in names:
        length = lengths.get(name, 0)
        head = await store.fetch(*queues.queue_head(*place, name, SHOWN, PAYLOAD)) if length else []
        shown.append(
            {
                "queueLength": length,
                "queueLimit": call.deps.config[f"mqtt.limits.{limit}"],
                "firstMessages": [_queued(message) for message in head],
            }
        )
    return shown


def _queued(row: Row) -> Document:
    publisher, _, _, _, _, *qos = orjson.loads(row["origin"])
    return {
        "messageId": str(row["id"]),
        "topic": row["topic"],
        "qos": qos[0] if qos else 1,  # an earlier version did not write it
        "payloadSize": row["size"],
        "payload": row["payload"] or b"",  # SQLite's SUBSTR of nothing is NULL
        "publisher": publisher or None,
        "publishedAt": row["at"],
        "expiresAt": row["expires"] or None,
    }


async def describe_broker(call: Call) -> Document:
    return dict(call.deps.connections.counters())
