"""Shared subscriptions: each message goes to one member of a group, chosen at random.

While a member has a persistent session, QoS 1 messages are rows of the group: they wait when nobody is here,
and pass to another member when the one that had them goes (AWS IoT Developer Guide, Shared subscriptions).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from sekisho.broker.delivery import Delivery
from sekisho.broker.mailbox import Stored
from sekisho.broker.session import Session
from sekisho.mqtt.message import Message
from sekisho.store import sessions as rows

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub

PAGE = 100
DRAIN = 20
"""Queued messages a second for each member that is here (AWS IoT Developer Guide, Shared subscriptions)."""

Member = Delivery | Session


class Group:
    """The sink of one ``$share/{name}/{filter}`` in one account and region."""

    def __init__(self, hub: Hub, account: str, region: str, key: str) -> None:
        self.hub = hub
        self.account = account
        self.region = region
        self.key = key
        self.members: dict[Member, int] = {}
        """Each member with the QoS it was granted."""
        self._handed: dict[int, Delivery | None] = {}
        """Rows that a member has been sent and has not acknowledged; None: they are being made its own."""
        self._behind = False
        self._passed = False
        """Whether a row was left in the database since it was last read."""
        self._draining: asyncio.Task[None] | None = None

    def offer(self, message: Message) -> Awaitable[None] | None:
        if message.qos and any(qos and isinstance(m, Session) for m, qos in self.members.items()):
            return self.hub.mailbox.put(message, self)
        member = self._pick(message)
        if member is not None:
            delivery, qos = member
            delivery.offer_shared(message, qos, self.key)
        return None

    def _pick(self, message: Message) -> tuple[Delivery, int] | None:
        """A member that is here, may receive the message and has room for it."""
        here = []
        for member, qos in self.members.items():
            delivery = member if isinstance(member, Delivery) else member.delivery
            if delivery is not None:
                here.append((delivery, qos))
        while here:
            chosen = here.pop(random.randrange(len(here)))  # noqa: S311 - fairness, not secrecy
            if chosen[0].has_room and chosen[0].receives(message):
                return chosen
        return None

    # --- rows ----------------------------------------------------------------------------------------------

    def stored(self, stored: Stored) -> None:
        if self._behind:
            self._passed = True
        elif not self._hand(stored):
            self._behind = True

    def _hand(self, stored: Stored) -> bool:
        member = self._pick(stored.message)
        if member is None:
            return False
        delivery, qos = member
        if not qos:
            delivery.offer_shared(stored.message, 0, self.key)
            self.hub.mailbox.acknowledged(self, stored.id)
            return True
        self._handed[stored.id] = delivery
        return delivery.offer_stored(stored, self)

    def acknowledged(self, stored: Stored) -> None:
        self._handed.pop(stored.id, None)
        self.hub.mailbox.acknowledged(self, stored.id)
        if self._behind:
            self.drain()

    def promise(self, stored: Stored) -> None:
        """A row is being made its member's own: it is not another's even if the member goes."""
        self._handed[stored.id] = None

    def take_back(self, stored: Stored) -> None:
        """That failed."""
        self._handed.pop(stored.id, None)
        self.drain()

    def drain(self) -> None:
        """A member is here, or has room again: give out what waits."""
        if self._draining is None or self._draining.done():
            self._draining = asyncio.ensure_future(self._drain())
            self.hub.watch(self._draining)

    async def _drain(self) -> None:
        self._behind = True
        while self.members:
            self._passed = False
            limit = PAGE + len(self._handed)
            page = await self.hub.mailbox.read(self, after=0, until=1 << 62, limit=limit)
            waiting = [stored for stored in page if stored.id not in self._handed]
            if not waiting and not self._passed:
                self._behind = False
                return
            for stored in waiting:
                if not self._hand(stored):
                    return  # nobody has room: an acknowledgement or a new member goes on
                if self.hub.enforce_limits:
                    await asyncio.sleep(1 / (DRAIN * max(1, len(self.members))))

    def released(self, delivery: Delivery) -> None:
        """A member has gone: what it had not acknowledged is another's."""
        mine = [id for id, holder in self._handed.items() if holder is delivery]
        for id in mine:
            del self._handed[id]
        if mine or self._behind:
            self._behind = True
            self.drain()


class Groups:
    """All shared subscriptions of the node, by account, region and ``$share/{name}/{filter}``."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._groups: dict[tuple[str, str, str], Group] = {}

    def join(self, member: Member, key: str, filter: str, qos: int) -> None:
        place = (member.account, member.region, key)
        group = self._groups.get(place)
        if group is None:
            group = self._groups[place] = Group(self._hub, *place)
            self._hub.space(member.account, member.region).subscribers.add(filter, group, group)
        group.members[member] = qos
        group.drain()

    def leave(self, member: Member, key: str, filter: str) -> None:
        place = (member.account, member.region, key)
        group = self._groups.get(place)
        if group is None or group.members.pop(member, None) is None:
            return
        self.gone(member, key)
        if not group.members:
            del self._groups[place]
            self._hub.space(member.account, member.region).subscribers.remove(filter, group)
            self._hub.spawn(self._hub.store.commit([rows.empty_mailbox(*place)]))

    def here(self, member: Member, key: str) -> None:
        """A member's client has its CONNACK."""
        group = self._groups.get((member.account, member.region, key))
        if group is not None:
            group.drain()

    def gone(self, member: Member, key: str) -> None:
        """A member's client has gone; the member may stay, as a session does."""
        group = self._groups.get((member.account, member.region, key))
        delivery = member if isinstance(member, Delivery) else member.delivery
        if group is not None and delivery is not None:
            group.released(delivery)
