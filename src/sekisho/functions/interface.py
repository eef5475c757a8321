"""What a function is to the rest of the node: something that takes a JSON object and answers one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import orjson

from sekisho.logic.json_text import kind_of

SECONDS = 5.0
"""Within which a function must have answered (AWS IoT Developer Guide, Pre-provisioning hooks)."""

MOST = 1_048_576
"""Bytes of an event or of an answer."""


class FunctionError(Exception):
    """A function gave no answer: the words say why, and hold nothing of the event or of what it said."""


class Functions(Protocol):
    """All functions of a node."""

    async def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """The answer of a function, named bare or by its ARN.

        Raises FunctionError when there is no such function, it does not answer within :data:`SECONDS`, it
        fails, or its answer is not a JSON object; other functions and later calls are none the worse.
        """
        ...

    async def close(self) -> None: ...


class NoFunctions:
    """Of a node that has none."""

    async def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        raise unknown(function)

    async def close(self) -> None: ...


class Gate:
    """So many calls of a function at a time, and so many more that wait for their turn."""

    def __init__(self, name: str, at_once: int, waiting: int) -> None:
        self._name = name
        self._turns = asyncio.Semaphore(at_once)
        self._most = waiting
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        if self._turns.locked() and self._waiting >= self._most:
            raise FunctionError(f"{self._most} calls of the function {self._name} are waiting already")
        self._waiting += 1
        try:
            async with asyncio.timeout(SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise FunctionError(f"the function {self._name} was busy for {SECONDS:g} s") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()


def event_bytes(event: dict[str, Any]) -> bytes:
    """An event on its way out, no longer than :data:`MOST`."""
    try:
        raw = orjson.dumps(event)
    except TypeError:
        raise FunctionError("the event is nested too deeply") from None
    if len(raw) > MOST:
        raise FunctionError(f"the event has {len(raw)} bytes, more than {MOST}")
    return raw


def answer_of(name: str, raw: bytes) -> dict[str, Any]:
    """A function's answer, if it is a JSON object."""
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise FunctionError(f"the function {name} did not answer JSON") from None
    return object_of(name, answer)


def object_of(name: str, answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise FunctionError(f"the function {name} answered {kind_of(answer)}, not a JSON object")
    return answer


def unknown(name: str) -> FunctionError:
    return FunctionError(
        f"there is no function {name}: the settings functions.{name} or functions.endpoint make one"
    )
