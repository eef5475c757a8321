"""Retained messages for a client's new subscriptions, one after the other as the client takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sekisho.broker.beyond import RETAINED
from sekisho.broker.limits import Complaints
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Subscription

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.extended_delivery import ExtendedDelivery

NEWER = 1000
"""Topics whose newer message is remembered as sent; beyond, an older one may come after it."""


class Replay:
    """Nothing of it is in memory but the filters and one page of topics: each message is read when there is
    room for it. It ends with the connection; what was not sent by then comes with the next SUBSCRIBE."""

    def __init__(self, client: Client, delivery: ExtendedDelivery) -> None:
        self._client = client
        self._delivery = delivery
        self._wanted: dict[str, Subscription] = {}
        self._newer: set[str] = set()
        self._complaints = Complaints()
        self._task: asyncio.Task[None] | None = None

    def add(self, subscriptions: Iterable[Subscription]) -> None:
        """Have the messages for subscriptions follow."""
        self._wanted |= {subscription.filter: subscription for subscription in subscriptions}
        if self._wanted and (self._task is None or self._task.done()):
            self._task = asyncio.ensure_future(self._run())
            self._client.hub.watch(self._task)

    def stop(self) -> None:
        self._wanted.clear()
        if self._task is not None:
            self._task.cancel()

    def passed(self, topic: str) -> None:
        """A message that is to be retained goes to the client by itself: an older one must not follow it."""
        if self._task is not None and not self._task.done():
            if len(self._newer) >= NEWER:
                self._newer.clear()
            self._newer.add(topic)

    async def _run(self) -> None:
        self._newer.clear()
        while self._wanted:
            subscription = self._wanted.pop(next(iter(self._wanted)))
            await self._send(subscription)

    async def _send(self, subscription: Subscription) -> None:
        client, delivery, filter = self._client, self._delivery, subscription.filter
        retained = client.hub.retained
        async for topic in retained.topics(client.account, client.region, filter):
            await delivery.room()
            message = await retained.get(client.account, client.region, topic)
            if client.subscriptions.get(filter) is not subscription:
                return  # it has ended, or begun anew
            if message is None or topic in self._newer or not self._allowed(message):
                continue
            if topic != filter:
                delivery.beyond.note(RETAINED, filter)
            delivery.retained_for(message, subscription)

    def _allowed(self, message: Message) -> bool:
        client, topic = self._client, message.topic
        if client.authorizer.allows("iot:Receive", "topic", topic):
            return True
        if self._complaints.due("iot:Receive", client.hub.clock.tick()):
            words = f"not authorized to receive from {topic}"
            client.record_denial("iot:Receive", "topic", topic, words, "it was not delivered")
        return False
