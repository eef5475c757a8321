"""The body of a request to S3: plain, or in signed or unsigned chunks with a trailer; checked as it comes.

Source: Amazon S3 API Reference, "Signature calculations for the Authorization header: transferring payload in
multiple chunks (AWS Signature Version 4)", and the same "with trailing headers".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

from sekisho.aws.checksums import ALGORITHMS, Checksum, is_right
from sekisho.aws.s3_errors import (
    BadDigest,
    EntityTooLarge,
    IncompleteBody,
    InvalidArgument,
    InvalidRequest,
    NotImplemented_,
    SignatureDoesNotMatch,
    XAmzContentSHA256Mismatch,
)
from sekisho.aws.sigv4 import MISMATCH, UNSIGNED, hmac_sha256

SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_CHUNKS_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CHUNKED = (SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER, UNSIGNED_CHUNKS_TRAILER)

MOST_LINE = 4096
"""Bytes of a chunk's head, and of all the trailers together."""

_HASH = re.compile(r"[0-9a-f]{64}")
_HEAD = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
_EMPTY = hashlib.sha256().hexdigest()


class Signing(NamedTuple):
    """What the chunks' signatures go on from; ``key`` is derived, ``scope`` is date/region/service/end."""

    key: bytes
    timestamp: str
    scope: str
    signature: str

    def __repr__(self) -> str:
        return f"Signing({self.scope})"


