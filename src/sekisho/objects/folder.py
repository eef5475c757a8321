"""Objects in a directory: one file each, whose name is the key, encoded, and whose end says what it is.

A file is the object's bytes, then a JSON document (etag, headers, time), then eight bytes with the document's
length and four that mark the format. So one rename replaces bytes and description together, and a range is
read at its own offset. It is written as a draft, synced, and then renamed into place.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import heapq
import json
import os
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, unquote

from sekisho.objects.base import CHUNK, Info, NoRoom, NoSuchObject, ObjectsError, check_key

T = TypeVar("T")

MARK = b"SKO1"
TAIL = 8 + len(MARK)
MOST_DESCRIPTION = 1 << 20

PIECE = 200
"""Characters of an encoded key in one file name; a longer one goes on in a folder."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says where there is no room."""

DRAFTS = ".drafts"
DRAFT_AGE = 86400.0
"""Seconds after which a draft belongs to nobody."""


class FolderObjects:
    """See :class:`sekisho.objects.base.Objects`. A listing looks at every name of its bucket."""

    def __init__(self, root: Path, now: Callable[[], float]) -> None:
        self._root = root
        self._drafts = root / DRAFTS
        self._now = now
        try:
            self._drafts.mkdir(parents=True, exist_ok=True, mode=0o700)
            for draft in self._drafts.iterdir():
                if now() - draft.stat().st_mtime > DRAFT_AGE:
                    draft.unlink(missing_ok=True)
        except OSError as error:
            raise ObjectsError(f"objects: {root} cannot be used: {error.strerror}") from None

    async def put(
        self,
        bucket: str,
        key: str,
        chunks: AsyncIterable[bytes],
        headers: Mapping[str, str],
        etag: str | None = None,
    ) -> Info:
        path = self._path(bucket, key)
        draft = Draft(self._drafts / uuid.uuid4().hex)
        try:
            await _threaded(draft.open)
            waiting: list[bytes] = []
            size = 0
            async for chunk in chunks:
                waiting.append(chunk)
                size += len(chunk)
                if size >= CHUNK:
                    await _threaded(draft.write, waiting)
                    waiting, size = [], 0
            await _threaded(draft.write, waiting)
            info = Info(key, draft.size, etag or draft.md5.hexdigest(), self._now(), dict(headers))
            # Whoever is cancelled here does not stop the thread: what it does is whole or nothing.
            await _threaded(draft.publish, path, info, self._root)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(draft.drop))
            raise
        return info

    async def open(self, bucket: str, key: str) -> OpenedFile:
        return await _threaded(OpenedFile, self._path(bucket, key), key)

    async def head(self, bucket: str, key: str) -> Info | None:
        try:
            opened = await self.open(bucket, key)
        except NoSuchObject:
            return None
        await opened.close()
        return opened.info

    async def delete(self, bucket: str, key: str) -> None:
        await _threaded(_delete, self._path(bucket, key))

    async def list(self, bucket: str, prefix: str, after: str, limit: int) -> list[Info]:
        return await _threaded(_list, self._root / _bucket(bucket), prefix, after, limit)

    def _path(self, bucket: str, key: str) -> Path:
        try:
            check_key(key)
        except ValueError as error:
            raise ObjectsError(str(error)) from None
        return self._root.joinpath(_bucket(bucket), *encoded(key))


def encoded(key: str) -> list[str]:
    """The path of a key below its bucket: names that end in ``=`` are files, in ``+`` folders; neither sign,
    nor a slash, nor a leading dot is in what an encoded key consists of."""
    text = quote(key, safe="").replace(".", "%2E")
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    return [*(f"{piece}+" for piece in pieces[:-1]), f"{pieces[-1]}="]


def _bucket(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E") + "+"


class Draft:
    """A file that is not an object yet; its methods block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def open(self) -> None:
        self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", CHUNK)

    def write(self, chunks: list[bytes]) -> None:
        assert self._file is not None
        for chunk in chunks:
            self.md5.update(chunk)
            self._file.write(chunk)
            self.size += len(chunk)

    def publish(self, path: Path, info: Info, root: Path) -> None:
        file = self._file
        assert file is not None
        description = {"etag": info.etag, "modified": info.modified, "headers": info.headers}
        text = json.dumps(description).encode()
        file.write(text + len(text).to_bytes(8, "big") + MARK)
        file.flush()
        os.fsync(file.fileno())
        file.close()
        _make_folders(path.parent, root)
        self._path.replace(path)
        _sync_folder(path.parent)

    def drop(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._path.unlink(missing_ok=True)


class OpenedFile:
    """See :class:`sekisho.objects.base.Opened`. The file is open: what is renamed over it changes nothing."""

    def __init__(self, path: Path, key: str) -> None:
        try:
            self._file = path.open("rb", buffering=0)
        except FileNotFoundError:
            raise NoSuchObject(f"there is no object {key[:200]!r}") from None
        try:
            self.info = _describe(self._file.fileno(), key)
        except BaseException:
            self._file.close()
            raise

    async def read(self, first: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        end = self.info.size if length is None else min(self.info.size, first + length)
        while first < end:
            chunk = await _threaded(os.pread, self._file.fileno(), min(CHUNK, end - first), first)
            if not chunk:
                raise ObjectsError("an object's file is shorter than it was")
            first += len(chunk)
            yield chunk

    async def close(self) -> None:
        self._file.close()


def _describe(fd: int, key: str) -> Info:
    """What the end of an object's file says."""
    whole = os.fstat(fd).st_size
    tail = os.pread(fd, TAIL, max(0, whole - TAIL))
    length = int.from_bytes(tail[:8], "big")
    size = whole - TAIL - length
    if tail[8:] != MARK or size < 0 or length > MOST_DESCRIPTION:
        raise ObjectsError(f"the file of the object {key[:200]!r} is damaged")
    found = json.loads(os.pread(fd, length, size))
    return Info(key, size, found["etag"], found["modified"], found["headers"])


def _delete(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        return
    _sync_folder(path.parent)


def _list(folder: Path, prefix: str, after: str, limit: int) -> list[Info]:
    start = after.encode()
    found = (key for key in _keys(folder, "") if key.startswith(prefix) and key.encode() > start)
    infos = []
    for key in heapq.nsmallest(limit, found, key=str.encode):
        try:
            with folder.joinpath(*encoded(key)).open("rb", buffering=0) as file:
                infos.append(_describe(file.fileno(), key)._replace(headers={}))
        except FileNotFoundError:
            continue  # deleted just now
    return infos


def _keys(folder: Path, before: str) -> Iterator[str]:
    """Every key of a bucket's folder; ``before`` is the encoded text that the folder stands for."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.name.endswith("="):
                yield unquote(before + entry.name[:-1])
            elif entry.name.endswith("+"):
                yield from _keys(Path(entry.path), before + entry.name[:-1])


def _make_folders(folder: Path, root: Path) -> None:
    """The folder, and the entry of each new one durable in the one above it."""
    if folder == root or folder.is_dir():
        return
    _make_folders(folder.parent, root)
    folder.mkdir(exist_ok=True, mode=0o700)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


async def _threaded(function: Callable[..., T], *arguments: Any) -> T:
    try:
        return await asyncio.to_thread(function, *arguments)
    except OSError as error:
        kind = NoRoom if error.errno in FULL else ObjectsError
        raise kind(f"the folder of the objects cannot be used: {error.strerror}") from None
