"""The tables of the fleet index, ``index_…``: how far it is, scopes, fields, documents, terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sekisho.store.several import any_of
from sekisho.store.statement import NO_PARAMS, Query, Row, Statement
from sekisho.store.store import Store

PROGRESS = "SELECT seq, turn, owner, until, documents, fields, scopes FROM index_progress WHERE id = 1"

ADVANCE = """
UPDATE index_progress
   SET seq = :seq, turn = turn + 1, owner = :owner, until = :until,
       documents = :documents, fields = :fields, scopes = :scopes
 WHERE id = 1 AND turn = :turn AND (owner = :owner OR until <= :now)"""

SCOPES = "SELECT id, account, region, name, status, connectivity, place FROM index_scope ORDER BY id"
SCOPE = """
SELECT id, account, region, name, status, connectivity, place
  FROM index_scope
 WHERE account = :account AND region = :region AND name = :name"""
INSERT_SCOPE = """
INSERT INTO index_scope (id, account, region, name, status, connectivity, place)
VALUES (:id, :account, :region, :name, :status, :connectivity, :place)"""
UPDATE_SCOPE = """
UPDATE index_scope SET status = :status, connectivity = :connectivity, place = :place WHERE id = :id"""
DELETE_SCOPE = "DELETE FROM index_scope WHERE id = :id"

FIELDS = "SELECT id, name FROM index_field WHERE scope = :scope AND name IN (:name)"
INSERT_FIELD = "INSERT INTO index_field (id, scope, name, spoken) VALUES (:id, :scope, :name, :spoken)"
DELETE_FIELDS = "DELETE FROM index_field WHERE scope = :scope"

DOCUMENTS = "SELECT id, name FROM index_document WHERE scope = :scope AND name IN (:name)"
DOCUMENTS_AFTER = """
SELECT id, name FROM index_document WHERE scope = :scope AND name > :after ORDER BY name LIMIT :limit"""
INSERT_DOCUMENT = "INSERT INTO index_document (scope, name, id) VALUES (:scope, :name, :id)"
DELETE_DOCUMENTS = "DELETE FROM index_document WHERE scope = :scope AND name IN (:name)"

TERMS = """
SELECT t.document, f.name AS field, t.field AS number_of_field, t.value, t.number, t.shown
  FROM index_term t JOIN index_field f ON f.id = t.field
 WHERE t.document IN (:document)"""
INSERT_TERM = """
INSERT INTO index_term (field, value, document, number, shown)
VALUES (:field, :value, :document, :number, :shown)"""
DELETE_TERM = "DELETE FROM index_term WHERE field = :field AND value = :value AND document = :document"
DELETE_TERMS = "DELETE FROM index_term WHERE document IN (:document)"

# What is built from: names only, and documents by name.
NAMES_AFTER = """
SELECT id FROM resource
 WHERE account = :account AND region = :region AND kind = :kind AND id > :after ORDER BY id LIMIT :limit"""
SOURCES = """
SELECT id, version, body FROM resource
 WHERE account = :account AND region = :region AND kind = :kind AND id IN (:name)"""
LINKS = """
SELECT source, target FROM link
 WHERE account = :account AND region = :region AND kind = :kind AND source IN (:name)
 ORDER BY source, target"""
LINKS_OF_EITHER = LINKS.replace("kind = :kind", "kind IN (:kind, :also)")
NEWEST_CONNECTIONS = """
SELECT client_id, connected, disconnected, reason, detail FROM connection c
 WHERE account = :account AND region = :region AND client_id IN (:name)
   AND id = (SELECT MAX(id) FROM connection n
              WHERE n.account = c.account AND n.region = c.region AND n.client_id = c.client_id)"""

# Only where connectivity is indexed, as the commit itself finds: none is missed when that begins.
TELL_CONNECTIONS = """
INSERT INTO change (account, region, kind, id, what, at)
SELECT c.account, c.region, 'connectivity', c.client_id, 'changed', :at
  FROM index_scope s CROSS JOIN connection c
 WHERE s.connectivity = 1 AND c.account = s.account AND c.region = s.region AND c.id IN (:id)"""
TELL_LASTING = """
INSERT INTO change (account, region, kind, id, what, at)
SELECT c.account, c.region, 'connectivity', c.client_id, 'changed', :at
  FROM index_scope s CROSS JOIN connection c
 WHERE s.connectivity = 1 AND c.account = s.account AND c.region = s.region AND c.disconnected = 0"""

CONNECTIVITY = "connectivity"
"""The kind of those changes; the id is the client's."""

