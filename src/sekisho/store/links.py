"""The table ``link``: what is attached to what."""

from __future__ import annotations

from typing import Any, Literal

from sekisho.store.statement import Query, Statement

INSERT = """
INSERT INTO link (account, region, kind, source, target, body, created)
VALUES (:account, :region, :kind, :source, :target, :body, :created)
    ON CONFLICT (account, region, kind, source, target) DO UPDATE SET body = excluded.body"""

DELETE = """
DELETE FROM link
 WHERE account = :account AND region = :region AND kind = :kind AND source = :source AND target = :target"""

FROM = """
SELECT account, region, kind, source, target, body, created
  FROM link
 WHERE account = :account AND region = :region AND kind = :kind AND source = :source AND target > :after
 ORDER BY target LIMIT :limit"""

TO = """
SELECT account, region, kind, source, target, body, created
  FROM link
 WHERE account = :account AND region = :region AND kind = :kind AND target = :target AND source > :after
 ORDER BY source LIMIT :limit"""

GUARD = """
SELECT created
  FROM link
 WHERE account = :account AND region = :region AND kind = :kind AND source = :source AND target = :target"""

GUARD_FROM = """
SELECT target
  FROM link
 WHERE account = :account AND region = :region AND kind = :kind AND source = :source
 LIMIT :limit"""

GUARD_TO = """
SELECT source
  FROM link
 WHERE account = :account AND region = :region AND kind = :kind AND target = :target
 LIMIT :limit"""


GUARD_BELOW = """
SELECT source
  FROM link
 WHERE account = :account AND region = :region AND kind = :kind AND target = :target
 ORDER BY source LIMIT 1 OFFSET :most"""

DELETE_TO = """
DELETE FROM link
 WHERE account = :account AND region = :region AND kind = :kind AND target = :target"""

DELETE_SOME = DELETE_TO + " AND source <= :upto"

TELL_TO = """
INSERT INTO change (account, region, kind, id, what, at)
SELECT account, region, kind, target, 'unlinked ' || source, :at
  FROM link
 WHERE account = :account AND region = :region AND kind = :kind AND target = :target AND source <= :upto
 ORDER BY source"""

# The kind is written out, so that an index of this kind alone serves.
ATTACHED = """
SELECT source, target, created
  FROM link
 WHERE account = :account AND region = :region AND kind IN ('attached-policy', '') AND """

# By which end is given, whether there is a key to go on from, and whether upwards.
ATTACHED_BY_AGE = {
    ("source", False, True): "source = :id ORDER BY created, target LIMIT :limit",
    ("source", False, False): "source = :id ORDER BY created DESC, target DESC LIMIT :limit",
    ("source", True, True): (
        "source = :id AND (created, target) > (:created, :after) ORDER BY created, target LIMIT :limit"
    ),
    ("source", True, False): (
        "source = :id AND (created, target) < (:created, :after)"
        " ORDER BY created DESC, target DESC LIMIT :limit"
    ),
    ("target", False, True): "target = :id ORDER BY created, source LIMIT :limit",
    ("target", False, False): "target = :id ORDER BY created DESC, source DESC LIMIT :limit",
    ("target", True, True): (
        "target = :id AND (created, source) > (:created, :after) ORDER BY created, source LIMIT :limit"
    ),
    ("target", True, False): (
        "target = :id AND (created, source) < (:created, :after)"
        " ORDER BY created DESC, source DESC LIMIT :limit"
    ),
}

LAST = "\U0010ffff"
"""Greater than the name of everything."""


def _from(account: str, region: str, kind: str, source: str, **more: Any) -> dict[str, Any]:
    return {"account": account, "region": region, "kind": kind, "source": source, **more}


def _to(account: str, region: str, kind: str, target: str, **more: Any) -> dict[str, Any]:
    return {"account": account, "region": region, "kind": kind, "target": target, **more}


