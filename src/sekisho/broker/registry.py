"""The broker as operations and operators see it: who is connected, cut off by id, written to, counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import orjson

from sekisho.broker.both import both
from sekisho.broker.hub import Hub
from sekisho.broker.items import Handed
from sekisho.broker.mailbox import NEVER, Stored
from sekisho.broker.outbox import Outbox
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Connect
from sekisho.mqtt.reasons import Reason
from sekisho.services.live import Address, Group, Link, Presence, Sent
from sekisho.services.work import Posted
from sekisho.store.connections import Connection

if TYPE_CHECKING:
    from sekisho.broker.client import Client

UNKNOWN: Address = ("", 0)
PACKET_ID = 2
"""Bytes that QoS 1 adds to a PUBLISH (section 3.3.2.2)."""


class Entry(NamedTuple):
    """A connection's row, and what is asked about it while it lasts; ``at`` is civil epoch seconds."""

    id: str
    at: float
    keep_alive: int
    clean_session: bool


def opened(client: Client, packet: Connect) -> Entry:
    """A client has its CONNACK."""
    hub = client.hub
    session = client.durable
    entry = Entry(
        f"{int(hub.clock.real() * 1e6):014x}-{client.session}",
        hub.clock.now(),
        packet.keep_alive,
        session is None,
    )
    hub.counters["accepted"] += 1
    detail = {
        "session": client.session,
        "versionNumber": client.version,
        "thingName": _thing_name(client),
        "port": _address(client, "peername")[1],
        "keepAlive": entry.keep_alive,
        "cleanSession": entry.clean_session,
        "sessionExpiry": int(session.expiry) if session is not None else 0,
    }
    hub.journal.opened(
        Connection(
            entry.id,
            client.account,
            client.region,
            client.client_id,
            client.certificate_id,
            client.peer.address,
            client.connection.version,
            entry.at,
            orjson.dumps(detail).decode(),
        )
    )
    return entry


def closed(client: Client, reason: str) -> None:
    """A client's connection has ended."""
    hub = client.hub
    hub.counters["delivered"] += client.delivery.delivered
    if client.entry is not None:
        hub.journal.closed(client.entry.id, hub.clock.now(), reason)


def _thing_name(client: Client) -> str:
    thing = client.authorizer.identity.thing
    return thing.name if thing is not None else ""


def _address(client: Client, end: str) -> Address:
    """``peername`` or ``sockname``, without what IPv6 adds."""
    found = client.transport.get_extra_info(end)
    return (str(found[0]), int(found[1])) if found else UNKNOWN


class Receipt:
    """Waits for the acknowledgement of one message; nothing of it is a row."""

    def __init__(self, client: Client) -> None:
        self.account = client.account
        self.region = client.region
        self.key = client.client_id
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stored(self, stored: Stored) -> None:
        """It never is."""

    def acknowledged(self, stored: Stored) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Registry:
    """:class:`sekisho.services.live.Connections`, and the door for messages from the API."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.outbox = Outbox(hub)

    def publish(self, message: Message) -> Awaitable[None] | None:
        """Give a message to whom its topic reaches, and keep it if it is to be retained."""
        waiting = self._hub.publish(message)
        return both(waiting, self._hub.retained.keep(message)) if message.retain else waiting

    def find(self, account: str, region: str, client_id: str) -> Presence | None:
        client = self._hub.client(account, region, client_id)
        session = self._hub.sessions.get(account, region, client_id)
        if client is None and session is None:
            return None
        link = None
        if client is not None and client.entry is not None:
            entry = client.entry
            link = Link(
                entry.at,
                entry.keep_alive,
                entry.clean_session,
                _thing_name(client),
                _address(client, "peername"),
                _address(client, "sockname"),
            )
        subscriptions = session.subscriptions if session is not None else {}
        if client is not None:
            subscriptions = client.subscriptions
        return Presence(
            link,
            int(session.expiry) if session is not None else 0,
            {filter: subscription.qos for filter, subscription in subscriptions.items()},
        )

    async def end(
        self, account: str, region: str, client_id: str, *, clean_session: bool, prevent_will: bool
    ) -> bool:
        client = self._hub.client(account, region, client_id)
        session = self._hub.sessions.get(account, region, client_id)
        if client is not None:
            if prevent_will:
                client.forget_will()
            words = "the connection was ended through the API"
            client.end(Reason.ADMINISTRATIVE_ACTION, words, "API_INITIATED_DISCONNECT")
        if session is not None and clean_session:
            await self._hub.sessions.discard(session)
        return client is not None or session is not None

    async def send(self, message: Message, client_id: str, timeout: float | None) -> Sent:
        client = self._hub.client(message.account, message.region, client_id)
        if client is None or client.entry is None:
            return Sent.ABSENT
        topic = message.topic
        if not client.authorizer.allows("iot:Receive", "topic", topic):
            words = f"not authorized to receive from {topic}"
            client.record_denial("iot:Receive", "topic", topic, words, "it was not delivered")
            return Sent.FORBIDDEN
        size = len(message.wire(client.connection.version)) + PACKET_ID
        if size > client.connection.peer_maximum_packet_size:
            return Sent.TOO_LARGE
        if timeout is None:
            return _write(client, message)
        if not client.delivery.has_room:
            return Sent.FULL
        receipt = Receipt(client)
        token = Handed(Stored(0, message, NEVER), receipt)
        client.connection.publish(topic, message.payload, 1, False, message.properties, token)
        client.delivery.count(message)
        client.flush()
        try:
            async with asyncio.timeout(timeout):
                await receipt.done
        except TimeoutError:
            return Sent.SILENT
        return Sent.DONE

    def why_not_retained(self, account: str, region: str, payload: bytes) -> str | None:
        retained = self._hub.retained
        return retained.words() if retained.refuses(account, region, payload) else None

    async def post(self, posted: Sequence[Posted]) -> None:
        await self.outbox.post(posted)

    async def settle(self) -> None:
        hub = self._hub
        await hub.journal.flush()
        await hub.mailbox.settled()
        await hub.mailbox.flush()

    def groups(self, account: str, region: str) -> Mapping[str, Group]:
        found = self._hub.groups.all()
        return {
            group.key: group.shown() for group in found if (group.account, group.region) == (account, region)
        }

    def counters(self) -> Mapping[str, int]:
        hub = self._hub
        queues = list(hub.mailbox.queues)
        clients = list(hub.all_clients())
        sessions = list(hub.sessions.all())
        return {
            "connections": len(clients),
            "sessions": len(sessions),
            "subscriptions": sum(len(client.subscriptions) for client in clients)
            + sum(len(session.subscriptions) for session in sessions if session.client is None),
            "shared_subscriptions": len(hub.groups),
            "retained": hub.retained.count,
            "queued": sum(queue.messages for queue in queues),
            "queued_bytes": sum(queue.bytes for queue in queues),
            "accepted": hub.counters["accepted"],
            "unopened": hub.counters["unopened"],
            "published": hub.published,
            "delivered": hub.counters["delivered"] + sum(client.delivery.delivered for client in clients),
            "dropped": hub.counters["dropped"],
            "overflowed": hub.counters["overflowed"],
            "throttled": hub.counters["throttled"],
            "refused": hub.refusals.total,
        }


def _write(client: Client, message: Message) -> Sent:
    """QoS 0: at once or not at all."""
    transport = client.transport
    if transport.get_write_buffer_size() > transport.high_water:
        return Sent.FULL
    transport.write(message.wire(client.connection.version))
    client.delivery.count(message)
    return Sent.DONE
