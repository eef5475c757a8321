"""The input of a bulk registration some lines at a time, and many of them under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from sekisho.logic.bulk_input import Line, Lines
from sekisho.objects.base import Opened
from sekisho.store.background import LoopTurns

BATCH_LINES = 512
BATCH_BYTES = 4 << 20


async def batches(opened: Opened, number: int, offset: int) -> AsyncIterator[list[Line]]:
    """The lines that are not blank, some at a time, from a position on."""
    lines = Lines(number, offset)
    batch: list[Line] = []
    size = 0
    async for chunk in _and_then_none(opened.read(offset)):
        for line in lines.feed(chunk) if chunk is not None else lines.finish():
            if line.text is not None and not line.text.strip():
                continue
            batch.append(line)
            size += len(line.text or b"")
            if len(batch) == BATCH_LINES or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


async def _and_then_none(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes | None]:
    async for chunk in chunks:
        yield chunk
    yield None


async def at_most(count: int, turns: LoopTurns, jobs: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run all of them, so many at once, not all of which begin in one turn of the loop; the first that raises
    ends it, and nothing goes on behind it."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await turns.wait()
            await job()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(count, len(jobs))):
                group.create_task(work())
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
