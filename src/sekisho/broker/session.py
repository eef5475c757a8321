"""A persistent session: what a client id has subscribed to and what waits for it, here and away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import orjson

from sekisho.broker.mailbox import Stored
from sekisho.broker.queue import Queue
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Subscription
from sekisho.mqtt.topics import matches, parse_share
from sekisho.store import sessions as rows
from sekisho.store.statement import Statement

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.delivery import Delivery
    from sekisho.broker.flights import Unfinished
    from sekisho.broker.hub import Hub

PAGE = 100
KEPT_TOPICS = 1000


class Session:
    """The sink of its client's subscriptions. QoS 1 messages are rows before they are acknowledged to their
    publisher, also while the client is connected, so that they survive the node."""

    def __init__(
        self, hub: Hub, account: str, region: str, client_id: str, protocol: int, expiry: float
    ) -> None:
        self.hub = hub
        self.account = account
        self.region = region
        self.key = client_id
        self.protocol = protocol
        self.expiry = expiry
        self.ends = 0.0
        """Civil time at which the session ends; 0 while a client is connected."""
        self.queue = Queue(hub.limits.session_queue_messages, hub.limits.session_queue_bytes)
        self.subscriptions: dict[str, Subscription] = {}
        self.client: Client | None = None
        """The connection that has the session, from before its CONNACK on."""
        self._open: Client | None = None
        """The same from its CONNACK on: nothing may be sent to it before [MQTT-3.2.0-1]."""
        self._before = 0
        """Messages up to this id were there at the CONNACK; the replay brings them."""
        self._last: Message | None = None
        self._granted: dict[str, int] = {}
        self._handed = 0
        """The newest message that went to the client's delivery."""
        self._behind = False
        """Whether messages after it are left in the database until the client has caught up."""
        self._passed = False
        """Whether a message was left there since the database was last read."""
        self._catching_up: asyncio.Task[None] | None = None
        self.unfinished: Unfinished | None = None
        """Exchanges of QoS 2 that its last connection has left to its next."""

    # --- what it was told ----------------------------------------------------------------------------------

    def offer(self, message: Message) -> Awaitable[None] | None:
        if message is self._last:
            return None
        self._last = message
        client = self._open
        if message.qos and self._qos(message.topic):
            if client is not None and not client.delivery.receives(message):
                return None
            return self.hub.mailbox.put(message, self)
        return client.delivery.offer(message) if client is not None else None

    def _qos(self, topic: str) -> int:
        granted = self._granted.get(topic)
        if granted is None:
            parent = self.hub.profile.hash_matches_parent
            mine = [s.qos for f, s in self.subscriptions.items() if matches(f, topic, parent)]
            granted = max(mine, default=0)
            if len(self._granted) >= KEPT_TOPICS:
                self._granted.clear()
            self._granted[topic] = granted
        return granted

    def forget_decisions(self) -> None:
        self._granted.clear()

    def stored(self, stored: Stored) -> None:
        """A message has become a row: give it to the client, unless the client is behind or away."""
        client = self._open
        if client is None or stored.id <= self._handed:
            return  # the replay brings it, or has read it before this was told
        if self._behind:
            self._passed = True
        elif client.delivery.offer_stored(stored, self):
            self._handed = stored.id
        else:
            self._behind = True

    # --- the client comes, catches up, and goes ------------------------------------------------------------

    def attach(self, client: Client) -> None:
        """A client takes the session over; it is sent nothing before :meth:`begin`."""
        self.detach()
        self.client = client
        self.ends = 0.0
        client.subscriptions = self.subscriptions

    def begin(self, client: Client, present: bool) -> None:
        """The client has its CONNACK: live traffic goes to it, and beside it what waited, at the documented
        pace (AWS IoT Developer Guide, MQTT persistent sessions: at most 10 messages a second)."""
        self._open = client
        self._before = self._handed = self.hub.mailbox.last_id
        if present:
            rate = self.hub.rates.replay_per_second
            self._catching_up = asyncio.ensure_future(self._replay(client, self._before, rate))
            self.hub.watch(self._catching_up)
        for key in self.shares():
            self.hub.groups.here(self, key)

    @property
    def delivery(self) -> Delivery | None:
        """Where the session's messages go while its client is here."""
        return self._open.delivery if self._open is not None else None

    def shares(self) -> list[str]:
        return [filter for filter in self.subscriptions if parse_share(filter)[0] is not None]

    def detach(self) -> None:
        for key in self.shares():
            self.hub.groups.gone(self, key)
        self.client = self._open = None
        self._behind = False
        if self._catching_up is not None:
            self._catching_up.cancel()
            self._catching_up = None

    def caught_up(self) -> None:
        """The client has taken all that it was given: if messages were left in the database, go on there."""
        client = self._open
        if self._behind and client is not None and (self._catching_up is None or self._catching_up.done()):
            self._catching_up = asyncio.ensure_future(self._follow(client))
            self.hub.watch(self._catching_up)

    async def _follow(self, client: Client) -> None:
        while self._open is client:
            self._passed = False
            page = await self.hub.mailbox.read(self, after=self._handed, until=1 << 62, limit=PAGE)
            if not page and not self._passed:
                self._behind = False
                return
            for stored in page:
                await client.delivery.offer_when_room(stored, self)
                self._handed = stored.id

    async def _replay(self, client: Client, until: int, rate: int) -> None:
        await self.hub.mailbox.settled()
        after = 0
        while self._open is client:
            page = await self.hub.mailbox.read(self, after=after, until=until, limit=PAGE)
            for stored in page:
                await client.delivery.offer_when_room(stored, self)
                after = stored.id
                if rate:
                    await asyncio.sleep(1 / rate)
            if len(page) < PAGE:
                break
        if self._behind:
            await self._follow(client)

    def acknowledged(self, stored: Stored) -> None:
        self.hub.mailbox.acknowledged(self, stored)

    def refused(self, message: Message) -> None:
        effect = "the message was dropped for this session alone; its publisher has it acknowledged"
        self.hub.overflowed(self.queue, message, "the session's queue is full", effect, clientId=self.key)

    # --- its row -------------------------------------------------------------------------------------------

    def row(self) -> Statement:
        return rows.put_session(
            self.account,
            self.region,
            self.key,
            protocol=self.protocol,
            expiry=self.expiry,
            ends=self.ends,
            subscriptions=orjson.dumps([list(s) for s in self.subscriptions.values()]).decode(),
        )

    @classmethod
    def of_row(cls, hub: Hub, row: Any) -> Session:
        session = cls(hub, row["account"], row["region"], row["client_id"], row["protocol"], row["expiry"])
        session.ends = row["ends"]
        for values in orjson.loads(row["subscriptions"]):
            subscription = Subscription(*values)
            session.subscriptions[subscription.filter] = subscription
        return session
