"""What an object is, and the one interface behind which objects live."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import NamedTuple, Protocol

CHUNK = 1 << 18
"""Bytes that are read, and held for a reader, at a time."""

KEY_BYTES = 1024
"""UTF-8 bytes of a key (Amazon S3 User Guide, Naming Amazon S3 objects)."""

PLAIN_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
META = "x-amz-meta-"

DEFAULT_TYPE = "binary/octet-stream"
"""What S3 says of an object whose writer said nothing."""


class ObjectsError(Exception):
    """Objects cannot be used now; the text says why and holds no key material."""

    for_callers = "the place of the objects did not answer; try again"
    """What is said to whoever has asked for something that needs them."""


class NoRoom(ObjectsError):
    """Objects can be read, but not written: their disk is full."""

    for_callers = "the disk of the objects is full"


class NoSuchObject(ObjectsError):
    """There is no object of that key."""


class ObjectChanged(ObjectsError):
    """The object was overwritten or deleted while it was read."""


class Info(NamedTuple):
    """``size`` in bytes, ``modified`` in epoch seconds, ``etag`` without quotes and of no certain form.

    ``headers`` are those of :data:`PLAIN_HEADERS` and ``x-amz-meta-…`` that the writer gave; a listing does
    not have them.
    """

    key: str
    size: int
    etag: str
    modified: float
    headers: Mapping[str, str]


class Opened(Protocol):
    """One version of an object, to be read; it stays that version though the object be overwritten."""

    @property
    def info(self) -> Info: ...

    def read(self, first: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from ``first`` on, at most ``length`` of them, in chunks.

        :raises ObjectChanged: this version cannot be had any more
        """
        ...

    async def close(self) -> None: ...


class Objects(Protocol):
    """Every method raises :class:`ObjectsError` when the place of the objects does not answer."""

    async def put(
        self,
        bucket: str,
        key: str,
        chunks: AsyncIterable[bytes],
        headers: Mapping[str, str],
        etag: str | None = None,
    ) -> Info:
        """Store the whole stream under the key, in place of what was there, durably when it returns.

        If the stream raises, nothing has happened. ``etag`` is one to store instead of the content's MD5; a
        foreign endpoint has its own all the same.
        """
        ...

    async def open(self, bucket: str, key: str) -> Opened:
        """:raises NoSuchObject:"""
        ...

    async def head(self, bucket: str, key: str) -> Info | None: ...

    async def delete(self, bucket: str, key: str) -> None:
        """No error if there is no such object."""
        ...

    async def list(self, bucket: str, prefix: str, after: str, limit: int) -> list[Info]:
        """Up to ``limit`` objects (1000 at most) whose keys begin with ``prefix`` and come after ``after``,
        in the order of the keys' UTF-8 bytes."""
        ...


def check_key(key: str) -> None:
    """ValueError says what is wrong with a key."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ValueError("a key must be valid Unicode text") from None
    if not 1 <= size <= KEY_BYTES:
        raise ValueError(f"a key has 1 to {KEY_BYTES} bytes, not {size}")
    if "\0" in key:
        raise ValueError("a key must not contain U+0000")
