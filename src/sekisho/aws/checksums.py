"""Checksums that S3's clients send beside an object (Amazon S3 User Guide, Checking object integrity)."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Protocol

from awscrt import checksums as crt


class Checksum(Protocol):
    def update(self, data: bytes, /) -> object: ...
    def digest(self) -> bytes: ...


class Crc:
    """A cyclic checksum as hashlib's objects are; ``function`` goes on from what it gave before."""

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


ALGORITHMS: dict[str, Callable[[], Checksum]] = {
    "x-amz-checksum-crc32": lambda: Crc(zlib.crc32, 4),
    "x-amz-checksum-crc32c": lambda: Crc(crt.crc32c, 4),
    "x-amz-checksum-crc64nvme": lambda: Crc(crt.crc64nvme, 8),
    "x-amz-checksum-sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "x-amz-checksum-sha256": hashlib.sha256,
    "content-md5": lambda: hashlib.md5(usedforsecurity=False),
}
"""Header or trailer → what counts; their values are base64."""


def is_right(checksum: Checksum, claimed: str) -> bool:
    return base64.b64encode(checksum.digest()).decode() == claimed.strip()
