"""Reads of documents together with what is attached to them, or by a text that is in them."""

from __future__ import annotations

from sekisho.store.statement import Query

WITH_LINKS = """
SELECT r.version, r.body, r.created, r.updated, l.target AS linked
  FROM resource r
  LEFT JOIN link l
    ON l.account = r.account AND l.region = r.region AND l.kind = :link_kind AND l.source = r.id
 WHERE r.account = :account AND r.region = :region AND r.kind = :kind AND r.id = :id
 ORDER BY l.target LIMIT :limit"""

LINKED = """
SELECT r.id, r.version, r.body, r.created, r.updated
  FROM link l
  JOIN resource r
    ON r.account = l.account AND r.region = l.region AND r.kind = :kind AND r.id = l.source
 WHERE l.account = :account AND l.region = :region AND l.kind = :link_kind AND l.target = :target
   AND l.source > :after
 ORDER BY l.source LIMIT :limit"""

# A function that both engines have, and no LIKE: what is looked for may have wildcards of its own.
CONTAINING = """
SELECT id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind AND id > :after
   AND REPLACE(body ->> :member, :text, '') <> body ->> :member
 ORDER BY id LIMIT :limit"""


def get_with_links(account: str, region: str, kind: str, id: str, link_kind: str, limit: int = 250) -> Query:
    """No row for a resource that is not there, else one for each of its links of a kind, or one whose
    ``linked`` is NULL when it has none: version, body, created, updated, linked (the link's target)."""
    place = {"account": account, "region": region, "kind": kind, "id": id}
    return Query(WITH_LINKS, {**place, "link_kind": link_kind, "limit": limit})


def page_linked(
    account: str, region: str, link_kind: str, target: str, kind: str, after: str, limit: int
) -> Query:
    """Up to ``limit`` resources of a kind that are linked to ``target``, beyond the id ``after``."""
    place = {"account": account, "region": region, "kind": kind}
    return Query(LINKED, {**place, "link_kind": link_kind, "target": target, "after": after, "limit": limit})


def page_containing(
    account: str, region: str, kind: str, member: str, text: str, after: str, limit: int
) -> Query:
    """Up to ``limit`` resources beyond the id ``after`` in whose member, as JSON without spaces, ``text``
    occurs. The database reads all that there are in between."""
    place = {"account": account, "region": region, "kind": kind}
    return Query(CONTAINING, {**place, "member": member, "text": text, "after": after, "limit": limit})
