"""A bound on what may have to wait, that costs nothing where there is nothing to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


async def within(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns; TimeoutError if it takes longer. Its first step is taken before there is a
    timer, and often it is the only one: what was read is kept."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    async with asyncio.timeout(seconds):
        return await _Rest(coroutine, waits_for)


class _Rest(Generic[T]):
    """A coroutine whose first step has been taken, and what it waits for since."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        waits_for = self._waits_for
        while True:
            failure: BaseException | None = None
            try:
                yield waits_for
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:
                failure = error
            try:
                # A future has no value for who waits: it is asked for it again.
                waits_for = self._coroutine.send(None) if failure is None else self._coroutine.throw(failure)
            except StopIteration as ended:
                result: T = ended.value
                return result
