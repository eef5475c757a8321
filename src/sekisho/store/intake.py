"""The commits that wait for a store's one writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from sekisho.store.statement import (
    Row,
    Statement,
    StoreError,
    Unavailable,
    check_params,
    check_rows,
    writes_change,
)

QUEUE = 1024
"""How many commits may wait; whoever brings one more waits for a place."""

Outcome = list[list[Row]] | StoreError

log = structlog.get_logger("sekisho.store")


@dataclass(frozen=True, slots=True)
class Pending:
    """One commit and who waits for it."""

    statements: tuple[Statement, ...]
    done: asyncio.Future[list[list[Row]]]


class Intake:
    """The loop's side of group commit, the same for both drivers: ``put`` hands a commit to the writer, which
    takes whatever has gathered as one group and comes back with :meth:`settle`.
    """

    def __init__(self, put: Callable[[Pending], None], on_commit: Callable[[], None] | None) -> None:
        self._put = put
        self._on_commit = on_commit
        self._places = asyncio.Semaphore(QUEUE)
        self._gathered: list[Pending] = []
        self._closed = False

    async def submit(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Wait for a place, then for the writer. What was put is carried out even if this is cancelled."""
        for statement in statements:
            check_params(statement.params)
            if statement.rows is not None:
                check_rows(statement.rows)
        if not statements:
            return []
        await self._places.acquire()
        if self._closed:
            self._places.release()
            raise Unavailable("the store is closed; nothing of this commit happened")
        done: asyncio.Future[list[list[Row]]] = asyncio.get_running_loop().create_future()
        if not self._gathered:
            # What else this turn of the loop brings goes with it. A writer that began at once would want the
            # interpreter's lock while the rest is made, and each change of hands takes longer than a row.
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._gathered.append(Pending(tuple(statements), done))
        return await done

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        for pending in gathered:
            self._put(pending)

    def settle(self, group: Iterable[tuple[Pending, Outcome]]) -> None:
        """Tell everyone in a finished group how it went, then ring."""
        ring = False
        for pending, outcome in group:
            self._places.release()
            if not isinstance(outcome, StoreError):
                ring = ring or any(writes_change(statement.sql) for statement in pending.statements)
                if not pending.done.done():
                    pending.done.set_result(outcome)
            elif not pending.done.done():
                pending.done.set_exception(outcome)
        if ring and self._on_commit is not None:
            try:
                self._on_commit()
            except Exception:
                log.exception("the doorbell failed; readers will notice the commit at their next look")

    def close(self) -> bool:
        """Refuse new commits; False when that was so already."""
        was_open, self._closed = not self._closed, True
        self._hand_over()
        return was_open
