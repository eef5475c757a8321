"""The SQLite driver: one writer thread with group commit, a few read-only connections."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from sekisho.store import migrations
from sekisho.store.checkpoints import AT_MOST, Checkpoints
from sekisho.store.intake import Intake, Outcome, Pending
from sekisho.store.lock import Lock
from sekisho.store.parameters import numbered, positional
from sekisho.store.statement import (
    NO_PARAMS,
    Conflict,
    DiskFull,
    Row,
    Statement,
    StoreError,
    Unavailable,
    check_expectation,
    check_params,
)

GROUP = 256
"""How many commits share one COMMIT, and so one wait for the disk."""
READERS = 6
"""Three for long reads (services/turns.py), two for what can wait (background.py), one for the rest."""
MANY_NAMES = 64
BUSY_SECONDS = 5.0
"""How long to wait for another program that holds the file, such as a backup."""

# With FULL the log is synced at every COMMIT: durable means power loss too (sqlite.org/pragma.html).
PRAGMAS = (
    "PRAGMA synchronous = FULL",
    f"PRAGMA journal_size_limit = {AT_MOST * 4096}",
    "PRAGMA temp_store = MEMORY",
    # Of many millions of rows each commit touches pages all over: those that come again stay in memory (KiB).
    "PRAGMA cache_size = -32768",
    f"PRAGMA wal_autocheckpoint = {AT_MOST}",
)

_TAKEN = {
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
}
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_INTERRUPT,
}


class Opened(NamedTuple):
    lock: Lock
    writer: sqlite3.Connection
    copier: sqlite3.Connection
    readers: list[sqlite3.Connection]


async def open_sqlite(path: Path, on_commit: Callable[[], None] | None) -> SqliteStore:
    """Open, lock and migrate; see :func:`sekisho.store.store.open_store`."""
    opened = await asyncio.to_thread(_open, path)
    return SqliteStore(opened, on_commit)


class SqliteStore:
    """See :class:`sekisho.store.store.Store`."""

    def __init__(self, opened: Opened, on_commit: Callable[[], None] | None) -> None:
        self._lock = opened.lock
        self._writer = opened.writer
        self._checkpoints = Checkpoints(opened.writer, opened.copier)
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Pending | None] = SimpleQueue()
        self._intake = Intake(self._queue.put, on_commit)
        self._stopped = asyncio.Event()
        self._closing = False
        self._reading: dict[sqlite3.Connection, asyncio.Future[list[Row]]] = {}
        # None, once the store is closed, sends everyone who waits away.
        self._idle: asyncio.Queue[sqlite3.Connection | None] = asyncio.Queue()
        for connection in opened.readers:
            self._idle.put_nowait(connection)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        # A daemon: a program that dies without close() must not hang; what is uncommitted was not promised.
        self._thread = threading.Thread(target=self._write, name="store-write", daemon=True)
        self._thread.start()

    async def fetch(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        check_params(params)
        connection = await self._idle.get()
        if connection is None or self._closing:
            self._idle.put_nowait(connection)
            raise Unavailable("the store is closed")
        running = self._loop.run_in_executor(self._pool, _read, connection, sql, params)
        self._reading[connection] = running
        # The connection is free when its thread is done with it: after a cancellation, a little later.
        running.add_done_callback(lambda done: self._returned(connection, done))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._interrupt(connection, running)
            raise

    def _returned(self, connection: sqlite3.Connection, done: asyncio.Future[list[Row]]) -> None:
        if not done.cancelled():
            done.exception()  # of a cancelled fetch nobody else asks
        del self._reading[connection]
        self._idle.put_nowait(connection)

    def _interrupt(self, connection: sqlite3.Connection, running: asyncio.Future[list[Row]]) -> None:
        # An interrupt before the thread has begun its query has no effect, so it is repeated until the end.
        if not running.done():
            connection.interrupt()
            self._loop.call_later(0.01, self._interrupt, connection, running)

    async def commit(self, statements: Sequence[Statement]) -> list[list[Row]]:
        return await self._intake.submit(statements)

    async def close(self) -> None:
        if self._intake.close():
            self._queue.put(None)
        await self._stopped.wait()
        if self._closing:
            return
        self._closing = True
        self._thread.join()
        for connection, running in self._reading.items():
            self._interrupt(connection, running)
        for _ in range(READERS):
            idle = await self._idle.get()
            if idle is not None:
                idle.close()
        self._idle.put_nowait(None)
        self._pool.shutdown()
        self._lock.release()

    def _write(self) -> None:
        """The writer thread: whatever has gathered is one group."""
        more = True
        while more:
            first = self._queue.get()
            group = [first] if first is not None else []
            more = first is not None
            with suppress(Empty):
                while more and len(group) < GROUP:
                    pending = self._queue.get_nowait()
                    if pending is None:
                        more = False
                    else:
                        group.append(pending)
            for part in _parts(group):
                settled = list(zip(part, commit_group(self._writer, part), strict=True))
                with suppress(RuntimeError):  # the loop is gone, and with it everyone who waited
                    self._loop.call_soon_threadsafe(self._intake.settle, settled)
                self._checkpoints.look()
        self._checkpoints.close()
        # A stopped node's database is one file, for whoever copies it.
        with suppress(sqlite3.Error):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopped.set)


def _parts(group: Sequence[Pending]) -> Iterator[list[Pending]]:
    """A commit of many rows is one alone, so that those before it need not wait for it."""
    part: list[Pending] = []
    for pending in group:
        if any(statement.rows is not None for statement in pending.statements):
            if part:
                yield part
            yield [pending]
            part = []
        else:
            part.append(pending)
    if part:
        yield part


def commit_group(connection: sqlite3.Connection, group: Sequence[Pending]) -> list[Outcome]:
    """Each commit in a savepoint of its own, all of them in one transaction. One that is alone needs none,
    for which SQLite would copy every page before it is changed."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        if len(group) > 1:
            outcomes = [_apply(connection, pending.statements) for pending in group]
        else:
            outcomes = [_run_all(connection, group[0].statements)]
        undo = len(group) == 1 and isinstance(outcomes[0], StoreError)
        connection.execute("ROLLBACK" if undo else "COMMIT")
    except Exception as error:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        # One object each: an exception that several tasks raise would gather all their tracebacks.
        kind = DiskFull if _is_full(error) else Unavailable
        return [kind(f"the database could not write: {_plain(error)}") for _ in group]
    return outcomes


