"""The tables ``session``, ``message`` and ``mailbox``: what clients that went away will still be told.

``ends`` is civil time in epoch seconds, 0 while a client is connected; ``expires`` likewise, 0 for never.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sekisho.store.exchanges import delete_exchanges
from sekisho.store.several import any_of, insert_several
from sekisho.store.statement import Query, Statement

PUT_SESSION = """
INSERT INTO session (account, region, client_id, protocol, expiry, ends, subscriptions)
VALUES (:account, :region, :client_id, :protocol, :expiry, :ends, :subscriptions)
    ON CONFLICT (account, region, client_id) DO UPDATE
   SET protocol = excluded.protocol, expiry = excluded.expiry, ends = excluded.ends,
       subscriptions = excluded.subscriptions"""

END_SESSION = """
UPDATE session SET ends = :ends, expiry = :expiry
 WHERE account = :account AND region = :region AND client_id = :client_id"""

DELETE_SESSION = """
DELETE FROM session WHERE account = :account AND region = :region AND client_id = :client_id"""

PAGE_SESSIONS = """
SELECT account, region, client_id, protocol, expiry, ends, subscriptions
  FROM session
 WHERE account = :account AND region = :region AND client_id > :after
 ORDER BY client_id LIMIT :limit"""

GET_SESSION = """
SELECT account, region, client_id, protocol, expiry, ends, subscriptions
  FROM session
 WHERE account = :account AND region = :region AND client_id = :client_id"""

PUT_MESSAGE = """
INSERT INTO message (id, account, region, topic, payload, properties, origin, at, expires)
VALUES (:id, :account, :region, :topic, :payload, :properties, :origin, :at, :expires)"""

PUT_ENTRY = """
INSERT INTO mailbox (account, region, session, message)
VALUES (:account, :region, :session, :message)
    ON CONFLICT (account, region, session, message) DO NOTHING"""

HAS_ENTRY = """
SELECT message FROM mailbox
 WHERE account = :account AND region = :region AND session = :session AND message = :message"""

DELETE_ENTRY = """
DELETE FROM mailbox
 WHERE account = :account AND region = :region AND session = :session AND message = :message
RETURNING message"""

DELETE_ENTRIES_OF = """
DELETE FROM mailbox
 WHERE account = :account AND region = :region AND session IN (:session) AND message = :message
