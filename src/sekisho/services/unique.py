"""Names that nobody has had before."""

from __future__ import annotations

import os


def new_uuid() -> str:
    """A random UUID as text (RFC 9562, 5.4). Every request and connection has one, so it is not made by way
    of the standard library's class, which takes four times as long."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
