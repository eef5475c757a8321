"""A store on a database, open while the body of a test runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sekisho.store.store import Store, open_store

Body = Callable[[Store], Awaitable[None]]


@asynccontextmanager
async def opened(url: str, on_commit: Callable[[], None] | None = None) -> AsyncIterator[Store]:
    store = await open_store(url, on_commit=on_commit)
    try:
        yield store
    finally:
        await store.close()


def on_store(url: str, body: Body) -> None:
    async def whole() -> None:
        async with opened(url) as store:
            await body(store)

    asyncio.run(whole())
