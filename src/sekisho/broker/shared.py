"""Shared subscriptions: each message goes to one member of a group, chosen at random.

While a member has a persistent session, QoS 1 messages are rows of the group: they wait when nobody is here,
and pass to another member when the one that had them goes (AWS IoT Developer Guide, Shared subscriptions).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any

from sekisho.broker.delivery import Delivery
from sekisho.broker.mailbox import Stored
from sekisho.broker.queue import Queue
from sekisho.broker.session import Session
from sekisho.mqtt.message import Message
from sekisho.mqtt.topics import parse_share
from sekisho.services import live
from sekisho.store import sessions as rows

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub

PAGE = 100
DRAIN = 20
"""Queued messages a second for each member that is here (AWS IoT Developer Guide, Shared subscriptions)."""

Member = Delivery | Session


class Group:
    """The sink of one ``$share/{name}/{filter}`` in one account and region."""

    def __init__(
        self, hub: Hub, account: str, region: str, key: str, emptied: asyncio.Task[Any] | None
    ) -> None:
        """``emptied`` is done when nothing is left of a group that had the same name before."""
        self.hub = hub
        self._emptied = emptied
        self.account = account
        self.region = region
        self.key = key
        self.queue = Queue(hub.limits.shared_queue_messages, hub.limits.shared_queue_bytes)
        self.members: dict[Member, int] = {}
        """Each member with the QoS it was granted."""
        self._handed: dict[int, Delivery | None] = {}
        """Rows that a member has been sent and has not acknowledged; None: they are being made its own."""
        self._behind = False
        self._passed = False
        """Whether a row was left in the database since it was last read."""
        self._draining: asyncio.Task[None] | None = None

    @property
    def _queues(self) -> bool:
        """Whether a member has a persistent session that takes QoS 1."""
        return any(qos and isinstance(member, Session) for member, qos in self.members.items())

    def shown(self) -> live.Group:
        connected = sum(isinstance(m, Delivery) or m.delivery is not None for m in self.members)
        return live.Group(len(self.members), connected, self._queues)

    def offer(self, message: Message) -> Awaitable[None] | None:
        if message.qos and self._queues:
            return self.hub.mailbox.put(message, self)
        member = self._pick(message) or self._pick(message, may_wait=True)
        if member is not None:
            delivery, qos = member
            delivery.offer_shared(message, qos, self.key)
        elif message.qos:
            self.hub.counters["dropped"] += 1
        return None

    def _here(self) -> list[tuple[Delivery, int]]:
        here = []
        for member, qos in self.members.items():
            delivery = member if isinstance(member, Delivery) else member.delivery
            if delivery is not None:
                here.append((delivery, qos))
        return here

    def _pick(self, message: Message, *, may_wait: bool = False) -> tuple[Delivery, int] | None:
        """A member that is here, may receive the message and has room for it, now or for a while."""
        here = self._here()
        while here:
            chosen = here.pop(random.randrange(len(here)))  # noqa: S311 - fairness, not secrecy
            delivery, qos = chosen
            room = delivery.may_keep(message, qos) if may_wait else delivery.has_room
            if room and delivery.receives(message):
                return chosen
        return None

    def _awaits_room(self, message: Message) -> bool:
        """Whether a member that is here may receive a message that :meth:`_pick` found no room for; they will
        all say when they have some."""
        wanting = [delivery for delivery, _ in self._here() if delivery.receives(message)]
        for delivery in wanting:
            delivery.tell_of_room(self)
        return bool(wanting)

    # --- rows ----------------------------------------------------------------------------------------------

    def stored(self, stored: Stored) -> None:
        if self._behind:
            self._passed = True
        elif not self._hand(stored):
            self._behind = self._awaits_room(stored.message)

    def _hand(self, stored: Stored) -> bool:
        member = self._pick(stored.message)
        if member is None:
            return False
        delivery, qos = member
        if not qos:
            delivery.offer_shared(stored.message, 0, self.key)
            self.hub.mailbox.acknowledged(self, stored)
            return True
        self._handed[stored.id] = delivery
        if delivery.offer_stored(stored, self):
            return True
        self._handed.pop(stored.id, None)
        return False

    def acknowledged(self, stored: Stored) -> None:
        self._handed.pop(stored.id, None)
        self.hub.mailbox.acknowledged(self, stored)
        if self._behind:
            self.drain()

    def promise(self, stored: Stored) -> None:
        """A row is being made its member's own: it is not another's even if the member goes."""
        self._handed[stored.id] = None

    def given(self, stored: Stored) -> None:
        """That is done, and the row is not the group's any more."""
        self.queue.remove(stored.size)
        self._handed.pop(stored.id, None)
        if self._behind:
            self.drain()

    def take_back(self, stored: Stored) -> None:
        """That has failed."""
        self._handed.pop(stored.id, None)
        self._passed = True
        self.drain()

    def refused(self, message: Message) -> None:
        effect = "the message was dropped for this shared subscription; its publisher has it acknowledged"
        words = f"the queue of {self.key} is full"
        self.hub.overflowed(self.queue, message, words, effect)

    def drain(self) -> None:
        """A member is here, or has room again: give out what waits."""
        if self._draining is None or self._draining.done():
            self._draining = asyncio.ensure_future(self._drain())
            self.hub.watch(self._draining)

    async def _drain(self) -> None:
        self._behind = self._passed = True
        if self._emptied is not None:
            await asyncio.wait([self._emptied])
            self._emptied = None
        while self.members and self._passed:
            self._passed = False
            if not await self._drain_once():
                return  # nobody has room: who gets some, and a new member, goes on
        self._behind = False

    async def _drain_once(self) -> bool:
        """Give out what waits, from the oldest on; False when there is no room for it. What nobody here may
        receive waits on, and does not hold up the rest."""
        after = 0
        while True:
            # What is acknowledged while the rows are read, or given out, may be among them.
            held = set(self._handed)
            # Not what is a row and comes to `stored` yet: it would be given out twice.
            until = self.hub.mailbox.told_id
            page = await self.hub.mailbox.read(self, after=after, until=until, limit=PAGE)
            for stored in page:
                after = stored.id
                if stored.id in held or stored.id in self._handed:
                    continue
                if self._hand(stored):
                    if self.hub.enforce_limits:
                        await asyncio.sleep(1 / (DRAIN * max(1, len(self.members))))
                elif self._awaits_room(stored.message):
                    return False
            if len(page) < PAGE:
                return True

    def holds(self, delivery: Delivery) -> bool:
        return any(holder is delivery for holder in self._handed.values())

    def released(self, delivery: Delivery) -> None:
        """A member has gone: what it had not acknowledged is another's."""
        mine = [id for id, holder in self._handed.items() if holder is delivery]
        for id in mine:
            del self._handed[id]
        if mine or self._behind:
            self._behind = self._passed = True
            self.drain()


