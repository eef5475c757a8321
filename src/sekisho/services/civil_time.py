"""The civil clock's state in the database, one for all nodes."""

from __future__ import annotations

import orjson

from sekisho.clock import REAL, ClockState
from sekisho.services.work import dumps
from sekisho.store import tables
from sekisho.store.statement import Conflict
from sekisho.store.store import Store

PLACE = ("", "", "clock", "civil")


async def read_clock(store: Store) -> ClockState:
    rows = await store.fetch(*tables.get_resource(*PLACE))
    return ClockState.of_document(orjson.loads(rows[0]["body"])) if rows else REAL


async def write_clock(store: Store, state: ClockState, at: float) -> None:
    """The last writer wins; ``at`` is real time."""
    body = dumps(state.document())
    while True:
        rows = await store.fetch(*tables.get_resource(*PLACE))
        write = (
            tables.update_resource(*PLACE, rows[0]["version"], body, at)
            if rows
            else tables.insert_resource(*PLACE, body, at)
        )
        try:
            await store.commit([write, tables.append_change("", "", "clock", "civil", "turned", at)])
        except Conflict:
            continue
        return
