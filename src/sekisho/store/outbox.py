"""The table ``outbox``: messages that a commit has caused, until they are their receivers' own rows.

All of them have QoS 1; ``at`` is civil time in epoch seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from sekisho.store.several import any_of
from sekisho.store.statement import Query, Statement

PUT = """
INSERT INTO outbox (account, region, topic, payload, at)
VALUES (:account, :region, :topic, :payload, :at)
RETURNING seq"""

READ = """
SELECT seq, account, region, topic, payload, at
  FROM outbox
 WHERE seq > :after AND seq <= :until
 ORDER BY seq LIMIT :limit"""

LAST = "SELECT COALESCE(MAX(seq), 0) AS seq FROM outbox"

DELETE = "DELETE FROM outbox WHERE seq IN (:seq)"


def put_outgoing(account: str, region: str, topic: str, payload: bytes, at: float) -> Statement:
    """Belongs in the commit that causes the message; returns its ``seq``."""
    params = {"account": account, "region": region, "topic": topic, "payload": payload, "at": at}
    return Statement(PUT, params)


def read_outgoing(after: int, until: int, limit: int) -> Query:
    """Messages with seq in (after, until], oldest first."""
    return Query(READ, {"after": after, "until": until, "limit": limit})


def last_outgoing() -> Query:
    """One row: seq of the newest message, 0 when there is none."""
    return Query(LAST, {})


def delete_outgoing(seqs: Sequence[int]) -> list[Statement]:
    return any_of(DELETE, "seq", seqs, {})
