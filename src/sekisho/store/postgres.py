"""The PostgreSQL driver: one writer with group commit, a pool of read-only connections.

Why every writing transaction begins with one and the same advisory lock:

- The commits of all nodes happen one after another, and the lock is let go of only after a commit can be
  seen. So the numbers that ``change.seq`` takes inside the lock become visible in their own order, and a
  reader that has seen seq 7 will never find a seq 6 that was committed late.
- Each statement runs at READ COMMITTED with a snapshot taken after the lock was got, so it sees every commit
  before it, and nothing can change between a guard and the write that it guards.

The price, that nodes do not write at the same time, is what group commit pays: a group waits for the disk
once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import asyncpg
import structlog

from sekisho.store import migrations
from sekisho.store.intake import Intake, Outcome, Pending
from sekisho.store.parameters import numbered
from sekisho.store.pgwriter import COMMAND_SECONDS, LOCK, LOST, Writer, plain, store_error
from sekisho.store.statement import NO_PARAMS, Row, Statement, StoreError, Unavailable, check_params

GROUP = 60
"""How many commits share one COMMIT; past 64 subtransactions PostgreSQL's snapshots get slow
(its manual, "Subtransactions")."""
READERS = 6
"""Three for long reads (services/turns.py), two for what can wait (background.py), one for the rest."""
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 5.0

# A reader must order text as SQLite does, by bytes; an ICU database may call itself C and not be.
_CHECK = (
    "SELECT datcollate, pg_encoding_to_char(encoding) AS encoding, 'a' < 'B' OR '~' > 'é' AS linguistic,"
    " current_setting('fsync') AS fsync FROM pg_database WHERE datname = current_database()"
)
_COLLATIONS = {"C", "POSIX", "C.UTF-8", "C.utf8"}

log = structlog.get_logger("sekisho.store")


class Reader(asyncpg.Connection):  # type: ignore[misc]
    """A connection that only ever reads has no session state for the pool to reset, so the round trip that
    would do it is saved.
    """

    def get_reset_query(self) -> str:
        return ""


async def open_postgres(url: str, on_commit: Callable[[], None] | None) -> PostgresStore:
    """Check, migrate and open; see :func:`sekisho.store.store.open_store`."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
        try:
            await _check(connection)
            await _migrate(connection)
        finally:
            await connection.close(timeout=CLOSE_SECONDS)
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=READERS,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings={"default_transaction_read_only": "on", "application_name": "sekisho reader"},
            connection_class=Reader,
        )
    except LOST as error:
        if isinstance(error, asyncpg.ClientConfigurationError):
            raise StoreError("the database URL is not a PostgreSQL URL") from None
        raise Unavailable(f"the database cannot be reached: {plain(error)}") from None
    except asyncpg.PostgresError as error:
        raise store_error(error, ()) from None
    except ValueError:
        raise StoreError("the database URL is not a PostgreSQL URL") from None
    return PostgresStore(url, pool, on_commit)


async def _check(connection: Any) -> None:
    row = await connection.fetchrow(_CHECK)
    if row["encoding"] != "UTF8":
        raise StoreError(f"the database's encoding is {row['encoding']}; create it with ENCODING 'UTF8'")
    if row["datcollate"] not in _COLLATIONS or row["linguistic"]:
        raise StoreError(
            f"the database's collation is {row['datcollate']}, which does not order text by its bytes;"
            " create it with LC_COLLATE 'C' TEMPLATE template0"
        )
    if row["fsync"] != "on":
        log.warning("the database server runs with fsync off: a power loss can destroy what was committed")


async def _migrate(connection: Any) -> None:
    async with connection.transaction():
        await connection.execute(LOCK)
        await connection.execute(migrations.CREATE_META)
        version = await connection.fetchval(migrations.READ_VERSION)
        for sql in migrations.plan(version, migrations.POSTGRES):
            await connection.execute(sql)


class PostgresStore:
    """See :class:`sekisho.store.store.Store`."""

    def __init__(self, url: str, pool: Any, on_commit: Callable[[], None] | None) -> None:
        self._pool = pool
        self._queue: asyncio.Queue[Pending | None] = asyncio.Queue()
        self._intake = Intake(self._queue.put_nowait, on_commit)
        self._writer = Writer(url, CONNECT_SECONDS)
        self._writing = asyncio.get_running_loop().create_task(self._write(), name="store-write")

    async def fetch(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        check_params(params)
        query = numbered(sql)
        try:
            arguments = [params[name] for name in query.names]
            # A cancelled fetch makes asyncpg send the server a cancel request.
            return [dict(record) for record in await self._pool.fetch(query.sql, *arguments)]
        except Exception as error:
            raise store_error(error, query.names) from None

    async def commit(self, statements: Sequence[Statement]) -> list[list[Row]]:
        return await self._intake.submit(statements)

    async def close(self) -> None:
        if self._intake.close():
            self._queue.put_nowait(None)
        await asyncio.shield(self._writing)
        try:
            await asyncio.wait_for(self._pool.close(), CLOSE_SECONDS)
        except TimeoutError:
            self._pool.terminate()

    async def _write(self) -> None:
        """Whatever has gathered is one group."""
        group: list[Pending] = []
        try:
            more = True
            while more:
                first = await self._queue.get()
                more = first is not None
                group = [first] if first is not None else []
                while more and len(group) < GROUP and not self._queue.empty():
                    pending = self._queue.get_nowait()
                    if pending is None:
                        more = False
                    else:
                        group.append(pending)
                if group:
                    outcomes = await self._writer.commit_group(group)
                    self._intake.settle(zip(group, outcomes, strict=True))
        finally:
            self._abandon(group)
            await self._writer.close()

    def _abandon(self, group: Sequence[Pending]) -> None:
        """Leave nobody waiting for a writer that has ended."""
        self._intake.close()
        rest: list[Pending] = [pending for pending in group if not pending.done.done()]
        while not self._queue.empty():
            pending = self._queue.get_nowait()
            if pending is not None:
                rest.append(pending)
        lost: list[tuple[Pending, Outcome]] = [
            (pending, Unavailable("the store's writer ended; the outcome is unknown")) for pending in rest
        ]
        self._intake.settle(lost)
