"""How nodes tell each other things: in this process, or (the boundary is this file) through a server.

Messages are addressed by (account, region, topic). A node never hears its own messages: it has given
them to its own sinks already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import structlog

from sekisho.mqtt.message import Message
from sekisho.mqtt.topics import matches

log = structlog.get_logger("sekisho.bus")

Handler = Callable[[Message], Awaitable[None] | None]


class Bus(Protocol):
    """``remote`` says whether another node could be listening, so that a lone node skips the work."""

    @property
    def remote(self) -> bool: ...
    async def publish(self, account: str, region: str, topic: str, message: Message) -> None: ...
    async def subscribe(
        self, account: str, region: str, filter: str, handler: Handler, group: str | None = None
    ) -> None: ...
    async def close(self) -> None: ...


class Subscription(NamedTuple):
    account: str
    region: str
    filter: str
    handler: Handler
    group: str | None


class Exchange:
    """What the local buses of one process share."""

    def __init__(self) -> None:
        self.buses: list[LocalBus] = []


class LocalBus:
    """Nodes of one process, joined by an exchange; alone, a bus with nobody on it.

    ``account`` or ``region`` ``*`` in a subscription means all. Of a group's members one is told.
    """

    def __init__(self, exchange: Exchange | None = None) -> None:
        self._exchange = exchange or Exchange()
        self._exchange.buses.append(self)
        self._subscriptions: list[Subscription] = []

    @property
    def remote(self) -> bool:
        return len(self._exchange.buses) > 1

    async def publish(self, account: str, region: str, topic: str, message: Message) -> None:
        told: set[tuple[str, str]] = set()
        # Copies: a handler may close its bus.
        for bus in list(self._exchange.buses):
            if bus is self:
                continue
            for subscription in list(bus._subscriptions):
                if not _wants(subscription, account, region, topic):
                    continue
                if subscription.group is not None:
                    member = (subscription.group, subscription.filter)
                    if member in told:
                        continue
                    told.add(member)
                try:
                    result = subscription.handler(message)
                    if result is not None:
                        await result
                except Exception:
                    # Another node's trouble is not the sender's, nor that of those behind it.
                    log.exception("a message from another node was not handled", topic=topic)

    async def subscribe(
        self, account: str, region: str, filter: str, handler: Handler, group: str | None = None
    ) -> None:
        self._subscriptions.append(Subscription(account, region, filter, handler, group))

    async def close(self) -> None:
        self._subscriptions.clear()
        if self in self._exchange.buses:
            self._exchange.buses.remove(self)


def _wants(subscription: Subscription, account: str, region: str, topic: str) -> bool:
    return (
        subscription.account in ("*", account)
        and subscription.region in ("*", region)
        and (subscription.filter == "#" or matches(subscription.filter, topic, True))
    )
