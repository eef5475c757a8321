"""The reports of a bulk registration: written in pieces as the task goes on, put together at its end.

A piece is an object that is written whole, before the commit that moves the task beyond its lines; what was
written for lines that were not moved beyond is written again over it. So a report has each line once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from sekisho.logic.bulk_input import Line
from sekisho.objects.base import NoSuchObject, Objects
from sekisho.services.buckets import OURS

RESULTS = "RESULTS"
ERRORS = "ERRORS"
TYPES = (RESULTS, ERRORS)
HEADERS = {"content-type": "application/x-ndjson"}


def reports_bucket(account: str) -> str:
    return f"{OURS}registration-{account}"


def report_key(task: str, type: str) -> str:
    return f"{task}/{type}.json"


def piece_key(task: str, type: str, number: int) -> str:
    return f"{task}/{type}/{number:09d}"


def report_line(line: Line, response: dict[str, Any]) -> bytes:
    found = {"lineNumber": line.number, "offset": line.offset, "response": response}
    return orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE)


class Reports:
    def __init__(self, objects: Objects, account: str, task: str) -> None:
        self._objects = objects
        self._bucket = reports_bucket(account)
        self._task = task

    async def write(self, number: int, type: str, lines: Sequence[bytes]) -> None:
        """One piece; without lines, none, also if one was written before."""
        key = piece_key(self._task, type, number)
        if lines:
            await self._objects.put(self._bucket, key, _chunks(lines), HEADERS)
        else:
            await self._objects.delete(self._bucket, key)

    async def join(self, count: int) -> list[str]:
        """Put the first ``count`` pieces together; which types of report there are."""
        found = []
        for type in TYPES:
            info = await self._objects.put(
                self._bucket, report_key(self._task, type), self._content(type, count), HEADERS
            )
            if info.size:
                found.append(type)
            else:
                await self._objects.delete(self._bucket, report_key(self._task, type))
        return found

    async def _content(self, type: str, count: int) -> AsyncIterator[bytes]:
        for number in range(count):
            try:
                opened = await self._objects.open(self._bucket, piece_key(self._task, type, number))
            except NoSuchObject:
                continue
            try:
                async for chunk in opened.read():
                    yield chunk
            finally:
                await opened.close()

    async def forget_pieces(self, count: int) -> None:
        for number in range(count + 1):
            for type in TYPES:
                await self._objects.delete(self._bucket, piece_key(self._task, type, number))

    async def forget(self) -> None:
        """Delete the reports, and what an interruption may have left of their pieces."""
        while found := await self._objects.list(self._bucket, f"{self._task}/", "", 1000):
            for info in found:
                await self._objects.delete(self._bucket, info.key)


async def _chunks(lines: Sequence[bytes]) -> AsyncIterator[bytes]:
    for line in lines:
        yield line
