"""Names that nobody has had before."""

from __future__ import annotations

import os

AT_ONCE = 256

_unused: list[bytes] = []
"""Random bytes for the next names: each question to the system lets go of the interpreter's lock, and under
load waits much longer to have it back than the answer takes."""

os.register_at_fork(after_in_child=_unused.clear)


def new_uuid() -> str:
    """A random UUID as text (RFC 9562, 5.4). Every request and connection has one, so it is not made by way
    of the standard library's class, which takes four times as long."""
    try:
        digits = _unused.pop().hex()
    except IndexError:
        drawn = os.urandom(16 * AT_ONCE)
        _unused.extend(drawn[at : at + 16] for at in range(16, len(drawn), 16))
        digits = drawn[:16].hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