def _apply(connection: sqlite3.Connection, statements: Sequence[Statement]) -> Outcome:
    connection.execute("SAVEPOINT one")
    outcome = _run_all(connection, statements)
    if isinstance(outcome, StoreError):
        connection.execute("ROLLBACK TO one")
    connection.execute("RELEASE one")
    return outcome


def _run_all(connection: sqlite3.Connection, statements: Sequence[Statement]) -> Outcome:
    """An error as outcome is one to undo; one that has ended the whole transaction is raised."""
    results: list[list[Row]] = []
    try:
        results.extend(_run(connection, statement) for statement in statements)
    except Exception as error:
        if not connection.in_transaction:  # a full disk, for one
            raise
        failure = _store_error(error)
        if isinstance(failure, Conflict):
            failure.index = len(results)
        return failure
    return results


def _run(connection: sqlite3.Connection, statement: Statement) -> list[Row]:
    if statement.rows is not None:
        connection.executemany(positional(statement.sql), statement.rows)
        return []
    before = connection.total_changes
    cursor = connection.execute(*_bound(statement))
    if cursor.description is None:
        check_expectation(statement, connection.total_changes - before)
        return []
    rows = _rows(cursor)
    check_expectation(statement, len(rows))
    return rows


def _bound(statement: Statement) -> tuple[str, Any]:
    """SQLite looks through all names before a name's own to find it: of several hundred, as of many rows, it
    is quicker without."""
    if len(statement.params) < MANY_NAMES:
        return statement.sql, dict(statement.params)
    names = numbered(statement.sql).names
    return positional(statement.sql), [statement.params[name] for name in names]


def _rows(cursor: sqlite3.Cursor) -> list[Row]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _read(connection: sqlite3.Connection, sql: str, params: Mapping[str, Any]) -> list[Row]:
    try:
        return _rows(connection.execute(sql, dict(params)))
    except Exception as error:
        raise _store_error(error) from None


def _store_error(error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    if code in _TAKEN:
        return Conflict(_plain(error))
    if _is_full(error):
        return DiskFull(f"the database could not write: {_plain(error)}")
    # The low byte is the primary code (sqlite.org/rescode.html).
    if code is not None and code & 0xFF in _UNAVAILABLE:
        return Unavailable(f"the database could not do it now: {_plain(error)}")
    return StoreError(f"the database refused: {_plain(error)}")


def _is_full(error: Exception) -> bool:
    """What SQLite makes of ENOSPC, and of a database that is as large as it may become."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _plain(error: Exception) -> str:
    # SQLite's own messages name tables, columns and words of SQL; others could quote a value.
    return str(error) if isinstance(error, sqlite3.Error) else type(error).__name__


def _open(path: Path) -> Opened:
    with ExitStack() as undo:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = Lock(path.with_name(path.name + ".lock"))
            undo.callback(lock.release)
            # SQLite gives the log and its index the mode of the file itself.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            path.chmod(0o600)
        except OSError as error:
            raise StoreError(f"{path} cannot be used: {error.strerror}") from None
        try:
            writer = _connect(path, "rw")
            undo.callback(writer.close)
            _prepare(writer, path)
            copier = _connect(path, "rw")
            undo.callback(copier.close)
            readers = []
            for _ in range(READERS):
                readers.append(_connect(path, "ro"))
                undo.callback(readers[-1].close)
                readers[-1].execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be opened: {_plain(error)}") from None
        undo.pop_all()
        return Opened(lock, writer, copier, readers)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


def _prepare(writer: sqlite3.Connection, path: Path) -> None:
    (mode,) = writer.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"the file system of {path} cannot hold a write-ahead log; use a local one")
    for pragma in PRAGMAS:
        writer.execute(pragma)
    writer.execute("BEGIN IMMEDIATE")
    try:
        writer.execute(migrations.CREATE_META)
        found = writer.execute(migrations.READ_VERSION).fetchone()
        for sql in migrations.plan(found[0] if found else None, migrations.SQLITE):
            writer.execute(sql)
    except BaseException:
        writer.execute("ROLLBACK")
        raise
    writer.execute("COMMIT")
