"""The tables ``received`` and ``flight``: exchanges of QoS 2 that persistent sessions have not completed."""

from __future__ import annotations

from typing import Any

from sekisho.store.statement import Query, Statement

PUT_RECEIVED = """
INSERT INTO received (account, region, client_id, packet_id)
VALUES (:account, :region, :client_id, :packet_id)
    ON CONFLICT (account, region, client_id, packet_id) DO NOTHING"""

DELETE_RECEIVED = """
DELETE FROM received
 WHERE account = :account AND region = :region AND client_id = :client_id AND packet_id = :packet_id"""

READ_RECEIVED = """
SELECT packet_id
  FROM received
 WHERE account = :account AND region = :region AND client_id = :client_id"""

PUT_FLIGHT = """
INSERT INTO flight (account, region, client_id, packet_id, message, retain, identifiers)
VALUES (:account, :region, :client_id, :packet_id, :message, :retain, :identifiers)
    ON CONFLICT (account, region, client_id, packet_id) DO UPDATE
   SET message = excluded.message, retain = excluded.retain, identifiers = excluded.identifiers"""

RELEASE_FLIGHT = """
UPDATE flight SET message = 0
 WHERE account = :account AND region = :region AND client_id = :client_id AND packet_id = :packet_id"""

DELETE_FLIGHT = """
DELETE FROM flight
 WHERE account = :account AND region = :region AND client_id = :client_id AND packet_id = :packet_id"""

# A message that is not in the session's mailbox any more counts as gone.
READ_FLIGHTS = """
SELECT f.packet_id, f.message AS id, f.retain AS flag, f.identifiers,
       m.topic, m.payload, m.properties, m.origin, m.at, m.expires
  FROM flight f
  LEFT JOIN mailbox b
    ON b.account = f.account AND b.region = f.region AND b.session = f.client_id AND b.message = f.message
  LEFT JOIN message m ON m.id = b.message
 WHERE f.account = :account AND f.region = :region AND f.client_id = :client_id
 ORDER BY f.message, f.packet_id"""

DELETE_ALL = tuple(
    f"DELETE FROM {table} WHERE account = :account AND region = :region AND client_id = :client_id"  # noqa: S608
    for table in ("received", "flight")
)


def put_received(account: str, region: str, client_id: str, packet_id: int) -> Statement:
    return Statement(PUT_RECEIVED, _key(account, region, client_id) | {"packet_id": packet_id})


def delete_received(account: str, region: str, client_id: str, packet_id: int) -> Statement:
    return Statement(DELETE_RECEIVED, _key(account, region, client_id) | {"packet_id": packet_id})


def read_received(account: str, region: str, client_id: str) -> Query:
    return Query(READ_RECEIVED, _key(account, region, client_id))


def put_flight(
    account: str,
    region: str,
    client_id: str,
    packet_id: int,
    *,
    message: int,
    retain: bool,
    identifiers: str,
) -> Statement:
    """``identifiers`` is a JSON list. What had the packet identifier before is complete and forgotten."""
    params = {"packet_id": packet_id, "message": message, "retain": int(retain), "identifiers": identifiers}
    return Statement(PUT_FLIGHT, _key(account, region, client_id) | params)


def release_flight(account: str, region: str, client_id: str, packet_id: int) -> Statement:
    """The client has the message: only its packet identifier is left."""
    return Statement(RELEASE_FLIGHT, _key(account, region, client_id) | {"packet_id": packet_id})


def delete_flight(account: str, region: str, client_id: str, packet_id: int) -> Statement:
    return Statement(DELETE_FLIGHT, _key(account, region, client_id) | {"packet_id": packet_id})


def read_flights(account: str, region: str, client_id: str) -> Query:
    """In the order of their messages, with them; ``topic`` is null where the message is gone or released."""
    return Query(READ_FLIGHTS, _key(account, region, client_id))


def delete_exchanges(account: str, region: str, client_id: str) -> list[Statement]:
    return [Statement(sql, _key(account, region, client_id)) for sql in DELETE_ALL]


def _key(account: str, region: str, client_id: str) -> dict[str, Any]:
    return {"account": account, "region": region, "client_id": client_id}
