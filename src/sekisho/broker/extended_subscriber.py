"""SUBSCRIBE of one client of the extended profile: subscription identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sekisho.broker.beyond import IDENTIFIER
from sekisho.broker.subscriber import Subscriber
from sekisho.mqtt.packets import Subscribe

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.extended_delivery import ExtendedDelivery


class ExtendedSubscriber(Subscriber):
    __slots__ = ("_delivery",)

    def __init__(self, client: Client, delivery: ExtendedDelivery) -> None:
        super().__init__(client)
        self._delivery = delivery

    async def subscribe(self, packet: Subscribe) -> None:
        """An identifier is that of all its filters; without one they lose theirs (section 3.8.2.1.2)."""
        (identifier,) = packet.properties.get("subscription_identifier", (0,))
        if identifier:
            self._delivery.beyond.note(IDENTIFIER, packet.subscriptions[0].filter)
            wanted = tuple(s._replace(identifier=identifier) for s in packet.subscriptions)
            packet = packet._replace(subscriptions=wanted)
        await super().subscribe(packet)
