"""Who connects and goes: recorded as it happens, written in batches, so that CONNECT never waits for it."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import structlog

from sekisho.store import connections
from sekisho.store.connections import Connection
from sekisho.store.index import tell_connections, tell_lasting
from sekisho.store.statement import Statement, StoreError, Unavailable
from sekisho.store.store import Store

log = structlog.get_logger("sekisho.connections")

WAITING = 50_000
"""Connections that may wait to be written; of those that come while the database is away no more are kept."""

EVERY = 0.2
COMMIT = 500

LEFT_OVER = "UNKNOWN"
"""Why connections ended that a killed node left as lasting (AWS IoT Developer Guide, Lifecycle events)."""


class End(NamedTuple):
    at: float
    reason: str


class ConnectionLog:
    """``opened`` and ``closed`` never wait and never fail; ``flush`` makes them readable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._opened: dict[str, Connection] = {}
        self._closed: dict[str, End] = {}
        self._lasting: set[str] = set()
        """Ids whose rows were, or will be, written as lasting."""
        self._dropped = 0
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()

    async def start(self, now: float) -> None:
        """End what an earlier life of the node left as lasting; the time is not known, so it is now."""
        await self._store.commit([tell_lasting(now), connections.end_all_connections(now, LEFT_OVER)])

    def opened(self, row: Connection) -> None:
        if len(self._opened) >= WAITING:
            self._dropped += 1
            return
        self._opened[row.id] = row
        self._lasting.add(row.id)
        self._wake.set()

    def closed(self, id: str, at: float, reason: str) -> None:
        if id not in self._lasting:
            return
        self._lasting.discard(id)
        row = self._opened.get(id)
        if row is not None:
            self._opened[id] = row._replace(disconnected=at, reason=reason)
        else:
            self._closed[id] = End(at, reason)
        self._wake.set()

    async def flush(self) -> None:
        async with self._lock:
            if self._dropped:
                log.warning("connections not kept", count=self._dropped)
                self._dropped = 0
            # No more than was there when it began: among many connections there is always one more, and each
            # commit would be of the few that came during the last one.
            left = len(self._opened) + len(self._closed)
            while left > 0 and (self._opened or self._closed):
                opened = [self._opened.pop(id) for id in list(self._opened)[:COMMIT]]
                ended = list(self._closed)[: COMMIT - len(opened)]
                closed = {id: self._closed.pop(id) for id in ended}
                left -= len(opened) + len(closed)
                if not await self._write(opened, closed):
                    return

    async def _write(self, opened: list[Connection], closed: dict[str, End]) -> bool:
        statements: list[Statement] = connections.put_connections(opened)
        statements += [connections.end_connection(id, *end) for id, end in closed.items()]
        at = max([*(row.connected for row in opened), *(end.at for end in closed.values())])
        statements += tell_connections([*(row.id for row in opened), *closed], at)
        try:
            await self._store.commit(statements)
        except Unavailable as error:
            log.warning("connections not written yet", count=len(statements), error=str(error))
            self._put_back(opened, closed)
            return False
        except StoreError as error:
            log.error("connections not written", count=len(statements), error=str(error))
        except asyncio.CancelledError:
            self._put_back(opened, closed)
            raise
        return True

    def _put_back(self, opened: list[Connection], closed: dict[str, End]) -> None:
        """Writing again what may have been written changes nothing."""
        self._opened |= {row.id: row for row in opened}
        self._closed |= closed

    async def run(self) -> None:
        """Write what was recorded until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()
            await asyncio.sleep(EVERY)
            if self._opened or self._closed:
                self._wake.set()
