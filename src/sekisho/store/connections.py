"""The table ``connection``: who was connected, as whom, from where and until when.

Times are civil epoch seconds; ``disconnected`` is 0 while the connection lasts. Ids begin with the time of
the connection in digits of one width, so that ordering by id is ordering by age.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sekisho.store.several import insert_several
from sekisho.store.statement import Query, Statement

LIVE = 0.0

PUT = """
INSERT INTO connection (id, account, region, client_id, certificate_id, address, protocol, connected,
                        disconnected, reason, detail)
VALUES (:id, :account, :region, :client_id, :certificate_id, :address, :protocol, :connected,
        :disconnected, :reason, :detail)
    ON CONFLICT (id) DO UPDATE SET disconnected = excluded.disconnected, reason = excluded.reason"""

END = """
UPDATE connection SET disconnected = :disconnected, reason = :reason
 WHERE id = :id AND disconnected = 0"""

END_ALL = "UPDATE connection SET disconnected = :disconnected, reason = :reason WHERE disconnected = 0"

PAGE = """
SELECT id, client_id, certificate_id, address, protocol, connected, disconnected, reason, detail
  FROM connection
 WHERE account = :account AND region = :region AND id < :before"""
FILTERS = {
    "client_id": " AND client_id = :client_id",
    "certificate_id": " AND certificate_id = :certificate_id",
}
ONLY_LIVE = " AND disconnected = 0"
NEWEST_FIRST = "\n ORDER BY id DESC LIMIT :limit"

# Backwards along the index by certificate, so that each one's newest come first.
BY_CERTIFICATE = """
SELECT id, client_id, certificate_id, address, connected, disconnected, reason, detail
  FROM connection
 WHERE account = :account AND region = :region AND certificate_id > '' AND certificate_id < :before
 ORDER BY certificate_id DESC, id DESC LIMIT :limit"""

ENDED_SINCE = """
SELECT account, region, client_id, disconnected, detail
  FROM connection
 WHERE disconnected > 0 AND disconnected >= :since
 ORDER BY id DESC LIMIT :limit"""

_END_OF_IDS = "g"
"""Greater than every id, which begins with a hexadecimal digit."""


class Connection(NamedTuple):
    """One row; ``protocol`` is 4 (MQTT 3.1.1) or 5, ``detail`` is JSON text."""

    id: str
    account: str
    region: str
    client_id: str
    certificate_id: str
    address: str
    protocol: int
    connected: float
    detail: str
    disconnected: float = LIVE
    reason: str = ""


def put_connections(rows: Sequence[Connection]) -> list[Statement]:
    """Connections that have begun, or begun and ended; writing one twice, but not at once, is writing it
    once."""
    return insert_several(PUT, [row._asdict() for row in rows])


def end_connection(id: str, at: float, reason: str) -> Statement:
    return Statement(END, {"id": id, "disconnected": at, "reason": reason})


def end_all_connections(at: float, reason: str) -> Statement:
    """End whatever an earlier life of the node left as lasting."""
    return Statement(END_ALL, {"disconnected": at, "reason": reason})


def page_connections(filters: Mapping[str, str], before: str, limit: int, *, live: bool = False) -> Query:
    """Up to ``limit`` connections with ids less than ``before`` ('' for all), newest first.

    ``filters`` names ``account`` and ``region``, and any of ``client_id`` and ``certificate_id``; ``live``
    leaves out those that have ended.
    """
    optional = filters.keys() - {"account", "region"}
    if len(filters) - len(optional) != 2 or not optional <= FILTERS.keys():
        raise ValueError(f"connections are found by account, region and any of {', '.join(FILTERS)}")
    chosen = "".join(sql for name, sql in FILTERS.items() if name in optional)
    params: dict[str, Any] = {**filters, "before": before or _END_OF_IDS, "limit": limit}
    return Query(PAGE + chosen + (ONLY_LIVE if live else "") + NEWEST_FIRST, params)


def connections_by_certificate(account: str, region: str, before: str, limit: int) -> Query:
    """Up to ``limit`` connections with certificates whose ids are less than ``before`` ('' for all): by
    certificate, those with the greatest ids first, and of each the newest first."""
    params = {"account": account, "region": region, "before": before or _END_OF_IDS, "limit": limit}
    return Query(BY_CERTIFICATE, params)


def ended_since(since: float, limit: int) -> Query:
    """The newest connections of those that have ended, and not before a time; newest first."""
    return Query(ENDED_SINCE, {"since": since, "limit": limit})
