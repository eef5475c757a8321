"""One statement for many rows: what a statement costs beside its rows is paid once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sekisho.store.statement import Statement

AT_ONCE = 32
"""Rows of a statement, unless told. An INSERT has few texts, so that prepared ones are found again."""

T = TypeVar("T")

VALUES = re.compile(r"VALUES\s*(\([^()]*\))")
NAME = re.compile(r":(\w+)")


def insert_several(sql: str, rows: Sequence[Mapping[str, Any]], at_once: int = AT_ONCE) -> list[Statement]:
    """An INSERT, written for one row of ``VALUES (:name, …)``, for as many as there are, in their order.
    ``at_once`` is a power of two."""
    return [
        Statement(
            _text(sql, len(some)),
            {f"{name}_{n}": value for n, row in enumerate(some) for name, value in row.items()},
        )
        for some in parts(rows, at_once)
    ]


def any_of(
    sql: str, name: str, values: Sequence[Any], params: Mapping[str, Any], at_once: int = AT_ONCE
) -> list[Statement]:
    """A statement with ``IN (:name)`` for as many values as there are."""
    found = []
    for at in range(0, len(values), at_once):
        some = values[at : at + at_once]
        width = 1 if len(some) == 1 else at_once
        padded = [*some, *[some[-1]] * (width - len(some))]
        named = {f"{name}_{n}": value for n, value in enumerate(padded)}
        found.append(Statement(_in_text(sql, name, width), {**params, **named}))
    return found


def parts(rows: Sequence[T], at_once: int) -> Iterator[Sequence[T]]:
    """In powers of two, the largest first."""
    at, size = 0, at_once
    while at < len(rows):
        while size > len(rows) - at:
            size //= 2
        yield rows[at : at + size]
        at += size


@lru_cache(maxsize=256)
def _text(sql: str, count: int) -> str:
    found = VALUES.search(sql)
    if found is None:
        raise ValueError("there is no VALUES with one row")
    row = found[1]
    many = ", ".join(NAME.sub(rf":\1_{n}", row) for n in range(count))
    return sql[: found.start(1)] + many + sql[found.end(1) :]


@lru_cache(maxsize=64)
def _in_text(sql: str, name: str, width: int) -> str:
    names = ", ".join(f":{name}_{n}" for n in range(width))
    return sql.replace(f"IN (:{name})", f"IN ({names})")