def insert_link(
    account: str, region: str, kind: str, source: str, target: str, body: str, created: float
) -> Statement:
    """Attach ``target`` to ``source``. A link that exists stays as old as it was and gets the new body, since
    AWS's attach operations may be repeated.
    """
    params = _from(account, region, kind, source, target=target, body=body, created=created)
    return Statement(INSERT, params, 1)


def delete_link(
    account: str, region: str, kind: str, source: str, target: str, *, expect: int | None = None
) -> Statement:
    """Detach; ``expect=1`` makes it a Conflict when there was nothing to detach."""
    return Statement(DELETE, _from(account, region, kind, source, target=target), expect)


def delete_links_to(
    account: str, region: str, kind: str, target: str, *, upto: str | None = None
) -> Statement:
    """Detach ``target`` from everything, or from the sources up to one."""
    if upto is None:
        return Statement(DELETE_TO, _to(account, region, kind, target))
    return Statement(DELETE_SOME, _to(account, region, kind, target, upto=upto))


def tell_links_to(
    account: str, region: str, kind: str, target: str, at: float, *, upto: str = LAST
) -> Statement:
    """Changes that say of each link to ``target`` that it goes; before they go, in the same commit."""
    return Statement(TELL_TO, _to(account, region, kind, target, at=at, upto=upto))


def links_from(account: str, region: str, kind: str, source: str, after: str, limit: int) -> Query:
    """Up to ``limit`` links of ``source`` in the order of their targets, beyond the target ``after``."""
    return Query(FROM, _from(account, region, kind, source, after=after, limit=limit))


def links_to(account: str, region: str, kind: str, target: str, after: str, limit: int) -> Query:
    """Up to ``limit`` links to ``target`` in the order of their sources, beyond the source ``after``."""
    return Query(TO, _to(account, region, kind, target, after=after, limit=limit))


def page_attached(
    account: str,
    region: str,
    end: Literal["source", "target"],
    id: str,
    after: tuple[float, str] | None,
    limit: int,
    ascending: bool,
) -> Query:
    """Up to ``limit`` attachments of a policy (its name is the ``source``) or to a ``target``: source,
    target, created. Oldest first or newest first, beyond ``after`` (created, the other end)."""
    params: dict[str, Any] = {"account": account, "region": region, "id": id, "limit": limit}
    if after is not None:
        params["created"], params["after"] = after
    return Query(ATTACHED + ATTACHED_BY_AGE[end, after is not None, ascending], params)


def get_link(account: str, region: str, kind: str, source: str, target: str) -> Query:
    """One row or none: when the link was made."""
    return Query(GUARD, _from(account, region, kind, source, target=target))


def guard_link(account: str, region: str, kind: str, source: str, target: str) -> Statement:
    """Conflict unless the link exists."""
    return Statement(GUARD, _from(account, region, kind, source, target=target), 1)


def guard_no_link(account: str, region: str, kind: str, source: str, target: str) -> Statement:
    """Conflict if the link exists."""
    return Statement(GUARD, _from(account, region, kind, source, target=target), 0)


def guard_links_from_count(account: str, region: str, kind: str, source: str, n: int) -> Statement:
    """Conflict unless ``source`` has exactly ``n`` links."""
    return Statement(GUARD_FROM, _from(account, region, kind, source, limit=n + 1), n)


def guard_links_to_count(account: str, region: str, kind: str, target: str, n: int) -> Statement:
    """Conflict unless exactly ``n`` links lead to ``target``."""
    return Statement(GUARD_TO, _to(account, region, kind, target, limit=n + 1), n)


def guard_no_links_from(account: str, region: str, kind: str, source: str) -> Statement:
    """Conflict if ``source`` has any link."""
    return guard_links_from_count(account, region, kind, source, 0)


def guard_no_links_to(account: str, region: str, kind: str, target: str) -> Statement:
    """Conflict if any link leads to ``target``."""
    return guard_links_to_count(account, region, kind, target, 0)


def guard_links_to_below(account: str, region: str, kind: str, target: str, most: int) -> Statement:
    """Conflict unless fewer than ``most`` links lead to ``target``."""
    return Statement(GUARD_BELOW, _to(account, region, kind, target, most=most - 1), 0)
