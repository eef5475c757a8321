"""Certificates that more than one device uses, found from the rows of connections."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import inf

import orjson

from sekisho.logic.shared_use import Sharing, Use, find_sharing
from sekisho.services.call import Call
from sekisho.services.paging import key, token
from sekisho.services.work import Document
from sekisho.store import connections as rows
from sekisho.store.statement import Row

PAGE = 25

EXAMINED = 5000
"""Connections that one call looks at; of a certificate that has more, the newest of them."""


async def list_shared_certificates(
    call: Call,
    certificateId: str | None = None,
    since: float | None = None,
    until: float | None = None,
    maxResults: int | None = None,
    nextToken: str | None = None,
) -> Document:
    await call.deps.connections.settle()
    period = (-inf if since is None else since, inf if until is None else until)
    if certificateId is not None:
        filters = {"account": call.account, "region": call.region, "certificate_id": certificateId.lower()}
        query = rows.page_connections(filters, "", EXAMINED + 1)
    else:
        query = rows.connections_by_certificate(call.account, call.region, key(nextToken), EXAMINED + 1)
    found = await call.deps.store.fetch(*query)
    cut = len(found) > EXAMINED
    groups = [(id, list(group)) for id, group in groupby(found[:EXAMINED], lambda row: row["certificate_id"])]
    alone = len(groups) == 1
    if cut and not alone:
        groups.pop()  # its rows go on: the next page begins with it
    shared: list[Document] = []
    last = ""
    limit = maxResults or PAGE
    for id, group in groups:
        if len(shared) == limit:
            break
        last = id
        sharing = find_sharing((_use(row) for row in group), *period)
        if sharing is not None:
            shared.append(_shown(id, sharing, group, cut and alone))
    more = certificateId is None and bool(last) and (cut or last != groups[-1][0])
    return {"sharedCertificates": shared, "nextToken": token(last if more else "")}


def _use(row: Row) -> Use:
    lasts = row["disconnected"] == rows.LIVE
    return Use(
        row["id"],
        row["client_id"],
        row["address"],
        row["connected"],
        inf if lasts else row["disconnected"],
        row["reason"],
        orjson.loads(row["detail"])["keepAlive"],
    )


def _shown(id: str, sharing: Sharing, group: Sequence[Row], left_out: bool) -> Document:
    return {
        "certificateId": id,
        "ways": sorted(sharing.ways),
        "clientIds": sorted(sharing.clients),
        "sourceIps": sorted(sharing.addresses),
        "occurrences": sharing.occurrences,
        "first": _connection(sharing.first),
        "second": _connection(sharing.second),
        "examinedConnections": len(group),
        "olderLeftOut": left_out,
    }


def _connection(use: Use) -> Document:
    ended = use.ended != inf
    return {
        "connectionId": use.id,
        "clientId": use.client_id,
        "sourceIp": use.address,
        "connectedAt": use.began,
        "disconnectedAt": use.ended if ended else None,
        "disconnectReason": use.reason if ended else None,
    }
