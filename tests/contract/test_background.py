"""Work that can wait, on both drivers: whoever asks meanwhile is not behind all of it."""

from __future__ import annotations

import asyncio

import pytest

from sekisho.store import tables
from sekisho.store.background import PAUSE, TOGETHER, Background, LoopTurns
from sekisho.store.statement import Statement
from sekisho.store.store import open_store

SLOW = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
SELECT COUNT(*) AS count FROM n"""
MANY = 400


def idle() -> bool:
    return False


def test_a_read_is_not_behind_those_that_can_wait(database_url: str) -> None:
    async def body() -> None:
        store = await open_store(database_url)
        try:
            background = Background(store, idle)
            waiting = [asyncio.create_task(background.fetch(SLOW)) for _ in range(MANY)]
            await asyncio.sleep(0)
            assert await store.fetch("SELECT 1 AS one") == [{"one": 1}]
            assert sum(task.done() for task in waiting) < MANY // 2
            assert await asyncio.gather(*waiting) == [[{"count": 5000}]] * MANY
        finally:
            await store.close()

    asyncio.run(body())


def test_a_commit_is_not_behind_those_that_can_wait(database_url: str) -> None:
    async def body() -> None:
        store = await open_store(database_url)
        try:
            background = Background(store, idle)
            changes = [tables.append_change("a", "r", "thing", "t", "updated", 1.0)] * 10
            waiting = [asyncio.create_task(background.commit(changes)) for _ in range(MANY)]
            await asyncio.sleep(0)
            await store.commit([tables.append_change("a", "r", "thing", "me", "updated", 1.0)])
            assert sum(task.done() for task in waiting) < MANY // 2
            await asyncio.gather(*waiting)
            (row,) = await store.fetch("SELECT COUNT(*) AS count FROM change")
            assert row["count"] == 10 * MANY + 1
            with pytest.raises(Exception, match=r"no such|does not exist"):
                await background.commit([Statement("DELETE FROM nowhere")])
        finally:
            await store.close()

    asyncio.run(body())


def test_a_few_go_on_in_each_turn_and_who_gave_up_has_none() -> None:
    async def body() -> None:
        turns, order = LoopTurns(idle), []

        async def one(number: int) -> None:
            await turns.wait()
            order.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(5 * TOGETHER)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        for _ in range(50):
            before = len(order)
            await asyncio.sleep(0)
            assert len(order) <= before + TOGETHER
        assert order == [number for number in range(5 * TOGETHER) if number != 1]
        await one(-1)
        assert order[-1] == -1

    asyncio.run(body())


def test_while_somebody_waits_one_goes_on_at_a_time_and_seldom() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        waits, times = True, []
        turns = LoopTurns(lambda: waits)

        async def one() -> None:
            await turns.wait()
            times.append(loop.time())

        tasks = [asyncio.create_task(one()) for _ in range(10)]
        while len(times) < 5:
            await asyncio.sleep(0)
        assert times[4] - times[0] > 3 * PAUSE
        waits = False
        await asyncio.gather(*tasks)
        assert len(times) == 10

    asyncio.run(body())