class Groups:
    """All shared subscriptions of the node, by account, region and ``$share/{name}/{filter}``."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._groups: dict[tuple[str, str, str], Group] = {}
        self._emptying: dict[tuple[str, str, str], asyncio.Task[Any]] = {}
        self._left: dict[Delivery, set[Group]] = {}
        """Connections with rows of groups that they are no longer in."""

    def all(self) -> Iterable[Group]:
        return self._groups.values()

    def __len__(self) -> int:
        return len(self._groups)

    def why_not(self, member: Member, key: str) -> str | None:
        """Why a member may not join, in words (AWS General Reference, AWS IoT Core quotas, message broker:
        "Shared Subscription groups per account", "Shared Subscriptions per group")."""
        limits = self._hub.limits
        group = self._groups.get((member.account, member.region, key))
        if group is None:
            if len(self._groups) >= limits.shared_groups:
                return f"there are {limits.shared_groups} shared subscriptions already"
        elif member not in group.members and len(group.members) >= limits.shared_subscriptions:
            return f"{key} has {limits.shared_subscriptions} members already"
        return None

    def join(self, member: Member, key: str, filter: str, qos: int) -> None:
        place = (member.account, member.region, key)
        group = self._groups.get(place)
        if group is None:
            group = self._groups[place] = Group(self._hub, *place, self._emptying.get(place))
            self._hub.mailbox.open(group)
            self._hub.space(member.account, member.region).subscribers.add(filter, group, group)
        group.members[member] = qos
        group.drain()

    def leave(self, member: Member, key: str, filter: str) -> None:
        place = (member.account, member.region, key)
        group = self._groups.get(place)
        if group is None or group.members.pop(member, None) is None:
            return
        delivery = member if isinstance(member, Delivery) else member.delivery
        if delivery is not None and group.holds(delivery):
            # What it has been sent is its own until it goes [MQTT-3.10.4-3].
            self._left.setdefault(delivery, set()).add(group)
        if not group.members:
            del self._groups[place]
            self._hub.mailbox.close_queue(group)
            self._hub.space(member.account, member.region).subscribers.remove(filter, group)
            emptying = asyncio.ensure_future(self._hub.store.commit([rows.empty_mailbox(*place)]))
            self._emptying[place] = emptying
            emptying.add_done_callback(lambda done: self._emptied(place, done))
            self._hub.watch(emptying)

    def _emptied(self, place: tuple[str, str, str], done: asyncio.Task[Any]) -> None:
        if self._emptying.get(place) is done:
            del self._emptying[place]

    def here(self, member: Member, key: str) -> None:
        """A member's client has its CONNACK."""
        group = self._groups.get((member.account, member.region, key))
        if group is not None:
            group.drain()

    def all_here(self, member: Member, filters: Iterable[str]) -> None:
        """What waits in shared subscriptions among ``filters`` may be this member's by now."""
        for filter in filters:
            if parse_share(filter)[0] is not None:
                self.here(member, filter)

    def ended(self, delivery: Delivery) -> None:
        """A connection has ended, and with it what it still had of groups that it had left."""
        for group in self._left.pop(delivery, ()):
            group.released(delivery)

    def gone(self, member: Member, key: str) -> None:
        """A member's client has gone; the member may stay, as a session does."""
        group = self._groups.get((member.account, member.region, key))
        delivery = member if isinstance(member, Delivery) else member.delivery
        if group is not None and delivery is not None:
            group.released(delivery)
