"""A connection whose rates are limited, as AWS does it; without limits there is none of this on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from sekisho.broker.client import HANDLERS, Client, Handler
from sekisho.broker.delivery import Delivery
from sekisho.broker.limits import Bucket, Complaints
from sekisho.broker.mailbox import Receiver, Stored
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Publish
from sekisho.mqtt.topics import parse_share

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer


class LimitedClient(Client):
    """Discards what is published beyond the rate, and reads no faster than the bytes allow (AWS General
    Reference, AWS IoT quotas: publish requests and throughput per second per connection)."""

    def __init__(self, hub: Hub, peer: Peer) -> None:
        super().__init__(hub, peer)
        limits, now = hub.rates, hub.clock.tick()
        self._bytes = Bucket(limits.bytes_per_second, now) if limits.bytes_per_second else None
        self._paced = False
        self._complaints = Complaints()
        if limits.publishes_per_second:
            self._publishes = Bucket(limits.publishes_per_second, now)
            self.handlers = LIMITED
        if limits.publishes_out_per_second:
            self.delivery = LimitedDelivery(self, Bucket(limits.publishes_out_per_second, now))

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._bytes is not None:
            wait = self._bytes.spend(self.hub.clock.tick(), len(data))
            if wait:
                self._paced = True
                self.transport.pause_reading()
                asyncio.get_running_loop().call_later(wait, self._go_on)

    def _go_on(self) -> None:
        self._paced = False
        self._resume_reading()

    def _resume_reading(self) -> None:
        if not self._paced:
            super()._resume_reading()

    def on_publish(self, packet: Publish) -> Awaitable[None] | None:
        """A PUBLISH, if it is within the rate."""
        if self._publishes.take(self.hub.clock.tick()):
            return self.publisher.publish(packet)
        self.publisher.discard(packet)
        self.hub.counters["throttled"] += 1
        words = f"more than {self.hub.limits.publishes_per_second} messages a second from this connection"
        effect = "the message was discarded" + ("", ", without a PUBACK", ", without a PUBREC")[packet.qos]
        self.complain("iot:Publish", packet.topic, words, effect)
        return None

    def complain(self, action: str, topic: str, words: str, effect: str) -> None:
        """Keep a discarded message for explain, but not each of a flood."""
        if self._complaints.due(action, self.hub.clock.tick()):
            self.record(action=action, resource=topic, reason=words, effect=effect)


LIMITED: Mapping[type, Handler] = {**HANDLERS, Publish: LimitedClient.on_publish}


class LimitedDelivery(Delivery):
    """Discards what is sent beyond the rate; what is a row waits in the database instead."""

    __slots__ = ("_bucket", "_limited", "_wake")

    def __init__(self, client: LimitedClient, bucket: Bucket) -> None:
        super().__init__(client)
        self._limited = client
        self._bucket = bucket
        self._wake: asyncio.TimerHandle | None = None

    def offer(self, message: Message) -> Awaitable[None] | None:
        if message is self._last:
            return None
        if self._reception(message) is None or self._take(message):
            return super().offer(message)
        self._last = message
        return None

    def offer_shared(self, message: Message, qos: int, key: str) -> None:
        if self._take(message):
            super().offer_shared(message, qos, key)

    def retained(self, message: Message, qos: int) -> None:
        if self._take(message):
            super().retained(message, qos)

    @property
    def has_room(self) -> bool:
        if not super().has_room:
            return False
        if self._bucket.wait(self._now()):
            self._wake_later()
            return False
        return True

    def offer_stored(self, stored: Stored, owner: Receiver) -> bool:
        if self._bucket.take(self._now()):
            return super().offer_stored(stored, owner)
        self._wake_later()
        return False

    async def offer_when_room(self, stored: Stored, owner: Receiver) -> None:
        wait = self._bucket.spend(self._now(), 1)
        if wait:
            await asyncio.sleep(wait)
        await super().offer_when_room(stored, owner)

    def clear(self) -> None:
        super().clear()
        if self._wake is not None:
            self._wake.cancel()

    def _now(self) -> float:
        now: float = self._client.hub.clock.tick()
        return now

    def _take(self, message: Message) -> bool:
        """Whether one more may be sent; else that it was not is told."""
        if self._bucket.take(self._now()):
            return True
        hub = self._client.hub
        hub.counters["dropped"] += 1
        words = f"more than {hub.limits.publishes_out_per_second} messages a second to this connection"
        self._limited.complain("iot:Receive", message.topic, words, "the message was discarded")
        return False

    def _wake_later(self) -> None:
        if self._wake is None:
            wait = self._bucket.wait(self._now())
            self._wake = asyncio.get_running_loop().call_later(wait, self._awake)

    def _awake(self) -> None:
        """There is room again: go on with what waits in the database."""
        self._wake = None
        client = self._client
        self.pump()
        client.flush()
        for filter in client.subscriptions:
            if parse_share(filter)[0] is not None:
                client.hub.groups.here(client.sink, filter)
