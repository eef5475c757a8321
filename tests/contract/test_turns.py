"""Long reads take turns among the accounts, and none is kept waiting by what another asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from contract.registry import Registry, on
from sekisho.aws.errors import ThrottlingException
from sekisho.services import turns
from sekisho.services.index_reads import AGGREGATIONS
from sekisho.services.turns import WAITING, Turns

LINE, OTHER = "line", "other"
ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000)"
    " SELECT COUNT(*) AS n FROM n"
)


class Going:
    """Those who have a turn, until they are told to end."""

    def __init__(self) -> None:
        self.turns = Turns((LINE, OTHER))
        self.began: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def come(self, *names: str, line: str = LINE) -> None:
        """``names`` begin with their account: "a1"."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._go(name, line))
        await self.settle()

    async def _go(self, name: str, line: str) -> None:
        async with self.turns.take(line, name[0]):
            self.began.append(name)
            await self._ends[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
            await self.tasks[name]
            await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def going(body: Callable[[Going], Awaitable[None]]) -> None:
    async def run() -> None:
        await body(Going())

    asyncio.run(run())


def test_accounts_take_turns_however_many_wait_of_one(monkeypatch):
    monkeypatch.setattr(turns, "LONG", 1e9)

    async def body(g: Going) -> None:
        await g.come("a1", "a2", "a3", "a4", "b1", "c1", "b2")
        assert g.began == ["a1"]
        for name in ("a1", "a2", "b1", "c1", "a3", "b2", "a4"):
            await g.end(name)
        assert g.began == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]
        await g.come("c2")
        assert g.began[-1] == "c2"
        await g.end("c2")

    going(body)


def test_each_line_goes_by_itself(monkeypatch):
    monkeypatch.setattr(turns, "LONG", 1e9)

    async def body(g: Going) -> None:
        await g.come("a1", "a2")
        await g.come("a3", line=OTHER)
        assert g.began == ["a1", "a3"]
        await g.end("a1", "a2", "a3")

    going(body)


def test_what_takes_long_lets_one_of_another_account_go_beside_it(monkeypatch):
    monkeypatch.setattr(turns, "LONG", 0.0)

    async def body(g: Going) -> None:
        await g.come("a1", "a2", "b1", "c1")
        await g.come("a3", "d1", line=OTHER)
        # Nobody beside oneself, one at most, and that one in all lines together.
        assert g.began == ["a1", "b1", "a3"]
        await g.end("b1")
        assert g.began[3:] == ["d1"]  # the lines take turns at it, too
        await g.end("a3")
        assert g.began[4:] == ["c1"]  # alone in its line, d1 is not beside anybody any more
        await g.end("a1")
        assert g.began[5:] == ["a2"]  # and so is c1
        await g.end("c1", "a2", "d1")

    going(body)


def test_who_waits_goes_beside_as_soon_as_it_has_taken_long(monkeypatch):
    monkeypatch.setattr(turns, "LONG", 0.02)

    async def body(g: Going) -> None:
        await g.come("a1", "b1")
        assert g.began == ["a1"]
        while g.began != ["a1", "b1"]:
            await asyncio.sleep(0.01)
        await g.end("a1", "b1")

    going(body)


def test_the_line_of_an_account_is_bounded(monkeypatch):
    monkeypatch.setattr(turns, "LONG", 1e9)

    async def body(g: Going) -> None:
        await g.come("a", *(f"a{n}" for n in range(WAITING)))
        await g.come("a-one-more")
        with pytest.raises(ThrottlingException, match=f"{WAITING} queries of this account"):
            await g.tasks["a-one-more"]
        await g.come("b1")
        assert g.turns.waiting(LINE) == WAITING + 1
        await g.end("a", "a0", "b1", *(f"a{n}" for n in range(1, WAITING)))
        assert g.turns.waiting(LINE) == 0

    going(body)


def test_nobody_waits_for_ever(monkeypatch):
    monkeypatch.setattr(turns, "LONG", 1e9)
    monkeypatch.setattr(turns, "PATIENCE", 0.02)

    async def body(g: Going) -> None:
        await g.come("a1", "b1")
        with pytest.raises(ThrottlingException, match="queries before this one"):
            await g.tasks["b1"]
        assert g.turns.waiting(LINE) == 0
        await g.end("a1")
        await g.come("b2")
        assert g.began == ["a1", "b2"]
        await g.end("b2")

    going(body)


def test_who_goes_away_takes_no_turn(monkeypatch):
    """While waiting, while going, and at the moment at which its turn comes."""
    monkeypatch.setattr(turns, "LONG", 1e9)

    async def body(g: Going) -> None:
        await g.come("a1", "b1", "c1", "d1")
        g.tasks["b1"].cancel()
        await g.settle()
        g.tasks["a1"].cancel()
        await asyncio.sleep(0)  # the turn of c1 has come, and it does not know yet
        g.tasks["c1"].cancel()
        await g.settle()
        assert g.began == ["a1", "d1"]
        await g.end("d1")
        for name in ("a1", "b1", "c1"):
            with suppress(asyncio.CancelledError):
                await g.tasks[name]

    going(body)


def test_an_account_that_asks_for_much_keeps_no_other_waiting(database_url):
    """With queries that do not end, of a real database."""

    async def body(registry: Registry) -> None:
        reads = registry.reads
        endless = [asyncio.create_task(reads.aggregate("a", ENDLESS, {})) for _ in range(5)]
        try:
            for number in range(3):
                rows = await reads.aggregate("b", "SELECT :n + 1 AS n", {"n": number})
                assert rows == [{"n": number + 1}]
            assert await reads.search("b", "SELECT 1 AS n", {}) == [{"n": 1}]
            assert await registry.store.fetch("SELECT 2 AS n") == [{"n": 2}]
            assert not any(task.done() for task in endless)
            assert reads.turns.waiting(AGGREGATIONS) == 4
        finally:
            for task in endless:
                task.cancel()
            await asyncio.gather(*endless, return_exceptions=True)
        assert await reads.aggregate("a", "SELECT 3 AS n", {}) == [{"n": 3}]

    on(database_url, body)
