"""The store as work sees it that can wait: what others ask meanwhile finds a reader free, a short queue at
the writer, and its turn of the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sekisho.store.statement import NO_PARAMS, Row, Statement
from sekisho.store.store import Store

READS = 2
COMMITS = 128
"""How many of them are under way at once; further ones wait here, not where everybody waits."""

TOGETHER = 8
"""How many go on in one turn of the loop: a millisecond or two, for a turn costs something, too."""
PAUSE = 0.002
"""Seconds between two that leave the loop and the interpreter's lock to others, while these wait."""


class LoopTurns:
    """Lets those who wait go on, a few at a time, and everybody else of the loop in between; one at a time,
    and seldom, while ``busy`` says that somebody waits for an answer."""

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy = busy
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        turn = self._loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._next)
        await turn

    def _next(self) -> None:
        busy = self._busy()
        for _ in range(min(1 if busy else TOGETHER, len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.done():  # cancelled
                turn.set_result(None)
        if self._waiting and busy:
            self._loop.call_later(PAUSE, self._next)
        elif self._waiting:
            self._loop.call_soon(self._next)


class Background:
    """See :class:`sekisho.store.store.Store`; ``inner`` stays its owner's to close."""

    def __init__(self, inner: Store, busy: Callable[[], bool]) -> None:
        self._inner = inner
        self._busy = busy
        self._reads = asyncio.Semaphore(READS)
        self._commits = asyncio.Semaphore(COMMITS)
        self.turns = LoopTurns(busy)

    async def fetch(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        async with self._reads:
            rows = await self._inner.fetch(sql, params)
            if self._busy():
                await self.turns.wait()
            return rows

    async def commit(self, statements: Sequence[Statement]) -> list[list[Row]]:
        async with self._commits:
            rows = await self._inner.commit(statements)
        await self.turns.wait()  # a whole group of commits ends at once
        return rows

    async def close(self) -> None:
        """Nothing: the inner one may serve others."""
