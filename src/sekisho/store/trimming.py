"""Old rows go, oldest first and some at a time: one statement for a million of them would keep every other
commit waiting, and all that it touches in memory."""

from __future__ import annotations

import asyncio

from sekisho.store.statement import Statement
from sekisho.store.store import Store

SLICE = 500
"""Rows of one commit."""
SLICES = 200
"""Commits of one call."""

# By number; numbers are given without many gaps, so that these are about as many rows.
NUMBERED = {
    table: f"""
DELETE FROM {table}
 WHERE seq IN (SELECT seq FROM {table}
                WHERE seq <= (SELECT MAX(seq) FROM {table}) - :keep ORDER BY seq LIMIT :most)
RETURNING seq"""  # noqa: S608 - of these three names
    for table in ("audit", "refusal", "change")
}

OLD_CONNECTIONS = """
DELETE FROM connection
 WHERE id IN (SELECT id FROM connection
               WHERE disconnected > 0 AND disconnected < :before ORDER BY disconnected LIMIT :most)
RETURNING id"""

# Those that last stay.
MANY_CONNECTIONS = """
DELETE FROM connection
 WHERE id IN (SELECT id FROM connection
               WHERE disconnected > 0
                 AND id <= (SELECT id FROM connection ORDER BY id DESC LIMIT 1 OFFSET :keep)
               ORDER BY id LIMIT :most)
RETURNING id"""


async def trim_table(store: Store, name: str, keep: int) -> None:
    """Delete all but the newest ``keep`` rows of ``audit``, ``refusal`` or ``change``, of which the newest
    always stays: a reader whose own last row is still there has missed nothing. Of very many, some stay
    until the next time.

    :raises Unavailable: the database cannot write now
    """
    if name not in NUMBERED:
        raise ValueError(f"only {', '.join(NUMBERED)} can be trimmed by count")
    await _trim(store, NUMBERED[name], {"keep": max(keep, 1) if name == "change" else keep})


async def trim_connections(store: Store, before: float, keep: int) -> None:
    """Delete the rows of connections that ended before a (civil) time, and all but the newest ``keep``; those
    that last stay. Of very many, some stay until the next time.

    :raises Unavailable: the database cannot write now
    """
    await _trim(store, OLD_CONNECTIONS, {"before": before})
    await _trim(store, MANY_CONNECTIONS, {"keep": keep})


async def _trim(store: Store, sql: str, params: dict[str, float]) -> None:
    clock = asyncio.get_running_loop().time
    for _ in range(SLICES):
        began = clock()
        (gone,) = await store.commit([Statement(sql, params | {"most": SLICE})])
        if len(gone) < SLICE:
            return
        await asyncio.sleep(clock() - began)  # others want to write as well
