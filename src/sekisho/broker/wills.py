"""Delayed wills: published when a client does not come back in time, or its session ends (section 3.1.3.2.2).

Only a persistent session can delay a will. From CONNECT on it is a row, so that the will of a client that
goes together with the node is published when the node is back. The delay is civil time, as the session's is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import structlog

from sekisho.broker.mailbox import dump_properties, load_properties
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Will
from sekisho.store import wills as rows
from sekisho.store.statement import Statement
from sekisho.store.store import Store

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.hub import Hub
    from sekisho.broker.session import Session

log = structlog.get_logger("sekisho.wills")

PAGE = 500
EVERY = 0.5

Key = tuple[str, str, str]


class Pending(NamedTuple):
    """A will, its delay in seconds, and the civil time at which it is due: 0 while its client is here."""

    message: Message
    delay: float
    due: float


class Wills:
    def __init__(self, hub: Hub, store: Store) -> None:
        self._hub = hub
        self._store = store
        self._pending: dict[Key, Pending] = {}

    async def start(self, places: list[tuple[str, str]]) -> None:
        """Take up the wills of the database; clients that were connected when the node went are gone now."""
        now = self._hub.clock.now()
        for account, region in places:
            after = ""
            while True:
                page = await self._store.fetch(*rows.page_wills(account, region, after, PAGE))
                for row in page:
                    after = row["client_id"]
                    session = self._hub.sessions.get(account, region, after)
                    ends = session.ends if session is not None else now
                    due = row["due"] or min(now + row["delay"], ends)
                    self._pending[account, region, after] = Pending(_message(row), row["delay"], due)
                if len(page) < PAGE:
                    break

    def connected(self, session: Session, client: Client, will: Will | None) -> list[Statement]:
        """A client has the session: what its last connection left is not published any more [MQTT-3.1.3-9].
        To be committed with the session."""
        key = _key(session)
        before = self._pending.pop(key, None)
        delay = delay_of(will)
        if will is None or not delay or not session.expiry:
            return [rows.delete_will(*key)] if before is not None else []
        pending = self._pending[key] = Pending(self._hub.will_of(client, will), delay, 0.0)
        return [_row(key, pending)]

    def delays(self, client: Client, will: Will, message: Message) -> bool:
        """Whether the will of a connection that has ended is not to be published now; if so, it is kept."""
        session = client.durable
        delay = delay_of(will)
        if not delay or session is None or not session.expiry:
            return False
        key = _key(session)
        if self._hub.sessions.get(*key) is not session:
            return False  # the session has ended already
        if session.client is None:  # else it has been taken over, and nothing is to be published
            due = self._hub.clock.now() + min(delay, session.expiry)
            self._pending[key] = Pending(message, delay, due)
        return True

    def left(self, session: Session) -> list[Statement]:
        """The session's connection has ended: what must be a row now, with the session's own."""
        key = _key(session)
        pending = self._pending.get(key)
        if pending is None:
            return []
        if not pending.due:  # the client said that it goes
            del self._pending[key]
            return [rows.delete_will(*key)]
        return [_row(key, pending)]

    def ended(self, session: Session) -> list[Statement]:
        """The session has ended, and its will need not wait. To be committed with the session's end."""
        key = _key(session)
        pending = self._pending.pop(key, None)
        if pending is None:
            return []
        if pending.due:
            self._publish(pending)
        return [rows.delete_will(*key)]

    async def run(self) -> None:
        """Publish what is due, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            now = self._hub.clock.now()
            for key, pending in list(self._pending.items()):
                if pending.due and pending.due <= now:
                    del self._pending[key]
                    with self._hub.mailbox.whole():
                        done = self._hub.mailbox.add([rows.delete_will(*key)])
                        self._publish(pending)
                    self._hub.spawn(done)

    def _publish(self, pending: Pending) -> None:
        """Its lifetime begins now."""
        message = pending.message
        self._hub.publish_will(
            Message(
                message.account,
                message.region,
                message.topic,
                message.payload,
                message.qos,
                message.retain,
                message.properties,
                message.client_id,
                message.principal,
                message.source_ip,
                self._hub.clock.now(),
            )
        )


OF_CLIENTS = ("$aws/things/", "$aws/rules/")
"""Reserved topics on which a will is published as on any other: subscribers get it (AWS IoT Developer Guide,
"Using shadows in devices", of wills on reserved topics)."""


def is_the_nodes(topic: str) -> bool:
    """Whether subscribers take what comes on a topic for the node's word: events, and answers with keys and
    tokens. No client publishes there, so none may leave a will there either."""
    return topic[:1] == "$" and not topic.startswith(OF_CLIENTS)


def delay_of(will: Will | None) -> int:
    """Seconds."""
    return will.properties.get("will_delay_interval", 0) if will is not None else 0


def _key(session: Session) -> Key:
    return (session.account, session.region, session.key)


def _row(key: Key, pending: Pending) -> Statement:
    message = pending.message
    detail = {
        "topic": message.topic,
        "qos": message.qos,
        "retain": message.retain,
        "properties": dump_properties(message.properties),
        "principal": message.principal,
        "sourceIp": message.source_ip,
    }
    text = orjson.dumps(detail).decode()
    return rows.put_will(*key, payload=message.payload, detail=text, delay=pending.delay, due=pending.due)


def _message(row: Mapping[str, Any]) -> Message:
    detail = orjson.loads(row["detail"])
    return Message(
        row["account"],
        row["region"],
        detail["topic"],
        row["payload"],
        detail["qos"],
        detail["retain"],
        load_properties(detail["properties"]),
        row["client_id"],
        detail["principal"],
        detail["sourceIp"],
    )
