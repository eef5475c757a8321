"""The connections of a node whose `mqtt.profile` is extended; on a strict one there is none of this.

Which class a connection has is chosen once, when the node starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sekisho.broker.beyond import QOS_2_WILL, WILL_DELAY
from sekisho.broker.client import Client, Handler
from sekisho.broker.exactly_once import ExactlyOncePublisher
from sekisho.broker.extended_delivery import ExtendedDelivery
from sekisho.broker.extended_subscriber import ExtendedSubscriber
from sekisho.broker.limited import LimitedClient
from sekisho.broker.limits import UNLIMITED, Bucket
from sekisho.broker.wills import delay_of
from sekisho.mqtt.packets import Connect, Pubcomp, Pubrec, Pubrel

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer


def client_of(hub: Hub) -> Callable[[Hub, Peer], Client]:
    """What makes a connection of this node."""
    if hub.profile.name == "extended":
        return ExtendedClient
    return LimitedClient if hub.enforce_limits else Client


class ExtendedClient(LimitedClient):
    """Limited or not: what costs a message nothing on a strict node may cost it a little here."""

    def __init__(self, hub: Hub, peer: Peer) -> None:
        super().__init__(hub, peer)
        rate = hub.rates.publishes_out_per_second or UNLIMITED
        self.extended = ExtendedDelivery(self, Bucket(rate, hub.clock.tick()))
        self.delivery = self.extended
        self.subscriber = ExtendedSubscriber(self, self.extended)
        self.publisher = self.exactly_once = ExactlyOncePublisher(self, self.extended)
        self.handlers = {**self.handlers, **EXTENSIONS}


async def _on_connect(client: ExtendedClient, packet: Connect) -> None:
    await client._connect(packet)
    will = packet.will
    if client.joined and will is not None:
        if will.qos == 2:
            client.extended.beyond.note(QOS_2_WILL, will.topic)
        if delay_of(will):
            client.extended.beyond.note(WILL_DELAY, will.topic)


def _on_pubrec(client: ExtendedClient, packet: Pubrec) -> None:
    client.extended.flights.received(packet)


def _on_pubrel(client: ExtendedClient, packet: Pubrel) -> None:
    client.exactly_once.release(packet)


def _on_pubcomp(client: ExtendedClient, packet: Pubcomp) -> None:
    client.extended.flights.completed(packet)


EXTENSIONS: Mapping[type, Handler] = {
    Connect: _on_connect,
    Pubrec: _on_pubrec,
    Pubrel: _on_pubrel,
    Pubcomp: _on_pubcomp,
}
