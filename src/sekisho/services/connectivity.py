"""GetThingConnectivityData: one thing's connection as it is now."""

from __future__ import annotations

import orjson

from sekisho.aws.errors import IndexNotReadyException, InvalidRequestException
from sekisho.logic.index_terms import THINGS
from sekisho.services.call import Call
from sekisho.services.indexer import CONFIGURATION, indexes
from sekisho.services.work import Document
from sekisho.store.connections import page_connections
from sekisho.store.tables import fetch_one

SOCKETS = "GET_THING_CONNECTIVITY_DATA"
NONE, UNKNOWN = "NONE", "UNKNOWN"
"""Why a connection ended that has not, and one that never was (botocore, DisconnectReasonValue; AWS IoT
Developer Guide, Device connectivity status queries)."""


async def get_thing_connectivity_data(
    call: Call, thingName: str, includeSocketInformation: bool | None = None
) -> Document:
    """Of the client whose id is the thing's name, from the rows of connections, as any node has written them;
    the local side of a socket is only known to the node that has it."""
    configuration = await call.work.get(CONFIGURATION, "") or {}
    if not indexes(configuration).get(THINGS):
        raise IndexNotReadyException("thingConnectivityIndexingMode is OFF")
    if includeSocketInformation:
        things = configuration["thingIndexingConfiguration"]
        chosen = (things.get("filter") or {}).get("connectivity") or {}
        if SOCKETS not in (chosen.get("includeSocketInformation") or ()):
            raise InvalidRequestException(
                f"includeSocketInformation needs {SOCKETS} in filter.connectivity.includeSocketInformation"
                " of the indexing configuration"
            )
    await call.require("thing", thingName)
    await call.deps.connections.settle()
    place = {"account": call.account, "region": call.region, "client_id": thingName}
    row = await fetch_one(call.deps.store, page_connections(place, "", 1))
    if row is None:
        return {"thingName": thingName, "connected": False, "disconnectReason": UNKNOWN}
    detail = orjson.loads(row["detail"])
    connected = not row["disconnected"]
    shown: Document = {
        "thingName": thingName,
        "clientId": thingName,
        "connected": connected,
        "timestamp": row["connected"] if connected else row["disconnected"],
        "disconnectReason": NONE if connected else row["reason"],
        "keepAliveDuration": detail["keepAlive"],
        "cleanSession": detail["cleanSession"],
        "sessionExpiry": detail["sessionExpiry"],
    }
    if includeSocketInformation:
        found = call.deps.connections.find(call.account, call.region, thingName)
        link = found.link if found is not None else None
        if connected and link is not None:
            (shown["sourceIp"], shown["sourcePort"]) = link.peer
            (shown["targetIp"], shown["targetPort"]) = link.local
        else:
            shown |= {"sourceIp": row["address"], "sourcePort": detail["port"]}
    return shown
