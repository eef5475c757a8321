"""The table ``will``: what is published for clients with a session that are gone for long enough."""

from __future__ import annotations

from typing import Any

from sekisho.store.statement import Query, Statement

PUT = """
INSERT INTO will (account, region, client_id, payload, detail, delay, due)
VALUES (:account, :region, :client_id, :payload, :detail, :delay, :due)
    ON CONFLICT (account, region, client_id) DO UPDATE
   SET payload = excluded.payload, detail = excluded.detail, delay = excluded.delay, due = excluded.due"""

DELETE = "DELETE FROM will WHERE account = :account AND region = :region AND client_id = :client_id"

PAGE = """
SELECT account, region, client_id, payload, detail, delay, due
  FROM will
 WHERE account = :account AND region = :region AND client_id > :after
 ORDER BY client_id LIMIT :limit"""


def put_will(
    account: str, region: str, client_id: str, *, payload: bytes, detail: str, delay: float, due: float
) -> Statement:
    """``delay`` is in seconds; ``due`` civil time in epoch seconds, 0 while the client is connected."""
    return Statement(
        PUT,
        _key(account, region, client_id) | {"payload": payload, "detail": detail, "delay": delay, "due": due},
    )


def delete_will(account: str, region: str, client_id: str) -> Statement:
    return Statement(DELETE, _key(account, region, client_id))


def page_wills(account: str, region: str, after: str, limit: int) -> Query:
    return Query(PAGE, {"account": account, "region": region, "after": after, "limit": limit})


def _key(account: str, region: str, client_id: str) -> dict[str, Any]:
    return {"account": account, "region": region, "client_id": client_id}
