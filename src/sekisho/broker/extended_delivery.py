"""Getting messages to one client of the extended profile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from sekisho.broker.aliases import Aliases
from sekisho.broker.beyond import HASH, Beyond
from sekisho.broker.flights import Flight, Flights
from sekisho.broker.items import Chosen, Handed, Item, Reception
from sekisho.broker.limited import LimitedClient, LimitedDelivery
from sekisho.broker.limits import Bucket
from sekisho.broker.mailbox import Receiver, Stored
from sekisho.broker.replay import Replay
from sekisho.mqtt.exactly_once import Received
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Properties, Subscription
from sekisho.mqtt.reasons import Reason
from sekisho.mqtt.topics import matches, parse_share


class ExtendedDelivery(LimitedDelivery):
    """A :class:`Delivery` that may do what AWS IoT does not, and tells."""

    def __init__(self, client: LimitedClient, bucket: Bucket) -> None:
        super().__init__(client, bucket)
        self.beyond = Beyond(client)
        self.replay = Replay(client, self)
        self.received = Received()
        self.flights = Flights(client, self)

    def opened(self) -> None:
        super().opened()
        session = self._client.durable
        if session is not None and session.unfinished is not None:
            left, session.unfinished = session.unfinished, None
            self.received.resume(left.received)
            self.flights.resume(left.flights)

    def offer(self, message: Message) -> Awaitable[None] | None:
        if message is self._last:
            return None
        self._last = message
        reception = self._reception(message)
        if reception is not None and self._take(message):
            if message.retain:
                self.replay.passed(message.topic)
            retain = message.retain and reception.retain_as_published
            self._give(Chosen(message, min(message.qos, reception.qos), retain, reception.identifiers))
        return None

    def offer_shared(self, message: Message, qos: int, key: str) -> None:
        if not self._take(message):
            return
        subscription = self._client.subscriptions.get(key)
        self._give(Chosen(message, min(message.qos, qos), False, _identifiers([subscription])))

    def offer_stored(self, stored: Stored, owner: Receiver) -> bool:
        if stored.message.retain:
            self.replay.passed(stored.message.topic)
        return super().offer_stored(stored, owner)

    async def offer_when_room(self, stored: Stored, owner: Receiver) -> None:
        if stored.id not in self.flights.rows:
            await super().offer_when_room(stored, owner)

    async def room(self) -> None:
        """Wait until a message would leave at once, and is within the rate."""
        wait = self._bucket.spend(self._now(), 1)
        if wait:
            await asyncio.sleep(wait)
        await self._until_room()

    def retained_for(self, message: Message, subscription: Subscription) -> None:
        """Deliver a retained message to a new subscription, marked as one [3.1.1 MQTT-3.3.1-8]."""
        self._give(Chosen(message, min(message.qos, subscription.qos), True, _identifiers([subscription])))
        self._client.flush()

    def clear(self) -> None:
        super().clear()
        self.replay.stop()

    def _give(self, chosen: Chosen) -> None:
        """Deliver what is in memory only."""
        if chosen.qos:
            self._offer_acknowledged(chosen)
            return
        client = self._client
        if client.transport.get_write_buffer_size() > client.transport.high_water:
            client.hub.counters["dropped"] += 1
            return
        properties = self._remaining(chosen.message)
        if properties is not None:
            self._write(chosen.message, chosen.retain, _with(properties, chosen.identifiers))

    def _send(self, item: Item) -> None:
        chosen = self._choose(item)
        properties = self._remaining(chosen.message) if chosen is not None else None
        if chosen is not None and properties is not None and self._send_chosen(chosen, properties, item):
            self.count(chosen.message)
        elif isinstance(item, Handed):
            item.owner.acknowledged(item.stored)

    def _send_chosen(self, chosen: Chosen, properties: Properties, token: Item) -> int:
        properties = _with(properties, chosen.identifiers)
        if chosen.qos == 2:
            return self.flights.start(chosen, properties, token)
        return self._publish(chosen.message, chosen.retain, properties, token)

    def settle(self, packet_id: int) -> None:
        if isinstance(self._client.connection.inflight.get(packet_id), Flight):
            words = "PUBACK for a message that was sent with QoS 2"
            self._client.end(Reason.PROTOCOL_ERROR, words, "CLIENT_ERROR")
        else:
            super().settle(packet_id)

    def _give_up(self, packet_id: int) -> None:
        """Not QoS 2: its packet identifier would mean another message to the client."""
        if not isinstance(self._client.connection.inflight.get(packet_id), Flight):
            super()._give_up(packet_id)

    @property
    def aliases(self) -> Aliases | None:
        return self._aliases

    def remaining_of(self, message: Message, identifiers: tuple[int, ...]) -> Properties:
        """The properties to send, also of what has expired."""
        properties = self._remaining(message)
        if properties is None:
            properties = {**message.properties, "message_expiry_interval": 0}
        return _with(properties, identifiers)

    def _send_again(self, packet_id: int, token: object) -> None:
        if isinstance(token, Flight):
            self.flights.again(token)
            return
        chosen = self._choose(token)
        if chosen is None:  # sent before its subscription ended, or without one
            super()._send_again(packet_id, token)
            return
        properties = self._remaining(chosen.message)
        if properties is not None:
            topic, payload = chosen.message.topic, chosen.message.payload
            properties = _with(properties, chosen.identifiers)
            self._client.connection.publish_again(packet_id, topic, payload, 1, chosen.retain, properties)

    def _choose(self, item: object) -> Chosen | None:
        """What was decided about a message, or is now about one that was stored; None when it is not wanted
        (any more)."""
        if isinstance(item, Chosen):
            return item
        assert isinstance(item, Handed)
        message = item.stored.message
        reception = self._reception(message)
        if reception is None:
            return None
        key = item.owner.key  # of a group, or of the session, which is a client id
        shared = self._client.subscriptions.get(key) if key.startswith("$share/") else None
        if shared is not None:
            return Chosen(message, min(message.qos, shared.qos) or 1, False, _identifiers([shared]))
        retain = message.retain and reception.retain_as_published
        return Chosen(message, min(message.qos, reception.qos) or 1, retain, reception.identifiers)

    def _decide(self, topic: str) -> Reception | None:
        reception = super()._decide(topic)
        if reception is None:
            return None
        subscriptions = self._client.subscriptions
        if not any(matches(parse_share(filter)[1], topic, False) for filter in subscriptions):
            self.beyond.note(HASH, topic)
        plain = [s for filter, s in subscriptions.items() if matches(filter, topic, True)]
        if plain:  # a shared subscription's copy is its own (section 4.8.2)
            reception = reception._replace(qos=max(s.qos for s in plain), identifiers=_identifiers(plain))
            self._receptions[topic] = reception
        return reception


def _identifiers(subscriptions: list[Subscription | None] | list[Subscription]) -> tuple[int, ...]:
    """One for each subscription that has one, also if it is the same [MQTT-3.3.4-4]."""
    return tuple(s.identifier for s in subscriptions if s is not None and s.identifier)


def _with(properties: Properties, identifiers: tuple[int, ...]) -> Properties:
    return {**properties, "subscription_identifier": identifiers} if identifiers else properties
