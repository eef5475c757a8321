"""The server name in a ClientHello, read before OpenSSL reads it.

OpenSSL chooses the version of TLS before it asks whose name the client has given, and a domain's security
policy says which versions it may be. Source: RFC 8446, 4.1.2; RFC 6066, section 3.
"""

from __future__ import annotations

HANDSHAKE, CLIENT_HELLO = 22, 1
SERVER_NAME, HOST_NAME = 0, 0

HEAD = 5
"""Bytes of a record before its content."""

LONGEST = HEAD + 16384
"""Bytes of the first record; what has its name beyond it is taken for one without a name."""


def wanted(data: bytes) -> int:
    """How many bytes the first record has, as far as those that have come tell; at most `LONGEST`."""
    if len(data) < HEAD:
        # Anything else than a handshake is OpenSSL's to refuse, at once.
        return HEAD if data[:1] in (b"", b"\x16") else len(data)
    if data[0] != HANDSHAKE:
        return len(data)
    return min(HEAD + int.from_bytes(data[3:5]), LONGEST)


def server_name(data: bytes) -> str:
    """The host name in the first record of a handshake, in lower case; '' where there is none to be found."""
    try:
        return _server_name(data)
    except (IndexError, UnicodeDecodeError):
        return ""


def _server_name(data: bytes) -> str:
    if data[0] != HANDSHAKE or data[HEAD] != CLIENT_HELLO:
        return ""
    at = HEAD + 4 + 2 + 32  # the message's head, the version, the random
    at += 1 + data[at]  # session id
    at += 2 + int.from_bytes(_part(data, at, 2))  # cipher suites
    at += 1 + data[at]  # compression
    end = at + 2 + int.from_bytes(_part(data, at, 2))
    at += 2
    while at < end:
        kind = int.from_bytes(_part(data, at, 2))
        size = int.from_bytes(_part(data, at + 2, 2))
        at += 4
        if kind == SERVER_NAME:
            return _host_name(_part(data, at, size))
        at += size
    return ""


def _host_name(content: bytes) -> str:
    """Of a ServerNameList; clients send one name."""
    if content[2] != HOST_NAME:
        return ""
    return _part(content, 5, int.from_bytes(_part(content, 3, 2))).decode("ascii").lower()


def _part(data: bytes, at: int, size: int) -> bytes:
    part = data[at : at + size]
    if len(part) != size:
        raise IndexError
    return part
