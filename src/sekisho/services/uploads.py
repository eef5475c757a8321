"""Uploads in parts: a row per upload, an object per part, and the whole put together at the end."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson

from sekisho.objects.base import Info, Objects
from sekisho.services.buckets import PARTS, PLACE
from sekisho.services.work import Document, dumps
from sekisho.store import tables
from sekisho.store.statement import Conflict
from sekisho.store.store import Store

KIND = "upload"
MOST_PARTS = 10_000
SMALLEST_PART = 5 << 20
"""Bytes of every part but the last (Amazon S3 User Guide, multipart upload limits)."""

PAGE = 1000
EXPIRED = 100
"""Uploads that are given up at a time."""


class Uploads:
    def __init__(self, store: Store, objects: Objects, clock: Any) -> None:
        self._store = store
        self._objects = objects
        self._clock = clock

    async def create(self, bucket: str, key: str, headers: Mapping[str, str]) -> str:
        id = secrets.token_hex(24)
        body = dumps({"bucket": bucket, "key": key, "headers": dict(headers)})
        await self._store.commit([tables.insert_resource(*PLACE, KIND, id, body, self._clock.now())])
        return id

    async def find(self, bucket: str, key: str, id: str) -> Document | None:
        if not re.fullmatch(r"[0-9a-f]{48}", id):
            return None
        rows = await self._store.fetch(*tables.get_resource(*PLACE, KIND, id))
        body: Document = orjson.loads(rows[0]["body"]) if rows else {}
        return body if (body.get("bucket"), body.get("key")) == (bucket, key) else None

    async def put_part(self, id: str, number: int, chunks: AsyncIterator[bytes]) -> Info:
        return await self._objects.put(PARTS, _part(id, number), chunks, {})

    async def parts(self, id: str, after: int = 0, limit: int = PAGE) -> list[tuple[int, Info]]:
        found = await self._objects.list(PARTS, f"{id}/", _part(id, after), limit)
        return [(int(info.key.rpartition("/")[2]), info) for info in found]

    async def every_part(self, id: str) -> dict[int, Info]:
        found: dict[int, Info] = {}
        while True:
            page = await self.parts(id, max(found, default=0))
            found |= dict(page)
            if len(page) < PAGE:
                return found

    async def content(self, id: str, numbers: Sequence[int]) -> AsyncIterator[bytes]:
        """The bytes of the parts one after another."""
        for number in numbers:
            opened = await self._objects.open(PARTS, _part(id, number))
            try:
                async for chunk in opened.read():
                    yield chunk
            finally:
                await opened.close()

    async def forget(self, id: str) -> None:
        """Delete an upload: its row first, so that nobody begins anything with it, then its parts."""
        rows = await self._store.fetch(*tables.get_resource(*PLACE, KIND, id))
        if rows:
            with suppress(Conflict):  # somebody else has
                await self._store.commit([tables.delete_resource(*PLACE, KIND, id, rows[0]["version"])])
        for number in await self.every_part(id):
            await self._objects.delete(PARTS, _part(id, number))


async def expire_uploads(store: Store, objects: Objects, before: float) -> None:
    """Give up the uploads that were begun before a civil time; the oldest first, a page of them at most."""
    uploads = Uploads(store, objects, None)
    rows = await store.fetch(*tables.page_resources_by_created(*PLACE, KIND, None, EXPIRED))
    for row in rows:
        if row["created"] >= before:
            return
        await uploads.forget(row["id"])


def etag_of(etags: Sequence[str]) -> str:
    """The etag of an object of parts: the MD5 of theirs, and how many they were."""
    raw = b"".join(
        bytes.fromhex(etag) if re.fullmatch(r"[0-9a-f]{32}", etag) else etag.encode() for etag in etags
    )
    return f"{hashlib.md5(raw, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _part(id: str, number: int) -> str:
    return f"{id}/{number:05d}"
