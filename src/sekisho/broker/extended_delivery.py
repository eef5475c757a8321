"""Getting messages to one client of the extended profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sekisho.broker.beyond import HASH, Beyond
from sekisho.broker.delivery import Delivery, Reception
from sekisho.broker.limited import LimitedDelivery
from sekisho.mqtt.topics import matches, parse_share

if TYPE_CHECKING:
    from sekisho.broker.client import Client


class ExtendedDelivery(Delivery):
    """A :class:`Delivery` that may do what AWS IoT does not, and tells."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.beyond = Beyond(client)

    def _decide(self, topic: str) -> Reception | None:
        reception = super()._decide(topic)
        if reception is not None:
            filters = [parse_share(filter)[1] for filter in self._client.subscriptions]
            if not any(matches(filter, topic, False) for filter in filters):
                self.beyond.note(HASH, topic)
        return reception


class ExtendedLimitedDelivery(LimitedDelivery, ExtendedDelivery):
    """The same within the rate."""
