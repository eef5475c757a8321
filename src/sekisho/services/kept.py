"""What has been read of the registry and is kept until the change feed says otherwise."""

from __future__ import annotations

from typing import TypeVar

MOST = 20_000
"""Of each kind, how many are kept; past that all are read anew."""

K = TypeVar("K")
V = TypeVar("V")


class Kept:
    """Counts changes, so that what was read while one came is used once and not kept."""

    def __init__(self) -> None:
        self.changes = 0

    def keep(self, kept: dict[K, V], key: K, value: V, seen: int) -> V:
        """``seen`` is what ``changes`` was before the reading."""
        if self.changes == seen:
            if len(kept) >= MOST:
                kept.clear()
            kept[key] = value
        return value
