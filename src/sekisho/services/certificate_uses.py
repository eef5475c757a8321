"""Certificates that several devices use: found in the connections of the last 31 days."""

from __future__ import annotations

from math import inf

from sekisho.logic.double_use import Use, double_use
from sekisho.services.call import Call
from sekisho.services.paging import key, token
from sekisho.services.work import Document
from sekisho.store import connections as rows
from sekisho.store.certificate_uses import certificates_of_several_connections

LOOKED_AT = 250
"""Certificates that one page looks at; it may find none of them shared and still have a next one."""

CONNECTIONS = 1000
"""The newest of a certificate's connections, which are looked at."""


async def list_shared_certificates(
    call: Call, certificateId: str | None = None, maxResults: int | None = None, nextToken: str | None = None
) -> Document:
    """By id. What is found is a reason to ask, not a proof: a gateway may use one certificate for many."""
    await call.deps.connections.settle()
    limit = maxResults or LOOKED_AT
    if certificateId is not None:
        ids = [certificateId]
    else:
        query = certificates_of_several_connections(call.account, call.region, key(nextToken), LOOKED_AT + 1)
        ids = [row["certificate_id"] for row in await call.deps.store.fetch(*query)]
    found: list[Document] = []
    for index, id in enumerate(ids):
        if index == LOOKED_AT or len(found) == limit:
            return {"sharedCertificates": found, "nextToken": token(ids[index - 1])}
        shared = await _shared(call, id)
        if shared is not None:
            found.append(shared)
    return {"sharedCertificates": found}


async def _shared(call: Call, id: str) -> Document | None:
    filters = {"account": call.account, "region": call.region, "certificate_id": id}
    newest_first = await call.deps.store.fetch(*rows.page_connections(filters, "", CONNECTIONS))
    found = double_use(
        [
            Use(
                row["client_id"],
                row["address"],
                row["connected"],
                inf if row["disconnected"] == rows.LIVE else row["disconnected"],
                row["reason"],
            )
            for row in reversed(newest_first)
        ]
    )
    if found is None:
        return None
    return {
        "certificateId": id,
        "certificateArn": call.arn("cert", id),
        "clientIds": found.client_ids,
        "sourceIps": found.addresses,
        "concurrentConnections": found.concurrent,
        "takenBack": found.returned,
        "lastAt": found.last,
    }
