"""The tail of the table ``change``, followed from a cursor of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from sekisho.store.changes import Change, last_change, read_changes
from sekisho.store.statement import StoreError, Unavailable
from sekisho.store.store import Store

BATCH = 500
ATTEMPTS = 6
FIRST_DELAY = 0.05

Handler = Callable[[Sequence[Change]], Awaitable[None]]

log = structlog.get_logger("sekisho.store")


class FellBehind(StoreError):
    """Changes that were not read yet have been trimmed: load anew what was built from the feed."""


async def read_tail(store: Store, cursor: int, limit: int) -> list[Change]:
    """Up to ``limit`` changes after ``cursor``, the seq of one that has been read, or 0.

    :raises FellBehind: see there
    """
    # The cursor's own row is read again: trimming leaves no gap (see changes.py), so while it is there,
    # everything after it is.
    rows = await store.fetch(*read_changes(max(cursor - 1, 0), limit + 1))
    changes = [Change(**row) for row in rows]
    if cursor == 0:
        return changes[:limit]
    if not changes or changes[0].seq != cursor:
        raise FellBehind(f"the change feed stopped at {cursor}, and what followed has been trimmed")
    return changes[1:]


class Feed:
    """Calls a handler with every change after the cursor, in order, none again once it has been handled.

    Whoever builds something from the tables calls :meth:`start` *before* reading them, so that no change
    falls between the reading and the following.
    """

    def __init__(self, store: Store, cursor: int | None = None) -> None:
        self._store = store
        self._cursor = cursor
        self._bell = asyncio.Event()

    @property
    def cursor(self) -> int | None:
        """seq of the last change that was handled; None before a feed without a given cursor has started."""
        return self._cursor

    async def start(self) -> int:
        """Fix the cursor at the newest change, unless it has been given or fixed; returns it."""
        if self._cursor is None:
            rows = await self._store.fetch(*last_change())
            self._cursor = int(rows[0]["seq"])
        return self._cursor

    def ring(self) -> None:
        """Look now. A ring that gets lost costs at most the time until the next look."""
        self._bell.set()

    async def run(self, handler: Handler, every: float = 1.0) -> None:
        """Look for changes at each ring and at least ``every`` seconds, until cancelled.

        A batch that the handler fails on is given to it again, a little later each time. When it has failed
        six times for another reason than an unavailable database, its exception ends the feed: a change is
        never passed over.

        :raises FellBehind: see there
        """
        while True:
            self._bell.clear()
            try:
                await self.start()
                changes = await self._read()
            except Unavailable as error:
                log.warning("the change feed cannot be read", error=str(error))
                changes = []
            if changes:
                await self._hand_over(handler, changes, every)
            if len(changes) < BATCH:
                await self._wait(every)

    async def _read(self) -> list[Change]:
        return await read_tail(self._store, await self.start(), BATCH)

    async def _hand_over(self, handler: Handler, changes: Sequence[Change], every: float) -> None:
        failures, delay = 0, min(FIRST_DELAY, every)
        while True:
            try:
                await handler(changes)
            except Unavailable as error:
                log.warning("the handler of changes has no database", error=str(error))
            except Exception:
                failures += 1
                log.exception("changes were not handled", first=changes[0].seq, last=changes[-1].seq)
                if failures == ATTEMPTS:
                    raise
            else:
                self._cursor = changes[-1].seq
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, every)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            pass
