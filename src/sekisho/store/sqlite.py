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
from sekisho.store.intake import Intake, Pending
from sekisho.store.lock import Lock
from sekisho.store.statement import NO_PARAMS, Row, Statement, StoreError, Unavailable, check_params
from sekisho.store.transactions import commit_group, plain, rows, store_error

GROUP = 256
"""How many commits share one COMMIT, and so one wait for the disk."""
READERS = 6
"""Three for long reads (services/turns.py), two for what can wait (background.py), one for the rest."""
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


def _read(connection: sqlite3.Connection, sql: str, params: Mapping[str, Any]) -> list[Row]:
    try:
        return rows(connection.execute(sql, dict(params)))
    except Exception as error:
        raise store_error(error) from None


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
            raise StoreError(f"{path} cannot be opened: {plain(error)}") from None
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
