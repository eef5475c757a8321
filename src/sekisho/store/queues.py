"""What operators see of the mailbox: how much waits for each session, and its beginning."""

from __future__ import annotations

from sekisho.store.statement import Query

LENGTHS = """
SELECT session, COUNT(*) AS waiting
  FROM mailbox
 WHERE account = :account AND region = :region AND session >= :first AND session <= :last
 GROUP BY session"""

HEAD = """
SELECT b.message AS id, m.topic, LENGTH(m.payload) AS size, SUBSTR(m.payload, 1, :shown) AS payload,
       m.origin, m.at, m.expires
  FROM mailbox b JOIN message m ON m.id = b.message
 WHERE b.account = :account AND b.region = :region AND b.session = :session
 ORDER BY b.message LIMIT :limit"""


def queue_lengths(account: str, region: str, first: str, last: str) -> Query:
    """The number of messages that wait for each session from ``first`` to ``last``; none is no row."""
    return Query(LENGTHS, {"account": account, "region": region, "first": first, "last": last})


def queue_head(account: str, region: str, session: str, limit: int, shown: int) -> Query:
    """The first messages that wait for a session, oldest first; ``size`` is the payload's in bytes, and
    ``payload`` its first ``shown``."""
    place = {"account": account, "region": region, "session": session}
    return Query(HEAD, {**place, "limit": limit, "shown": shown})
