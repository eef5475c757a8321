"""One SQL statement with its named parameters, and what a store says when it cannot do it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

Row = Mapping[str, Any]
"""One row by column name. JSON columns are text, blobs are bytes, in both drivers."""

NO_PARAMS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL in the dialect both engines share, with ``:name`` parameters.

    ``expect`` is the number of rows it must return (a SELECT, a RETURNING) or touch (anything else); another
    number undoes the whole commit with :class:`Conflict`. None expects nothing.

    ``rows`` instead of ``params``: once for each row, whose values are in the order in which the SQL names
    them first. It returns nothing and expects nothing.
    """

    sql: str
    params: Mapping[str, Any] = field(default_factory=lambda: NO_PARAMS, repr=False)
    expect: int | None = None
    rows: Sequence[tuple[Any, ...]] | None = field(default=None, repr=False)


class Query(NamedTuple):
    """A read: ``await store.fetch(*query)``."""

    sql: str
    params: Mapping[str, Any]


class StoreError(Exception):
    """The database refused, or could not be asked. Messages never hold parameter values."""

    for_callers = "the database did not answer; try again"
    """What is said to whoever has asked for something that needs the database."""


class Conflict(StoreError):
    """An expectation failed, or a key was taken: nothing of the commit happened; read again and decide again.

    ``index`` is the place in the commit of the statement that failed.
    """

    index: int | None = None


class Unavailable(StoreError):
    """The database cannot be reached or cannot write now.

    For a commit that was under way the message says whether it certainly did not happen or is unknown.
    """


class DiskFull(Unavailable):
    """The database has no room to write, and will have none until somebody makes some."""

    for_callers = "the disk of the database is full"


class NewerDatabase(StoreError):
    """The database was migrated by a newer program than this one."""


class Locked(StoreError):
    """Another process holds the folder of a SQLite database; the message names its pid."""


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse what only one of the engines could hold: PostgreSQL's text has no U+0000, and neither has UTF-8
    for lone surrogates.
    """
    for name, value in params.items():
        if type(value) is not str:
            continue
        if "\0" in value:
            raise StoreError(f"the parameter {name} contains U+0000, which text cannot hold")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise StoreError(f"the parameter {name} is not valid Unicode text") from None


def check_rows(rows: Sequence[tuple[Any, ...]]) -> None:
    """The same for many rows."""
    for row in rows:
        for value in row:
            if type(value) is str and ("\0" in value or not value.isascii()):
                check_params({"row": value})


def check_expectation(statement: Statement, found: int) -> None:
    """:raises Conflict: when the statement expected another number of rows."""
    if statement.expect is not None and statement.expect != found:
        raise Conflict(f"expected {statement.expect} rows, found {found}: {headline(statement.sql)}")


@lru_cache(maxsize=1024)
def headline(sql: str) -> str:
    """The statement's beginning on one line, for error messages."""
    line = " ".join(sql.split())
    return line if len(line) <= 80 else line[:77] + "..."


@lru_cache(maxsize=1024)
def writes_change(sql: str) -> bool:
    """Whether the statement adds to the table ``change``, so that the doorbell must ring."""
    return re.match(r"\s*INSERT\s+INTO\s+change\b", sql, re.IGNORECASE) is not None
