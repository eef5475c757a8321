"""The table ``retained``: the last message of a topic, for those who come later."""

from __future__ import annotations

from typing import Any

from sekisho.store.statement import Query, Statement

PUT = """
INSERT INTO retained (account, region, topic, payload, qos, properties, updated, expires)
VALUES (:account, :region, :topic, :payload, :qos, :properties, :updated, :expires)
    ON CONFLICT (account, region, topic) DO UPDATE
   SET payload = excluded.payload, qos = excluded.qos, properties = excluded.properties,
       updated = excluded.updated, expires = excluded.expires"""

HAS = "SELECT topic FROM retained WHERE account = :account AND region = :region AND topic = :topic"

DELETE = """
DELETE FROM retained WHERE account = :account AND region = :region AND topic = :topic
RETURNING topic"""

EXPIRED = """
SELECT account, region, topic, expires FROM retained
 WHERE expires > 0 AND expires <= :now ORDER BY expires LIMIT :limit"""

DELETE_EXPIRED = """
DELETE FROM retained
 WHERE account = :account AND region = :region AND topic = :topic AND expires = :expires
RETURNING topic"""

COUNT = "SELECT COUNT(*) AS count FROM retained WHERE account = :account AND region = :region"

GET = """
SELECT topic, payload, qos, properties, updated, expires
  FROM retained
 WHERE account = :account AND region = :region AND topic = :topic"""

PAGE = """
SELECT topic, LENGTH(payload) AS size, qos, updated, expires
  FROM retained
 WHERE account = :account AND region = :region AND topic > :after
 ORDER BY topic LIMIT :limit"""

# "0" is the character after "/". Text is ordered by its bytes in both engines.
PAGE_BELOW = """
SELECT topic
  FROM retained
 WHERE account = :account AND region = :region AND topic > :after AND topic >= :prefix AND topic < :end
 ORDER BY topic LIMIT :limit"""


def put_retained(
    account: str,
    region: str,
    topic: str,
    *,
    payload: bytes,
    qos: int,
    properties: str,
    updated: float,
    expires: float,
) -> Statement:
    """``updated`` and ``expires`` are civil epoch seconds; ``expires`` 0 is never."""
    return Statement(
        PUT,
        _key(account, region, topic)
        | {"payload": payload, "qos": qos, "properties": properties, "updated": updated, "expires": expires},
    )


def has_retained(account: str, region: str, topic: str) -> Statement:
    """In a commit, before :func:`put_retained`: returns a row if the topic had a message already."""
    return Statement(HAS, _key(account, region, topic))


def delete_retained(account: str, region: str, topic: str) -> Statement:
    """Returns a row if there was one."""
    return Statement(DELETE, _key(account, region, topic))


def expired_retained(now: float, limit: int) -> Query:
    return Query(EXPIRED, {"now": now, "limit": limit})


def delete_expired_retained(account: str, region: str, topic: str, expires: float) -> Statement:
    """Returns a row, unless another message has taken the topic since."""
    return Statement(DELETE_EXPIRED, _key(account, region, topic) | {"expires": expires})


def count_retained(account: str, region: str) -> Query:
    return Query(COUNT, {"account": account, "region": region})


def get_retained(account: str, region: str, topic: str) -> Query:
    return Query(GET, _key(account, region, topic))


def page_retained(account: str, region: str, after: str, limit: int) -> Query:
    """Retained messages by topic; ``size`` is the payload's length in bytes."""
    return Query(PAGE, {"account": account, "region": region, "after": after, "limit": limit})


def page_topics_below(account: str, region: str, prefix: str, after: str, limit: int) -> Query:
    """Topics of retained messages that begin with ``prefix``, which ends with a slash, after ``after``."""
    params = {"account": account, "region": region, "after": after, "end": f"{prefix[:-1]}0"}
    return Query(PAGE_BELOW, params | {"prefix": prefix, "limit": limit})


def _key(account: str, region: str, topic: str) -> dict[str, Any]:
    return {"account": account, "region": region, "topic": topic}
