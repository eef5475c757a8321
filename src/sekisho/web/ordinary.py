"""The HTTP/1.1 request as nearly every client sends it, read in one look; and the head of an answer.

Ordinary is a request whose head is whole, whose length is told by at most one Content-Length, and which asks
nothing of the connection. Everything else, malformed requests among it, is for h11 to read or to refuse; so
what is taken here must be a request that h11 would take, and mean the same (a test holds the two together).
Source: RFC 9112, sections 2 to 6; RFC 9110, 5.5 (field values).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

LONGEST_HEAD = 32_768
"""Bytes, as many as h11 is told to take."""

MOST_FIELDS = 100

LONGEST_BODY = 65_536
"""Bytes of a body that is waited for and kept as a whole; a longer one is for who hands it on in pieces."""

Fields = list[tuple[bytes, bytes]]
"""Names in lower case, values without the white space around them."""

_FIELD = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t\x20-\x7e\x80-\xff]*+\r\n"
_HEAD = re.compile(
    rb"(GET|HEAD|POST|PUT|DELETE|PATCH) (/[!-~]*+) HTTP/1\.1\r\n((?:%s){1,%d}+)\r\n" % (_FIELD, MOST_FIELDS)
)
_FIELDS = re.compile(rb"(?:%s)*+" % _FIELD)
_LENGTH = re.compile(rb"[0-9]{1,6}")

NOT_ORDINARY = frozenset(
    {
        b"transfer-encoding",
        b"expect",
        b"upgrade",
        b"http2-settings",
        b"trailer",
        b"keep-alive",
        b"proxy-connection",
    }
)
"""Fields that say how a message or its connection goes on."""

FORWARDED = b"x-forwarded-"
"""What a proxy on this machine says of its client; uvicorn's middleware makes the client of it."""


class Head(NamedTuple):
    """A request without its body, which is the ``length`` bytes from ``start``; the target is undecoded."""

    method: bytes
    path: bytes
    query: bytes
    fields: Fields
    start: int
    length: int


def read_head(data: bytes | bytearray) -> Head | None:
    """The head that ``data`` begins with, or None if that is not the whole of an ordinary one."""
    found = _HEAD.match(data, 0, LONGEST_HEAD)
    if found is None:
        return None
    method, target, block = found.groups()
    fields: Fields = []
    hosts = 0
    length: int | None = None
    for line in block[:-2].split(b"\r\n"):
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        fields.append((name, value))
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            if length is not None or _LENGTH.fullmatch(value) is None:
                return None
            length = int(value)
        elif name == b"connection":
            if value.lower() != b"keep-alive":
                return None
        elif name in NOT_ORDINARY or name.startswith(FORWARDED):
            return None
    if hosts != 1 or (length or 0) > LONGEST_BODY:
        return None
    path, _, query = target.partition(b"?")
    return Head(method, path, query, fields, found.end(), length or 0)


def answer_head(status: int, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The status line and fields of an answer; ValueError for a field that could begin another."""
    lines = [b"%s: %s\r\n" % field for field in fields]
    block = b"".join(lines)
    if block.count(b"\n") != len(lines) or _FIELDS.fullmatch(block) is None:
        raise ValueError("an answer has a header field that HTTP cannot carry")
    return b"%s%s\r\n" % (_status_line(status), block)


def has_no_body(method: bytes, status: int) -> bool:
    """Whether an answer ends with its head, whatever its fields say (RFC 9112, 6.3)."""
    return method == b"HEAD" or status in (204, 304)


_STATUS_LINES = {one.value: b"HTTP/1.1 %d %s\r\n" % (one.value, one.phrase.encode()) for one in HTTPStatus}


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
