"""Two things to wait for, as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


def both(first: Awaitable[None] | None, second: Awaitable[None]) -> Awaitable[None]:
    """What is done when both are."""
    return second if first is None or first is second else _both(first, second)


async def _both(first: Awaitable[None], second: Awaitable[None]) -> None:
    await asyncio.gather(first, second)
