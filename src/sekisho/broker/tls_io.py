"""Reading and writing records, with as little around OpenSSL as there can be.

pyOpenSSL's ``recv`` and ``send`` make a buffer and ask for the error of every call, also of one that went
well: together a seventh of the broker's time per message. What is here calls the same functions of the same
library (``OpenSSL._util.lib``) and leaves errors to pyOpenSSL. Those names are not public, so with a version
of pyOpenSSL that is without them its own methods do the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from OpenSSL import SSL

RECORD = 16384
"""Bytes of application data that a TLS record can hold (RFC 8446, 5.1)."""


def _public_handle(tls: SSL.Connection) -> Any:
    return tls


def _public_read(tls: SSL.Connection, handle: Any) -> bytes:
    return tls.recv(RECORD)


def _public_write(tls: SSL.Connection, handle: Any, data: bytes) -> int:
    return tls.send(data)


class Ways(NamedTuple):
    handle: Callable[[Any], Any]
    read: Callable[[Any, Any], bytes]
    write: Callable[[Any, Any, bytes], int]


def _direct() -> Ways | None:
    try:
        from OpenSSL._util import ffi, lib

        ssl_read, ssl_write = lib.SSL_read, lib.SSL_write
        fail = SSL.Connection._raise_ssl_error
        buffer: Any = ffi.new("char[]", RECORD)
        unpack = ffi.unpack
    except (ImportError, AttributeError):
        return None

    def direct_handle(tls: Any) -> Any:
        return tls._ssl

    def direct_read(tls: Any, handle: Any) -> bytes:
        size: int = ssl_read(handle, buffer, RECORD)
        if size > 0:
            data: bytes = unpack(buffer, size)
            return data
        fail(tls, handle, size)
        return b""

    def direct_write(tls: Any, handle: Any, data: bytes) -> int:
        sent: int = ssl_write(handle, data, len(data))
        if sent <= 0:
            fail(tls, handle, sent)
        return sent

    return Ways(direct_handle, direct_read, direct_write)


handle_of, read_record, write_record = _direct() or Ways(_public_handle, _public_read, _public_write)
"""``read_record(tls, handle)`` gives what one record holds, at most RECORD bytes, and ``write_record(tls,
handle, data)`` how many bytes were taken. ``handle`` is ``handle_of(tls)``: with many connections, to look it
up each time costs more than it seems. Both raise what ``recv`` and ``send`` of pyOpenSSL raise."""
