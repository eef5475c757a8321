"""Reading and writing records, with as little around OpenSSL as there can be.

pyOpenSSL's ``recv`` and ``send`` make a buffer and ask for the error of every call, also of one that went
well: together a seventh of the broker's time per message. What is here calls the same functions of the same
library (``OpenSSL._util.lib``) and leaves errors to pyOpenSSL. Those names are not public, so with a version
of pyOpenSSL that is without them its own methods do the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL

RECORD = 16384
"""Bytes of application data that a TLS record can hold (RFC 8446, 5.1)."""


def _public_read(tls: SSL.Connection) -> bytes:
    return tls.recv(RECORD)


def _public_write(tls: SSL.Connection, data: bytes) -> int:
    return tls.send(data)


def _direct() -> tuple[Callable[[Any], bytes], Callable[[Any, bytes], int]] | None:
    try:
        from OpenSSL._util import ffi, lib

        ssl_read, ssl_write = lib.SSL_read, lib.SSL_write
        fail = SSL.Connection._raise_ssl_error
        buffer: Any = ffi.new("char[]", RECORD)
    except (ImportError, AttributeError):
        return None
    view = ffi.buffer(buffer)

    def direct_read(tls: Any) -> bytes:
        size = ssl_read(tls._ssl, buffer, RECORD)
        if size > 0:
            data: bytes = view[:size]
            return data
        fail(tls, tls._ssl, size)
        return b""

    def direct_write(tls: Any, data: bytes) -> int:
        sent: int = ssl_write(tls._ssl, data, len(data))
        if sent <= 0:
            fail(tls, tls._ssl, sent)
        return sent

    return direct_read, direct_write


read_record, write_record = _direct() or (_public_read, _public_write)
"""``read_record(tls)`` gives what one record holds, at most RECORD bytes; ``write_record(tls, data)`` how
many bytes were taken. Both raise what ``recv`` and ``send`` of pyOpenSSL raise."""
