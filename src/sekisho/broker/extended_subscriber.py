"""SUBSCRIBE of one client of the extended profile: subscription identifiers, retained messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sekisho.broker.beyond import IDENTIFIER, QOS_2_SUBSCRIBE
from sekisho.broker.subscriber import Subscriber
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Subscribe, Subscription
from sekisho.mqtt.topics import parse_share

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.extended_delivery import ExtendedDelivery


class ExtendedSubscriber(Subscriber):
    __slots__ = ("_delivery", "_new")

    def __init__(self, client: Client, delivery: ExtendedDelivery) -> None:
        super().__init__(client)
        self._delivery = delivery
        self._new: list[Subscription] = []
        """Whose retained messages follow the SUBACK."""

    async def subscribe(self, packet: Subscribe) -> None:
        """An identifier is that of all its filters; without one they lose theirs (section 3.8.2.1.2)."""
        for subscription in packet.subscriptions:
            if subscription.qos == 2:
                self._delivery.beyond.note(QOS_2_SUBSCRIBE, subscription.filter)
        (identifier,) = packet.properties.get("subscription_identifier", (0,))
        if identifier:
            self._delivery.beyond.note(IDENTIFIER, packet.subscriptions[0].filter)
            wanted = tuple(s._replace(identifier=identifier) for s in packet.subscriptions)
            packet = packet._replace(subscriptions=wanted)
        await super().subscribe(packet)
        self._delivery.replay.add(self._new)
        self._new.clear()

    async def _retained(
        self, wanted: Sequence[Subscription], added: Sequence[str], known: frozenset[str]
    ) -> list[tuple[Message, int]]:
        """None at once: they follow, as fast as the client takes them. A shared subscription gets none."""
        for subscription in wanted:
            filter, handling = subscription.filter, subscription.retain_handling
            # 1 wants them for a new subscription only, 2 never [MQTT-3.3.1-10], [MQTT-3.3.1-11].
            unwanted = handling == 2 or (handling and filter in known)
            if filter in added and not unwanted and parse_share(filter)[0] is None:
                self._new.append(self._client.subscriptions[filter])
        return []
