"""The table ``lease``: which node does a periodic work."""

from __future__ import annotations

from sekisho.store.statement import Statement

TAKE = """
INSERT INTO lease (name, owner, until)
VALUES (:name, :owner, :until)
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
 WHERE lease.owner = excluded.owner OR lease.until <= :now
RETURNING name, owner, until"""

RELEASE = "DELETE FROM lease WHERE name = :name AND owner = :owner"


def take_lease(name: str, owner: str, now: float, seconds: float) -> Statement:
    """Take or prolong a lease. It returns one row when ``owner`` now has it until ``now + seconds``, and none
    when another owner's has not run out.
    """
    return Statement(TAKE, {"name": name, "owner": owner, "now": now, "until": now + seconds})


def release_lease(name: str, owner: str) -> Statement:
    """Give a lease back before its time; one that another owner has is left alone."""
    return Statement(RELEASE, {"name": name, "owner": owner})
