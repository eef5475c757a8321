"""The feed of changes, on both drivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contract.stores import opened
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.feed import ATTEMPTS, Feed, FellBehind
from sekisho.store.statement import Statement, Unavailable
from sekisho.store.store import open_store
from sekisho.store.trimming import trim_table

A, R = "123456789012", "eu-west-1"


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 60))


def change(id: str) -> Statement:
    return tables.append_change(A, R, "thing", id, "updated", 1.0)


class Listener:
    """A handler that remembers, after going through ``failures``."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls: list[list[str]] = []
        self.ids: list[str] = []
        self._more = asyncio.Event()

    async def __call__(self, changes: Sequence[Change]) -> None:
        self.calls.append([change.id for change in changes])
        if self.failures:
            raise self.failures.pop(0)
        self.ids += self.calls[-1]
        self._more.set()

    async def until(self, count: int) -> list[str]:
        while len(self.ids) < count:
            self._more.clear()
            await self._more.wait()
        return self.ids


@asynccontextmanager
async def following(
    feed: Feed, handler: Callable[[Sequence[Change]], Awaitable[None]], every: float
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(feed.run(handler, every))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_it_begins_at_the_newest_change_and_wakes_by_itself(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await store.commit([change("before")])
            feed, listener = Feed(store), Listener()
            assert feed.cursor is None
            started = await feed.start()
            await store.commit([change("a"), change("b")])
            async with following(feed, listener, 0.01):
                assert await listener.until(2) == ["a", "b"]
                await store.commit([change("c")])
                assert await listener.until(3) == ["a", "b", "c"]
            assert started + 3 == feed.cursor

    run(body())


def test_a_ring_wakes_it_at_once(database_url: str) -> None:
    async def body() -> None:
        feeds: list[Feed] = []
        store = await open_store(database_url, on_commit=lambda: feeds[0].ring())
        try:
            feeds.append(Feed(store, 0))
            listener = Listener()
            async with following(feeds[0], listener, 3600):
                for number in range(20):
                    await store.commit([change(str(number))])
                    await listener.until(number + 1)
            assert listener.ids == [str(number) for number in range(20)]
        finally:
            await store.close()

    run(body())


def test_batches_are_bounded_and_follow_without_waiting(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await store.commit([change(str(number)) for number in range(1201)])
            listener = Listener()
            async with following(Feed(store, 0), listener, 3600):
                await listener.until(1201)
            assert [len(call) for call in listener.calls] == [500, 500, 201]
            assert listener.ids == [str(number) for number in range(1201)]

    run(body())


def test_a_failed_batch_comes_again(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await store.commit([change("a"), change("b")])
            listener = Listener(RuntimeError("once"), RuntimeError("twice"))
            async with following(Feed(store, 0), listener, 0.01):
                await listener.until(2)
                await store.commit([change("c")])
                await listener.until(3)
            assert listener.calls == [["a", "b"]] * 3 + [["c"]]

    run(body())


def test_a_change_that_cannot_be_handled_ends_the_feed(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await store.commit([change("a")])
            listener, feed = Listener(*[RuntimeError("never")] * ATTEMPTS), Feed(store, 0)
            with pytest.raises(RuntimeError, match="never"):
                await feed.run(listener, 0.001)
            assert (len(listener.calls), feed.cursor) == (ATTEMPTS, 0)

    run(body())


def test_an_unavailable_database_is_waited_for(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await store.commit([change("a")])
            listener = Listener(*[Unavailable("away")] * (ATTEMPTS * 3))
            async with following(Feed(store, 0), listener, 0.001):
                assert await listener.until(1) == ["a"]
        feed = Feed(store, 0)
        async with following(feed, listener, 0.001) as task:
            done, _ = await asyncio.wait([task], timeout=0.1)
            assert not done

    run(body())


def test_what_was_trimmed_unread_is_not_passed_over(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await store.commit([change("a")])
            feed = Feed(store)
            cursor = await feed.start()
            await store.commit([change("b"), change("c"), change("d")])
            await trim_table(store, "change", 4)
            listener = Listener()
            async with following(feed, listener, 0.01):
                await listener.until(3)
            behind = Feed(store, cursor)
            await trim_table(store, "change", 2)
            with pytest.raises(FellBehind):
                await behind.run(listener, 0.01)
            assert listener.ids == ["b", "c", "d"]

    run(body())