RETURNING session"""

EMPTY_MAILBOX = """
DELETE FROM mailbox WHERE account = :account AND region = :region AND session = :session"""

# A message's size: the payload's bytes, the topic's characters, the properties' characters.
QUEUES = """
SELECT b.session, COUNT(*) AS messages,
       SUM(LENGTH(m.payload) + LENGTH(m.topic) + LENGTH(CAST(m.properties AS TEXT))) AS bytes
  FROM mailbox b JOIN message m ON m.id = b.message
 WHERE b.account = :account AND b.region = :region
 GROUP BY b.session"""

READ_MAILBOX = """
SELECT b.message AS id, m.topic, m.payload, m.properties, m.origin, m.at, m.expires
  FROM mailbox b JOIN message m ON m.id = b.message
 WHERE b.account = :account AND b.region = :region AND b.session = :session
   AND b.message > :after AND b.message <= :until
 ORDER BY b.message LIMIT :limit"""

LAST_MESSAGE = "SELECT COALESCE(MAX(id), 0) AS last FROM message"

DELETE_BODY = """
DELETE FROM message
 WHERE id = :id AND NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.message = :id)"""

# What has been sent with QoS 2 does not expire any more [MQTT-4.3.3-7].
EXPIRED = """
SELECT m.id, LENGTH(m.payload) + LENGTH(m.topic) + LENGTH(CAST(m.properties AS TEXT)) AS size
  FROM message m
 WHERE m.expires > 0 AND m.expires <= :now
   AND NOT EXISTS (SELECT 1 FROM flight f WHERE f.message = m.id)
 ORDER BY m.id LIMIT :limit"""

DELETE_ENTRIES = "DELETE FROM mailbox WHERE message = :id RETURNING account, region, session"

ORPHANS = """
SELECT m.id FROM message m
 WHERE m.id > :after AND NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.message = m.id)
 ORDER BY m.id LIMIT :limit"""


def put_session(
    account: str,
    region: str,
    client_id: str,
    *,
    protocol: int,
    expiry: float,
    ends: float,
    subscriptions: str,
) -> Statement:
    params = _key(account, region, client_id) | {"protocol": protocol, "expiry": expiry, "ends": ends}
    return Statement(PUT_SESSION, params | {"subscriptions": subscriptions})


def end_session(account: str, region: str, client_id: str, *, ends: float, expiry: float) -> Statement:
    return Statement(END_SESSION, _key(account, region, client_id) | {"ends": ends, "expiry": expiry})


def delete_session(account: str, region: str, client_id: str) -> list[Statement]:
    """The session with all that waits for it, and all that is not complete."""
    return [
        Statement(DELETE_SESSION, _key(account, region, client_id)),
        empty_mailbox(account, region, client_id),
        *delete_exchanges(account, region, client_id),
    ]


def get_session(account: str, region: str, client_id: str) -> Query:
    return Query(GET_SESSION, _key(account, region, client_id))


def page_sessions(account: str, region: str, after: str, limit: int) -> Query:
    return Query(PAGE_SESSIONS, {"account": account, "region": region, "after": after, "limit": limit})


def put_message(
    id: int,
    account: str,
    region: str,
    topic: str,
    payload: bytes,
    properties: str,
    origin: str,
    at: float,
    expires: float,
) -> Statement:
    return Statement(
        PUT_MESSAGE,
        {
            "id": id,
            "account": account,
            "region": region,
            "topic": topic,
            "payload": payload,
            "properties": properties,
            "origin": origin,
            "at": at,
            "expires": expires,
        },
    )


def put_entry(account: str, region: str, session: str, message: int) -> Statement:
    return Statement(PUT_ENTRY, _entry(account, region, session, message))


def put_entries(account: str, region: str, sessions: Sequence[str], message: int) -> list[Statement]:
    """Have a message wait for sessions and shared subscriptions."""
    return insert_several(PUT_ENTRY, [_entry(account, region, session, message) for session in sessions])


def has_entry(account: str, region: str, session: str, message: int) -> Query:
    """Whether a message waits: one row or none."""
    return Query(HAS_ENTRY, _entry(account, region, session, message))


def delete_entry(account: str, region: str, session: str, message: int) -> Statement:
    """Returns a row if the entry was there."""
    return Statement(DELETE_ENTRY, _entry(account, region, session, message))


def delete_entries(account: str, region: str, sessions: Sequence[str], message: int) -> list[Statement]:
    """Each returns the ``session`` of every entry that was there."""
    params = {"account": account, "region": region, "message": message}
    return any_of(DELETE_ENTRIES_OF, "session", sessions, params)


def empty_mailbox(account: str, region: str, session: str) -> Statement:
    return Statement(EMPTY_MAILBOX, {"account": account, "region": region, "session": session})


def read_mailbox(account: str, region: str, session: str, *, after: int, until: int, limit: int) -> Query:
    """Entries with ids in (after, until], oldest first, with their messages."""
    params: dict[str, Any] = {"account": account, "region": region, "session": session}
    return Query(READ_MAILBOX, params | {"after": after, "until": until, "limit": limit})


def queues(account: str, region: str) -> Query:
    """How many ``messages`` of how many ``bytes`` wait for each ``session``; who has none has no row."""
    return Query(QUEUES, {"account": account, "region": region})


def last_message() -> Query:
    return Query(LAST_MESSAGE, {})


def delete_body(id: int) -> Statement:
    """Delete a message's body unless somebody still waits for it."""
    return Statement(DELETE_BODY, {"id": id})


def delete_message(id: int) -> list[Statement]:
    """Delete a message whoever waits for it; the first statement returns whose entries there were."""
    return [Statement(DELETE_ENTRIES, {"id": id}), delete_body(id)]


def expired_messages(now: float, limit: int) -> Query:
    """Ids and sizes."""
    return Query(EXPIRED, {"now": now, "limit": limit})


def orphaned_messages(after: int, limit: int) -> Query:
    """Bodies that nobody waits for: those of sessions that were ended."""
    return Query(ORPHANS, {"after": after, "limit": limit})


def _key(account: str, region: str, client_id: str) -> dict[str, Any]:
    return {"account": account, "region": region, "client_id": client_id}


def _entry(account: str, region: str, session: str, message: int) -> dict[str, Any]:
    return {"account": account, "region": region, "session": session, "message": message}
