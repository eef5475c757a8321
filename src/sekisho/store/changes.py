"""The table ``change``: what every node must hear of. :mod:`sekisho.store.feed` follows it."""

from __future__ import annotations

from typing import Any, NamedTuple

from sekisho.store.statement import Query, Statement

APPEND = """
INSERT INTO change (account, region, kind, id, what, at)
VALUES (:account, :region, :kind, :id, :what, :at)"""

READ = """
SELECT seq, account, region, kind, id, what, at
  FROM change
 WHERE seq > :after
 ORDER BY seq LIMIT :limit"""

LAST = "SELECT COALESCE(MAX(seq), 0) AS seq FROM change"


class Change(NamedTuple):
    """What happened (``what``) to the resource ``kind``, ``id`` of an account and region, when (civil)."""

    seq: int
    account: str
    region: str
    kind: str
    id: str
    what: str
    at: float


def append_change(account: str, region: str, kind: str, id: str, what: str, at: float) -> Statement:
    """Belongs in the same commit as the change itself."""
    params: dict[str, Any] = {
        "account": account,
        "region": region,
        "kind": kind,
        "id": id,
        "what": what,
        "at": at,
    }
    return Statement(APPEND, params)


def read_changes(after: int, limit: int) -> Query:
    """Up to ``limit`` changes with seq > ``after``; the rows are :class:`Change`'s fields."""
    return Query(READ, {"after": after, "limit": limit})


def last_change() -> Query:
    """One row: seq of the newest change, 0 when there has been none."""
    return Query(LAST, {})