WIDE = 128
"""Values of an IN: the index is read many rows at a time."""


TermRow = tuple[int, str, int, float | None, str | None]
"""Field, value, document, number, shown."""


class Progress(NamedTuple):
    """How far the index has come. ``documents``, ``fields`` and ``scopes`` are the next numbers to give."""

    seq: int
    turn: int
    owner: str
    until: float
    documents: int
    fields: int
    scopes: int


class Scope(NamedTuple):
    """One index of a place. ``status`` is BUILDING, REBUILDING, ACTIVE or, on its way out, DELETING."""

    id: int
    account: str
    region: str
    name: str
    status: str
    connectivity: int
    place: str


def read_progress() -> Query:
    return Query(PROGRESS, NO_PARAMS)


def advance(before: Progress, after: Progress, now: float) -> Statement:
    """Belongs in each commit of the index: Conflict if another node has made one since ``before`` was read,
    or has the turn until a time that is not over at ``now`` (real)."""
    params = after._asdict() | {"turn": before.turn, "now": now}
    return Statement(ADVANCE, params, 1)


def read_scopes() -> Query:
    return Query(SCOPES, NO_PARAMS)


def read_scope(account: str, region: str, name: str) -> Query:
    return Query(SCOPE, {"account": account, "region": region, "name": name})


def insert_scope(scope: Scope) -> Statement:
    return Statement(INSERT_SCOPE, scope._asdict(), 1)


def update_scope(scope: Scope) -> Statement:
    """Its status, place, and whether it has connectivity."""
    params = {name: getattr(scope, name) for name in ("id", "status", "connectivity", "place")}
    return Statement(UPDATE_SCOPE, params, 1)


def delete_scope(id: int) -> list[Statement]:
    return [Statement(DELETE_FIELDS, {"scope": id}), Statement(DELETE_SCOPE, {"id": id}, 1)]


def insert_fields(scope: int, numbers: Mapping[str, int], unspoken: Iterable[str]) -> list[Statement]:
    hidden = frozenset(unspoken)
    return [
        Statement(
            INSERT_FIELD, {"id": id, "scope": scope, "name": name, "spoken": int(name not in hidden)}, 1
        )
        for name, id in numbers.items()
    ]


def documents_after(scope: int, after: str, limit: int) -> Query:
    return Query(DOCUMENTS_AFTER, {"scope": scope, "after": after, "limit": limit})


def names_after(account: str, region: str, kind: str, after: str, limit: int) -> Query:
    return Query(
        NAMES_AFTER, {"account": account, "region": region, "kind": kind, "after": after, "limit": limit}
    )


def insert_documents(scope: int, numbers: Mapping[str, int]) -> list[Statement]:
    rows = [(scope, name, id) for name, id in numbers.items()]
    return [Statement(INSERT_DOCUMENT, rows=rows)] if rows else []


def delete_documents(scope: int, numbers: Mapping[str, int]) -> list[Statement]:
    """Documents with all of their terms."""
    return [
        *any_of(DELETE_TERMS, "document", list(numbers.values()), NO_PARAMS, WIDE),
        *any_of(DELETE_DOCUMENTS, "name", list(numbers), {"scope": scope}, WIDE),
    ]


def insert_terms(rows: Sequence[TermRow]) -> list[Statement]:
    """Best in their order, that of the index, so that neighbours are written together."""
    return [Statement(INSERT_TERM, rows=rows)] if rows else []


def delete_some_terms(rows: Sequence[tuple[int, str, int]]) -> list[Statement]:
    """``rows`` are field, value and document."""
    return [Statement(DELETE_TERM, rows=rows)] if rows else []


def tell_connections(ids: Sequence[str], at: float) -> list[Statement]:
    """Changes for connections that the same commit writes."""
    return any_of(TELL_CONNECTIONS, "id", ids, {"at": at}, WIDE)


def tell_lasting(at: float) -> Statement:
    return Statement(TELL_LASTING, {"at": at})


async def fetch_any(
    store: Store, sql: str, name: str, values: Sequence[Any], params: Mapping[str, Any] = NO_PARAMS
) -> list[Row]:
    """The rows of a query with ``IN (:name)``, for as many values as there are."""
    rows: list[Row] = []
    for statement in any_of(sql, name, values, params, WIDE):
        rows += await store.fetch(statement.sql, statement.params)
    return rows
