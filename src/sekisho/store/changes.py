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

# Only ever a beginning of the table, and never its last row: so a reader whose own last row is still there
# has missed nothing. Times need not grow with seq, for the clock can be set.
TRIM_BY_SEQ = """
DELETE FROM change
 WHERE seq <= :seq AND seq < (SELECT MAX(seq) FROM change)"""

TRIM_BY_AT = """
DELETE FROM change
 WHERE seq < (SELECT COALESCE((SELECT MIN(seq) FROM change WHERE at > :at), (SELECT MAX(seq) FROM change)))"""


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


def trim_changes(*, keep_after_seq: int | None = None, keep_after_at: float | None = None) -> Statement:
    """Delete old changes: those up to a seq, or those before the first one that is later than a time.

    The newest change always stays. Exactly one of the two must be given.
    """
    if keep_after_seq is not None and keep_after_at is None:
        return Statement(TRIM_BY_SEQ, {"seq": keep_after_seq})
    if keep_after_at is not None and keep_after_seq is None:
        return Statement(TRIM_BY_AT, {"at": keep_after_at})
    raise ValueError("trim_changes takes either keep_after_seq or keep_after_at")
