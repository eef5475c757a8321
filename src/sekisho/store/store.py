"""The one door to the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sekisho.store.postgres import open_postgres
from sekisho.store.sqlite import open_sqlite
from sekisho.store.statement import NO_PARAMS, Row, Statement, StoreError


class Store(Protocol):
    """Read freely, then commit a list of statements as a whole or not at all."""

    async def fetch(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        """The rows of a query that only reads. It sees every commit that returned before it was called.

        Cancelling it interrupts the query in the database.

        :raises StoreError: the SQL or a parameter is wrong
        :raises Unavailable: the database cannot be reached
        """
        ...

    async def commit(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run the statements in order in one transaction; durable (power loss too) when it returns.

        The answer has the rows of each statement ([] for one that returns none). Commits of all nodes of a
        database happen one after another, so a guard that a statement expresses with ``expect`` is exact.
        A cancelled commit happens wholly or not at all, but which of the two is not known.

        :raises Conflict: a statement's expectation failed, or a key was taken; nothing happened
        :raises StoreError: a statement is wrong; nothing happened
        :raises Unavailable: the database cannot be reached; the message says when the outcome is unknown
        """
        ...

    async def close(self) -> None:
        """Finish what was accepted, refuse what is new, and let go of the database."""
        ...


async def open_store(url: str, *, on_commit: Callable[[], None] | None = None) -> Store:
    """Open and migrate the database at ``sqlite:/path/to/file.db`` or ``postgresql://user@host/name``.

    ``on_commit`` is called on the running loop after each group of commits that added a row to ``change``.

    :raises StoreError: the URL or the database is not usable, :class:`Locked`, :class:`NewerDatabase`
    :raises Unavailable: the server cannot be reached
    """
    scheme, colon, rest = url.partition(":")
    if colon and scheme == "sqlite":
        if not rest or rest.startswith(":") or rest.endswith("/"):
            raise StoreError("the database URL must name a file, as in sqlite:/path/to/file.db")
        return await open_sqlite(Path(rest), on_commit)
    if colon and scheme in ("postgresql", "postgres"):
        return await open_postgres(url, on_commit)
    raise StoreError("the database URL must begin with sqlite: or postgresql://")
