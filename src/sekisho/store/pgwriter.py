"""PostgreSQL's one writing connection: groups of commits, and starting over when the connection is lost."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg

from sekisho.store.intake import Outcome, Pending
from sekisho.store.parameters import numbered
from sekisho.store.statement import (
    Conflict,
    DiskFull,
    Row,
    Statement,
    StoreError,
    Unavailable,
    check_expectation,
)

PREPARED = 256
"""How many statements are kept prepared."""

# Any constant will do; this one is "sekisho" in ASCII.
LOCK = "SELECT pg_advisory_xact_lock(32481134326802543)"
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {LOCK}"
_BEGIN_CAREFULLY = f"{_BEGIN}; SAVEPOINT one"
_NEXT = "RELEASE SAVEPOINT one; SAVEPOINT one"
_UNDO = "ROLLBACK TO SAVEPOINT one"

COMMAND_SECONDS = 60.0
# A node that vanishes in the middle of a transaction would hold the lock, and every other node with it,
# until the server's TCP gave up: so the server ends a transaction that hears nothing, and looks for dead
# peers often.
SETTINGS = {
    "application_name": "sekisho writer",
    "idle_in_transaction_session_timeout": "15s",
    "lock_timeout": "30s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

LOST: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""After these the connection is not used again."""

_UNAVAILABLE: tuple[type[Exception], ...] = (
    *LOST,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
)
_CONFLICT = (asyncpg.UniqueViolationError, asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


class _Lost(Exception):
    """The connection went away; ``unknown`` when COMMIT had been sent."""

    def __init__(self, unknown: bool) -> None:
        super().__init__()
        self.unknown = unknown


class Writer:
    """Carries out groups, one at a time. Connects when there is something to write."""

    def __init__(self, url: str, connect_seconds: float) -> None:
        self._url = url
        self._connect_seconds = connect_seconds
        self._connection: Any = None
        self._prepared: OrderedDict[str, Any] = OrderedDict()

    async def commit_group(self, group: Sequence[Pending]) -> list[Outcome]:
        """What became of each commit; never raises but for a cancellation.

        A group whose connection was lost before COMMIT was sent has not happened, and is tried once more.
        """
        why = "the database connection was lost twice; nothing of this commit happened"
        kind: type[StoreError] = Unavailable
        for _ in range(2):
            try:
                return await self._transact(await self._connected(), group)
            except _Lost as lost:
                self._drop()
                if lost.unknown:
                    why = "the database connection was lost; whether this commit happened is unknown"
                    break
            except LOST:
                self._drop()
                why = "the database cannot be reached; nothing of this commit happened"
                break
            except Exception as error:
                self._drop()  # which also rolls back
                failure = store_error(error, ())
                why, kind = f"{failure}; nothing of this commit happened", type(failure)
                break
            except BaseException:
                self._drop()
                raise
        return [(DiskFull if kind is DiskFull else Unavailable)(why) for _ in group]

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        self._prepared.clear()
        if connection is not None:
            with suppress(*LOST):
                await connection.close(timeout=5)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._prepared.clear()
        if connection is not None:
            connection.terminate()

    async def _connected(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            self._drop()
            connection = await asyncpg.connect(
                self._url,
                timeout=self._connect_seconds,
                command_timeout=COMMAND_SECONDS,
                server_settings=SETTINGS,
            )
            self._connection = connection
            # Durable when it returns, whatever the database's default; a stricter one (remote_apply) stays.
            if await connection.fetchval("SHOW synchronous_commit") == "off":
                await connection.execute("SET synchronous_commit = on")
        return self._connection

    async def _transact(
        self, connection: Any, group: Sequence[Pending], careful: bool = False
    ) -> list[Outcome]:
        """The group in one transaction: first as if nothing in it could fail, and when something did, once
        more with a savepoint for each commit. A savepoint is one more round trip to the server.
        """
        outcomes: list[Outcome] = []
        committing = False
        try:
            await connection.execute(_BEGIN_CAREFULLY if careful else _BEGIN)
            for pending in group:
                outcome = await self._apply(connection, pending.statements)
                failed = isinstance(outcome, StoreError)
                if careful:
                    await connection.execute(_UNDO if failed else _NEXT)
                elif failed:
                    await connection.execute("ROLLBACK")
                    break
                outcomes.append(outcome)
            else:
                committing = True
                status = await connection.execute("COMMIT")
                if status != "COMMIT":  # PostgreSQL answers ROLLBACK when the transaction had failed
                    raise StoreError("the database rolled the transaction back")
                return outcomes
        except LOST:
            raise _Lost(committing) from None
        return [outcome] if len(group) == 1 else await self._transact(connection, group, careful=True)

    async def _apply(self, connection: Any, statements: Sequence[Statement]) -> Outcome:
        results: list[list[Row]] = []
        names: tuple[str, ...] = ()
        try:
            for statement in statements:
                names = numbered(statement.sql).names
                results.append(await self._run(connection, statement))
        except LOST:
            raise
        except Exception as error:
            if isinstance(error, asyncpg.InvalidCachedStatementError):
                self._prepared.clear()  # a newer node has migrated
            failure = store_error(error, names)
            if isinstance(failure, Conflict):
                failure.index = len(results)
            return failure
        return results

    async def _run(self, connection: Any, statement: Statement) -> list[Row]:
        query = numbered(statement.sql)
        prepared = self._prepared.get(query.sql)
        if prepared is None:
            prepared = await connection.prepare(query.sql)
            self._prepared[query.sql] = prepared
            if len(self._prepared) > PREPARED:
                self._prepared.popitem(last=False)
        else:
            self._prepared.move_to_end(query.sql)
        if statement.rows is not None:
            await prepared.executemany(statement.rows)
            return []
        records = await prepared.fetch(*[statement.params[name] for name in query.names])
        if prepared.get_attributes():
            check_expectation(statement, len(records))
            return [dict(record) for record in records]
        # "UPDATE 3", "INSERT 0 1"; a command that touches no rows has no number.
        count = prepared.get_statusmsg().rpartition(" ")[2]
        check_expectation(statement, int(count) if count.isdigit() else 0)
        return []


def store_error(error: Exception, names: Sequence[str]) -> StoreError:
    """The store's own error for one of asyncpg's, without what could quote a value (details, arguments)."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, KeyError):
        return StoreError(f"the parameter {error.args[0]} is missing")
    if isinstance(error, _CONFLICT):
        return Conflict(error.message)
    if isinstance(error, asyncpg.DataError):
        argument = re.search(r"query argument \$(\d+)", str(error))
        which = f"the parameter {names[int(argument[1]) - 1]}" if argument and names else "a value"
        return StoreError(f"{which} has a type or a size that its column does not take")
    if isinstance(error, asyncpg.DiskFullError):
        return DiskFull(f"the database could not write: the disk is full: {plain(error)}")
    if isinstance(error, _UNAVAILABLE):
        return Unavailable(f"the database could not do it now: {plain(error)}")
    return StoreError(f"the database refused: {plain(error)}")


def plain(error: BaseException) -> str:
    """A driver's error in its own words, without the detail that could quote a value."""
    words = getattr(error, "strerror", None) or getattr(error, "message", None)
    return str(words or type(error).__name__)
