"""Handshakes, and reading and writing records, with as little around OpenSSL as there can be.

pyOpenSSL's ``recv`` and ``send`` make a buffer and ask for the error of every call, also of one that went
well: together a seventh of the broker's time per message. Its verify callback makes objects of a certificate
that nobody looks at, three times in a handshake. What is here calls the same functions of the same library
(``OpenSSL._util.lib``) and leaves errors to pyOpenSSL. Those names are not public, so with a version of
pyOpenSSL that is without them its own methods do the work.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from OpenSSL import SSL

RECORD = 16384
"""Bytes of application data that a TLS record can hold (RFC 8446, 5.1)."""


def _public_handle(tls: SSL.Connection) -> Any:
    return tls


def _public_handshake(tls: SSL.Connection, handle: Any) -> bool:
    try:
        tls.do_handshake()
    except SSL.WantReadError:
        return False
    return True


def _public_read(tls: SSL.Connection, handle: Any) -> bytes:
    return tls.recv(RECORD)


def _public_write(tls: SSL.Connection, handle: Any, data: bytes) -> int:
    return tls.send(data)


class Ways(NamedTuple):
    handle: Callable[[Any], Any]
    handshake: Callable[[Any, Any], bool]
    read: Callable[[Any, Any], bytes]
    write: Callable[[Any, Any, bytes], int]


def _direct() -> Ways | None:
    try:
        from OpenSSL._util import ffi, lib

        ssl_read, ssl_write = lib.SSL_read, lib.SSL_write
        ssl_do_handshake, ssl_get_error = lib.SSL_do_handshake, lib.SSL_get_error
        want_read: int = lib.SSL_ERROR_WANT_READ
        fail = SSL.Connection._raise_ssl_error
        buffer: Any = ffi.new("char[]", RECORD)
        unpack = ffi.unpack
    except (ImportError, AttributeError):
        return None

    def direct_handle(tls: Any) -> Any:
        return tls._ssl

    def direct_handshake(tls: Any, handle: Any) -> bool:
        result: int = ssl_do_handshake(handle)
        if result > 0:
            return True
        if ssl_get_error(handle, result) == want_read:
            return False
        fail(tls, handle, result)
        return False

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

    return Ways(direct_handle, direct_handshake, direct_read, direct_write)


handle_of, shake_hands, read_record, write_record = _direct() or Ways(
    _public_handle, _public_handshake, _public_read, _public_write
)
"""``shake_hands(tls, handle)`` is whether the handshake is done, or more must be read first;
``read_record(tls, handle)`` gives what one record holds, at most RECORD bytes, and ``write_record(tls,
handle, data)`` how many bytes were taken. ``handle`` is ``handle_of(tls)``: with many connections, to look it
up each time costs more than it seems. All raise what pyOpenSSL's own methods raise."""


def _public_accept_any(context: SSL.Context) -> None:
    context.set_verify(SSL.VERIFY_PEER, lambda connection, certificate, error, depth, ok: True)


def _direct_accept_any() -> Callable[[SSL.Context], None] | None:
    try:
        from OpenSSL._util import ffi, lib

        set_verify = lib.SSL_CTX_set_verify
        callback: Any = ffi.callback("int (*)(int, X509_STORE_CTX *)", lambda ok, store: 1)
        SSL.Context(SSL.TLS_SERVER_METHOD)._context  # noqa: B018 - whether there is one
    except (ImportError, AttributeError):
        return None

    def accept(context: Any) -> None:
        set_verify(context._context, SSL.VERIFY_PEER, callback)

    return accept


accept_any = _direct_accept_any() or _public_accept_any
"""Have a server ask for a certificate and take whatever comes (SSL_CTX_set_verify(3))."""


def has_gone(sock: socket.socket) -> bool:
    """Whether the peer has ended the connection without a close_notify of its own: it listens for none, as
    MQTT clients mostly do not once they have sent DISCONNECT."""
    try:
        return not sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
