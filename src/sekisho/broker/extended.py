"""The connections of a node whose `mqtt.profile` is extended; on a strict one there is none of this.

Which class a connection has is chosen once, when the node starts: strict or extended, limited or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sekisho.broker.beyond import WILL_DELAY
from sekisho.broker.client import HANDLERS, Client, Handler
from sekisho.broker.extended_delivery import ExtendedDelivery, ExtendedLimitedDelivery
from sekisho.broker.extended_subscriber import ExtendedSubscriber
from sekisho.broker.limited import LimitedClient
from sekisho.broker.limits import Bucket
from sekisho.broker.wills import delay_of
from sekisho.mqtt.packets import Connect

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer


def client_of(hub: Hub) -> Callable[[Hub, Peer], Client]:
    """What makes a connection of this node."""
    if hub.profile.name == "extended":
        return ExtendedLimitedClient if hub.enforce_limits else ExtendedClient
    return LimitedClient if hub.enforce_limits else Client


class ExtendedClient(Client):
    def __init__(self, hub: Hub, peer: Peer) -> None:
        super().__init__(hub, peer)
        self.delivery = delivery = ExtendedDelivery(self)
        self.subscriber = ExtendedSubscriber(self, delivery)
        self._beyond = delivery.beyond
        self._handlers = HANDLERS_EXTENDED


class ExtendedLimitedClient(LimitedClient):
    def __init__(self, hub: Hub, peer: Peer) -> None:
        super().__init__(hub, peer)
        rate = hub.limits.publishes_out_per_second
        if rate:
            delivery: ExtendedDelivery = ExtendedLimitedDelivery(self, Bucket(rate, hub.clock.tick()))
        else:
            delivery = ExtendedDelivery(self)
        self.delivery = delivery
        self.subscriber = ExtendedSubscriber(self, delivery)
        self._beyond = delivery.beyond
        self._handlers = {**self._handlers, **EXTENSIONS}


async def _connect(client: ExtendedClient | ExtendedLimitedClient, packet: Connect) -> None:
    await client._connect(packet)
    if client.joined and delay_of(packet.will):
        client._beyond.note(WILL_DELAY, client.client_id)


EXTENSIONS: Mapping[type, Handler] = {Connect: _connect}
HANDLERS_EXTENDED: Mapping[type, Handler] = {**HANDLERS, **EXTENSIONS}
