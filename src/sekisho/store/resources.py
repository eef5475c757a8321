"""The table ``resource``: documents with versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sekisho.store.several import any_of
from sekisho.store.statement import Query, Statement

GET = """
SELECT account, region, kind, id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind AND id = :id"""

GET_ANY = """
SELECT id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind AND id IN (:id)"""

INSERT = """
INSERT INTO resource (account, region, kind, id, version, body, created, updated)
VALUES (:account, :region, :kind, :id, 1, :body, :created, :created)
    ON CONFLICT (account, region, kind, id) DO NOTHING"""

UPDATE = """
UPDATE resource
   SET version = version + 1, body = :body, updated = :updated
 WHERE account = :account AND region = :region AND kind = :kind AND id = :id AND version = :version"""

DELETE = """
DELETE FROM resource
 WHERE account = :account AND region = :region AND kind = :kind AND id = :id AND version = :version"""

DELETE_SOME = """
DELETE FROM resource
 WHERE account = :account AND region = :region AND kind = :kind AND id > :after AND id <= :upto"""

GUARD_VERSION = """
SELECT version
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind AND id = :id AND version = :version"""

GUARD_ABSENT = """
SELECT version
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind AND id = :id"""

GUARD_FEWER = """
SELECT id
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind
 ORDER BY id LIMIT 1 OFFSET :others"""

FIRST = """
SELECT account, region, kind, id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind
 ORDER BY id LIMIT :limit"""

LAST = """
SELECT account, region, kind, id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind
 ORDER BY id DESC LIMIT :limit"""

NEXT = """
SELECT account, region, kind, id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind
   AND id > :id
 ORDER BY id LIMIT :limit"""

PREVIOUS = """
SELECT account, region, kind, id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind
   AND id < :id
 ORDER BY id DESC LIMIT :limit"""

OLDEST = """
SELECT account, region, kind, id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind
 ORDER BY created, id LIMIT :limit"""

NEWEST = """
SELECT account, region, kind, id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind
 ORDER BY created DESC, id DESC LIMIT :limit"""

LATER = """
SELECT account, region, kind, id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind
   AND (created, id) > (:created, :id)
 ORDER BY created, id LIMIT :limit"""

EARLIER = """
SELECT account, region, kind, id, version, body, created, updated
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind
   AND (created, id) < (:created, :id)
 ORDER BY created DESC, id DESC LIMIT :limit"""

# By whether there is a key to go on from, and whether upwards.
PAGES = {(False, True): FIRST, (False, False): LAST, (True, True): NEXT, (True, False): PREVIOUS}
PAGES_BY_CREATED = {
    (False, True): OLDEST,
    (False, False): NEWEST,
    (True, True): LATER,
    (True, False): EARLIER,
}


def _key(account: str, region: str, kind: str, id: str) -> dict[str, Any]:
    return {"account": account, "region": region, "kind": kind, "id": id}


def get_resource(account: str, region: str, kind: str, id: str) -> Query:
    """One row or none: account, region, kind, id, version (from 1), body (JSON text), created, updated."""
    return Query(GET, _key(account, region, kind, id))


def get_resources(account: str, region: str, kind: str, ids: Sequence[str]) -> list[Statement]:
    """Queries for the rows of those that are there: id, version, body, created, updated."""
    return any_of(GET_ANY, "id", ids, {"account": account, "region": region, "kind": kind})


def insert_resource(
    account: str, region: str, kind: str, id: str, body: str, created: float, *, expect: int | None = 1
) -> Statement:
    """Version 1 of a resource that does not exist (else Conflict; with ``expect=None`` nothing happens)."""
    return Statement(INSERT, _key(account, region, kind, id) | {"body": body, "created": created}, expect)


def update_resource(
    account: str, region: str, kind: str, id: str, version: int, body: str, updated: float
) -> Statement:
    """The next version of a resource whose version is still ``version`` (else Conflict)."""
    changed = {"version": version, "body": body, "updated": updated}
    return Statement(UPDATE, _key(account, region, kind, id) | changed, 1)


def delete_resource(account: str, region: str, kind: str, id: str, version: int) -> Statement:
    """Delete a resource whose version is still ``version`` (else Conflict)."""
    return Statement(DELETE, _key(account, region, kind, id) | {"version": version}, 1)


def delete_resources(account: str, region: str, kind: str, after: str, upto: str) -> Statement:
    """Delete the resources with ids beyond ``after`` and up to ``upto``, whatever their versions."""
    params = {"account": account, "region": region, "kind": kind, "after": after, "upto": upto}
    return Statement(DELETE_SOME, params)


def guard_version(account: str, region: str, kind: str, id: str, version: int) -> Statement:
    """Conflict unless the resource's version is still ``version``."""
    return Statement(GUARD_VERSION, _key(account, region, kind, id) | {"version": version}, 1)


def guard_absent(account: str, region: str, kind: str, id: str) -> Statement:
    """Conflict if the resource exists."""
    return Statement(GUARD_ABSENT, _key(account, region, kind, id), 0)


def guard_present(account: str, region: str, kind: str, id: str) -> Statement:
    """Conflict unless the resource exists, whatever its version."""
    return Statement(GUARD_ABSENT, _key(account, region, kind, id), 1)


def guard_fewer(account: str, region: str, kind: str, most: int) -> Statement:
    """Conflict unless there are fewer than ``most`` resources of a kind."""
    place = {"account": account, "region": region, "kind": kind}
    return Statement(GUARD_FEWER, place | {"others": most - 1}, 0)


def page_resources(
    account: str, region: str, kind: str, after_id: str | None, limit: int, ascending: bool = True
) -> Query:
    """Up to ``limit`` resources beyond ``after_id`` in the order of their ids' UTF-8 bytes.

    ``after_id`` None or '' begins at the first, or with ``ascending=False`` at the last.
    """
    params: dict[str, Any] = {"account": account, "region": region, "kind": kind, "limit": limit}
    if after_id:
        params["id"] = after_id
    return Query(PAGES[bool(after_id), ascending], params)


def page_resources_by_created(
    account: str,
    region: str,
    kind: str,
    after: tuple[float, str] | None,
    limit: int,
    ascending: bool = True,
) -> Query:
    """Up to ``limit`` resources beyond ``after`` (created, id), oldest first or newest first."""
    params: dict[str, Any] = {"account": account, "region": region, "kind": kind, "limit": limit}
    if after is not None:
        params["created"], params["id"] = after
    return Query(PAGES_BY_CREATED[after is not None, ascending], params)
