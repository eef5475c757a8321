"""How SQLite's one writer makes a group of commits one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from sekisho.store.changes import APPEND
from sekisho.store.intake import Outcome, Pending
from sekisho.store.journals import APPEND_AUDIT
from sekisho.store.parameters import numbered, positional
from sekisho.store.several import AT_ONCE, NAME, VALUES, parts
from sekisho.store.statement import (
    Conflict,
    DiskFull,
    Row,
    Statement,
    StoreError,
    Unavailable,
    check_expectation,
    writes_change,
)

MANY_NAMES = 64
GATHERED = frozenset({APPEND, APPEND_AUDIT})
"""What adds a row to the end of a table, where nobody else in the transaction looks."""

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


def commit_group(connection: sqlite3.Connection, group: Sequence[Pending]) -> list[Outcome]:
    """All of a group in one transaction, as if one after another: together if that goes, else each in a
    savepoint of its own."""
    try:
        if len(group) > 1:
            outcomes = _together(connection, group)
            if outcomes is not None:
                return outcomes
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
        kind = DiskFull if is_full(error) else Unavailable
        return [kind(f"the database could not write: {plain(error)}") for _ in group]
    return outcomes


def _together(connection: sqlite3.Connection, group: Sequence[Pending]) -> list[Outcome] | None:
    """Without savepoints, for which SQLite copies every page before it is changed, and with the rows at the
    ends of their tables gathered: each statement is a change of hands of the interpreter's lock, which takes
    longer than a row. None when one fails, as rarely one does; then nothing has happened."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        heads = [_without_tail(pending.statements) for pending in group]
        if any(writes_change(statement.sql) for head in heads for statement in head):
            heads = [pending.statements for pending in group]  # the feed has the order of the statements
        gathered: dict[str, list[Mapping[str, Any]]] = {}
        outcomes: list[Outcome] = []
        for pending, head in zip(group, heads, strict=True):
            tail = pending.statements[len(head) :]
            for statement in tail:
                gathered.setdefault(statement.sql, []).append(statement.params)
            outcomes.append([*(_run(connection, statement) for statement in head), *([] for _ in tail)])
        for sql, rows in gathered.items():
            _insert_several(connection, sql, rows)
        connection.execute("COMMIT")
    except Exception:
        with suppress(sqlite3.Error):
            if connection.in_transaction:  # a full disk, for one, has ended it already
                connection.execute("ROLLBACK")
        return None
    return outcomes


def _without_tail(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    end = len(statements)
    while end and statements[end - 1].sql in GATHERED:
        end -= 1
    return statements[:end]


def _insert_several(connection: sqlite3.Connection, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows by one INSERT written for one, in their order."""
    names = numbered(sql).names
    for some in parts(rows, AT_ONCE):
        values = [row[name] for row in some for name in names]
        connection.execute(_for_several(sql, len(some)), values)


@lru_cache(maxsize=64)
def _for_several(sql: str, count: int) -> str:
    found = VALUES.search(sql)
    assert found is not None
    row = NAME.sub("?", found[1])
    return sql[: found.start(1)] + ", ".join([row] * count) + sql[found.end(1) :]


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
        failure = store_error(error)
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
    found = rows(cursor)
    check_expectation(statement, len(found))
    return found


def _bound(statement: Statement) -> tuple[str, Any]:
    """SQLite looks through all names before a name's own to find it: of several hundred, as of many rows, it
    is quicker without."""
    if len(statement.params) < MANY_NAMES:
        return statement.sql, dict(statement.params)
    names = numbered(statement.sql).names
    return positional(statement.sql), [statement.params[name] for name in names]


def rows(cursor: sqlite3.Cursor) -> list[Row]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def store_error(error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    if code in _TAKEN:
        return Conflict(plain(error))
    if is_full(error):
        return DiskFull(f"the database could not write: {plain(error)}")
    # The low byte is the primary code (sqlite.org/rescode.html).
    if code is not None and code & 0xFF in _UNAVAILABLE:
        return Unavailable(f"the database could not do it now: {plain(error)}")
    return StoreError(f"the database refused: {plain(error)}")


def is_full(error: Exception) -> bool:
    """What SQLite makes of ENOSPC, and of a database that is as large as it may become."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def plain(error: Exception) -> str:
    # SQLite's own messages name tables, columns and words of SQL; others could quote a value.
    return str(error) if isinstance(error, sqlite3.Error) else type(error).__name__