class Payload:
    """Takes the body's bytes and gives the object's: ``receive`` as they come, ``finish`` at the end.

    Both raise an error of S3's. Nothing may be kept of a body before ``finish`` has returned.
    """

    def __init__(self, headers: Mapping[str, str], mode: str, signing: Signing | None, most: int) -> None:
        self._mode = mode
        self._signing = signing
        self._most = most
        self._sha256 = hashlib.sha256() if _HASH.fullmatch(mode) else None
        if self._sha256 is None and mode != UNSIGNED and mode not in CHUNKED:
            raise NotImplemented_(f"x-amz-content-sha256: {mode[:80]} is not implemented by this node")
        self._claimed = {name: headers[name] for name in ALGORITHMS if name in headers}
        self._sums: dict[str, Checksum] = {name: ALGORITHMS[name]() for name in self._claimed}
        trailers = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",")]
        self._trailers = [name for name in trailers if name]
        for name in self._trailers:
            if name not in ALGORITHMS:
                raise NotImplemented_(f"x-amz-trailer: {name[:80]} is not implemented by this node")
            self._sums[name] = ALGORITHMS[name]()
        length = headers.get("x-amz-decoded-content-length" if mode in CHUNKED else "content-length")
        if length is not None and not re.fullmatch(r"[0-9]{1,19}", length):
            raise InvalidArgument("the length of the content must be a number")
        self.length = int(length) if length is not None else None
        if (self.length or 0) > most:
            raise EntityTooLarge(f"an object has at most {most} bytes here (setting objects.largest)")
        self._size = 0
        self._chunks = _Chunks(mode != UNSIGNED_CHUNKS_TRAILER) if mode in CHUNKED else None
        self._chunk = hashlib.sha256()
        self._previous = signing.signature if signing is not None else ""

    @property
    def checked(self) -> dict[str, str]:
        """The checksums that were claimed and found right, by header; after ``finish``."""
        return {name: value for name, value in self._claimed.items() if name != "content-md5"}

    def receive(self, data: bytes) -> list[bytes]:
        if self._chunks is None:
            return [self._take(data)] if data else []
        found = []
        for event in self._chunks.receive(data):
            if isinstance(event, bytes):
                if self._signing is not None:
                    self._chunk.update(event)
                found.append(self._take(event))
            else:
                self._end_chunk(event.signature)
        return found

    def finish(self) -> None:
        if self._chunks is not None:
            self._check_trailer(self._chunks.trailer())
        if self.length is not None and self._size != self.length:
            raise IncompleteBody(f"{self.length} bytes were announced and {self._size} came")
        # The claim is no secret: the sender has signed it, and the signature is checked already.
        if self._sha256 is not None and self._sha256.hexdigest() != self._mode:
            raise XAmzContentSHA256Mismatch(
                "the content does not have the x-amz-content-sha256 of the request"
            )
        for name, claimed in self._claimed.items():
            if not is_right(self._sums[name], claimed):
                raise BadDigest(f"the content does not have the {name} of the request")

    def _take(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size > self._most:
            raise EntityTooLarge(f"an object has at most {self._most} bytes here (setting objects.largest)")
        if self.length is not None and self._size > self.length:
            raise IncompleteBody(f"{self.length} bytes were announced and more came")
        if self._sha256 is not None:
            self._sha256.update(data)
        for checksum in self._sums.values():
            checksum.update(data)
        return data

    def _end_chunk(self, signature: str) -> None:
        if self._mode == UNSIGNED_CHUNKS_TRAILER:
            return
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{_EMPTY}\n{self._chunk.hexdigest()}", signature)
        self._chunk = hashlib.sha256()

    def _check(self, algorithm: str, rest: str, signature: str) -> None:
        signing = self._signing
        assert signing is not None
        text = f"{algorithm}\n{signing.timestamp}\n{signing.scope}\n{self._previous}\n{rest}"
        right = hmac_sha256(signing.key, text.encode()).hex()
        if not hmac.compare_digest(right, signature):
            raise SignatureDoesNotMatch(MISMATCH)
        self._previous = right

    def _check_trailer(self, lines: list[bytes]) -> None:
        found: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or name.lower() in found:
                raise InvalidRequest("the trailer of the body is malformed")
            found[name.lower().strip()] = value.strip()
        signature = found.pop("x-amz-trailer-signature", "")
        if self._mode == SIGNED_CHUNKS_TRAILER:
            text = "".join(f"{name}:{value}\n" for name, value in sorted(found.items()))
            self._check("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(text.encode()).hexdigest(), signature)
        if sorted(found) != sorted(self._trailers):
            raise InvalidRequest("the trailer of the body is not the one that x-amz-trailer announces")
        self._claimed |= found


class _End(NamedTuple):
    """A chunk is over."""

    signature: str


class _Chunks:
    """The framing: ``size[;chunk-signature=…]``, the bytes, and after the last, empty chunk the trailers."""

    def __init__(self, signed: bool) -> None:
        self._signed = signed
        self._buffer = bytearray()
        self._left = -1  # of the chunk; -1: its head is next, 0: the line end after it
        self._signature = ""
        self.ended = False

    def receive(self, data: bytes) -> list[bytes | _End]:
        self._buffer += data
        events: list[bytes | _End] = []
        while not self.ended:
            if self._left > 0:
                piece = bytes(self._buffer[: self._left])
                if not piece:
                    return events
                del self._buffer[: len(piece)]
                self._left -= len(piece)
                events.append(piece)
            elif self._left == 0:
                if len(self._buffer) < 2:
                    return events
                if self._buffer[:2] != b"\r\n":
                    raise IncompleteBody("a chunk of the body is longer than its head says")
                del self._buffer[:2]
                self._left = -1
                events.append(_End(self._signature))
            else:
                line = self._line()
                if line is None:
                    return events
                if self._begin(line):
                    events.append(_End(self._signature))
                    break
        if len(self._buffer) > MOST_LINE:  # a head is taken as soon as it is there, so this is the trailer
            raise InvalidRequest("the trailer of the body is too long")
        return events

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, MOST_LINE)
        if end < 0:
            if len(self._buffer) >= MOST_LINE:
                raise InvalidRequest("a chunk's head is too long")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _begin(self, line: bytes) -> bool:
        """Take a chunk's head; whether it was the last."""
        head = _HEAD.fullmatch(line)
        if head is None or (head[2] is None) is self._signed:
            raise InvalidRequest("a chunk's head is malformed")
        self._left = int(head[1], 16)
        self._signature = (head[2] or b"").decode()
        self.ended = self._left == 0
        return self.ended

    def trailer(self) -> list[bytes]:
        """The lines after the last chunk."""
        if not self.ended:
            raise IncompleteBody("the body ended before its last chunk")
        return [line for line in bytes(self._buffer).split(b"\r\n") if line]
