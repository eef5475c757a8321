"""The table ``membership_due``: things whose membership of dynamic groups has to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

from sekisho.store.index import WIDE
from sekisho.store.several import any_of
from sekisho.store.statement import Query, Statement

# Only where there are dynamic groups, as the commit itself finds: one that is made later is built from an
# index that has this already, one that was made before has its row.
NOTE = """
INSERT INTO membership_due (turn, scope, name)
SELECT :turn, d.scope, d.name
  FROM index_document d
 WHERE d.scope = :scope AND d.name IN (:name)
   AND EXISTS (SELECT 1
                 FROM index_scope s CROSS JOIN resource r
                WHERE s.id = :scope
                  AND r.account = s.account AND r.region = s.region AND r.kind = 'dynamicgroup')"""

READ = """
SELECT m.turn, m.scope, m.name, s.account, s.region
  FROM membership_due m LEFT JOIN index_scope s ON s.id = m.scope
 ORDER BY m.turn, m.scope, m.name LIMIT :limit"""

UNINDEXED = """
SELECT 1 AS one
  FROM index_progress p CROSS JOIN change c
 WHERE p.id = 1 AND c.seq > p.seq AND c.seq <= :upto
   AND c.account = :account AND c.region = :region AND c.kind IN ('thing', 'thing-group', 'connectivity')
 LIMIT 1"""

DELETE = "DELETE FROM membership_due WHERE turn = :turn AND scope = :scope AND name = :name"

NAMES = "SELECT name FROM index_document WHERE scope = :scope AND id IN (:id)"
"""Of documents by their numbers."""


GROUPS = """
SELECT account, region, id, version, body, created, updated
  FROM resource
 WHERE kind IN ('dynamicgroup', '')"""
OF_ONE_PLACE = " AND account = :account AND region = :region"
ORDERED = " ORDER BY account, region, created, id"


def note_due(turn: int, scope: int, names: Sequence[str]) -> list[Statement]:
    """Belongs in the commit that changes these documents of an index; those that have gone do not count."""
    return any_of(NOTE, "name", names, {"turn": turn, "scope": scope}, WIDE)


def read_due(limit: int) -> Query:
    """The oldest; account and region are None if the index has gone."""
    return Query(READ, {"limit": limit})


def dynamic_groups(place: tuple[str, str] | None) -> Query:
    """Of a place, or of all; place by place, from the oldest to the newest."""
    if place is None:
        return Query(GROUPS + ORDERED, {})
    return Query(GROUPS + OF_ONE_PLACE + ORDERED, {"account": place[0], "region": place[1]})


def unindexed(account: str, region: str, upto: int) -> Query:
    """One row if something of a place that changed up to a seq of the feed may not be in the index yet."""
    return Query(UNINDEXED, {"account": account, "region": region, "upto": upto})


def delete_due(rows: Sequence[tuple[int, int, str]]) -> list[Statement]:
    """``rows`` are turn, scope and name; whoever has done it already does no harm."""
    return [Statement(DELETE, rows=rows)] if rows else []
