"""The broker as operators see it: connections now and before, sessions with what waits for them, counters."""

from __future__ import annotations

from typing import Any

import orjson

from sekisho.services.call import Call
from sekisho.services.paging import key, token
from sekisho.services.work import Document
from sekisho.store import connections as rows
from sekisho.store import queues, sessions
from sekisho.store.statement import Row

PAGE = 25
SHOWN = 5
"""Messages shown of a session's queue."""

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


async def list_sessions(call: Call, maxResults: int | None = None, nextToken: str | None = None) -> Document:
    await call.deps.connections.settle()
    store, place = call.deps.store, (call.account, call.region)
    limit = maxResults or PAGE
    found = await store.fetch(*sessions.page_sessions(*place, key(nextToken), limit + 1))
    page = found[:limit]
    lengths: dict[str, int] = {}
    if page:
        first, last = page[0]["client_id"], page[-1]["client_id"]
        counted = await store.fetch(*queues.queue_lengths(*place, first, last))
        lengths = {row["session"]: row["waiting"] for row in counted}
    shown = []
    for row in page:
        length = lengths.get(row["client_id"], 0)
        head = await store.fetch(*queues.queue_head(*place, row["client_id"], SHOWN)) if length else []
        shown.append(_session(row, length, head))
    more = page[-1]["client_id"] if len(found) > limit else ""
    return {"sessions": shown, "nextToken": token(more)}


def _session(row: Row, length: int, head: list[Row]) -> Document:
    connected = not row["ends"]
    return {
        "clientId": row["client_id"],
        "protocolVersion": VERSIONS[row["protocol"]],
        "connected": connected,
        "sessionExpiry": int(row["expiry"]),
        "endsAt": None if connected else row["ends"],
        "subscriptionCount": len(orjson.loads(row["subscriptions"])),
        "queueLength": length,
        "firstMessages": [_queued(message) for message in head],
    }


def _queued(row: Any) -> Document:
    return {
        "messageId": str(row["id"]),
        "topic": row["topic"],
        "payloadSize": row["size"],
        "publishedAt": row["at"],
    }


async def describe_broker(call: Call) -> Document:
    return dict(call.deps.connections.counters())
