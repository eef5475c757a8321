"""One commit of the mailbox, while it is gathered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sekisho.store import sessions
from sekisho.store.statement import Statement

if TYPE_CHECKING:
    from sekisho.broker.mailbox import Owner, Stored


class Batch:
    """What one turn of the loop brought: statements, their bytes, whom to tell afterwards, and who waits."""

    __slots__ = ("_entries", "_of", "_statements", "bytes", "done", "size", "told")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._statements: list[Statement] = []
        self._of: Stored | None = None
        self._entries: list[Owner] = []
        self.size = 0
        """Statements and entries."""
        self.bytes = 0
        self.told: list[tuple[Owner, Stored]] = []
        self.done: asyncio.Future[None] = loop.create_future()

    def add(self, statements: Iterable[Statement]) -> None:
        """After all that was added or entered before."""
        self._end_entries()
        before = len(self._statements)
        self._statements += statements
        self.size += len(self._statements) - before

    def enter(self, owner: Owner, stored: Stored) -> None:
        """Have a message, whose body was added, wait for one more owner."""
        if self._of is not stored:
            self._end_entries()
            self._of = stored
        self._entries.append(owner)
        self.size += 1
        self.told.append((owner, stored))

    def _end_entries(self) -> None:
        """One statement for many of one message: most of a fan-out's cost is the statements'."""
        stored, owners = self._of, self._entries
        if stored is not None and owners:
            first = owners[0]
            keys = [owner.key for owner in owners]
            self._statements += sessions.put_entries(first.account, first.region, keys, stored.id)
            self._entries = []
        self._of = None

    def statements(self) -> Sequence[Statement]:
        """All, in their order."""
        self._end_entries()
        return self._statements
