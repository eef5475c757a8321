"""The log entries of one connection.

A connection of which nothing is logged has none of this: its ``log`` is None, and its packets go to the
handlers that they went to before. What is refused to it is logged where refusals are recorded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sekisho.logic.log_entries import MQTT, SUCCESS
from sekisho.logic.log_levels import (
    CONNECT,
    DISCONNECT,
    INFO,
    OF_A_CONNECTION,
    PUBLISH_IN,
    PUBLISH_OUT,
    SUBSCRIBE,
    UNSUBSCRIBE,
    Levels,
    Who,
)
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Publish
from sekisho.services.unique import new_uuid

if TYPE_CHECKING:
    from sekisho.broker.client import Client, Handler
    from sekisho.broker.hub import Hub
    from sekisho.services.logs import Logs


class ClientLog:
    def __init__(
        self, client: Client, wanted: frozenset[str], who: Who, handlers: Mapping[type, Handler]
    ) -> None:
        """``wanted``: the types of entries that are written when all goes well; ``handlers``: what the
        client's packets go to without a log."""
        self.handlers = handlers
        self._client = client
        self._logs = client.hub.logs
        self._wanted = wanted
        self._who = who
        address = client.transport.get_extra_info("peername")
        self._origin: dict[str, Any] = {
            "clientId": client.client_id,
            "principalId": client.principal_id,
            "sourceIp": client.address,
            "sourcePort": address[1] if address else None,
        }

    def connected(self) -> None:
        self._write(CONNECT)

    def disconnected(self, reason: str) -> None:
        self._write(DISCONNECT, after={"disconnectReason": reason})

    def subscribed(self, filters: Sequence[str]) -> None:
        for filter in filters:
            self._write(SUBSCRIBE, filter)

    def unsubscribed(self, filters: Sequence[str]) -> None:
        for filter in filters:
            self._write(UNSUBSCRIBE, filter)

    def published(self, packet: Publish, trace: str) -> None:
        self._write(PUBLISH_IN, packet.topic, trace, {"retain": "True"} if packet.retain else {})

    def sent(self, message: Message) -> None:
        self._write(PUBLISH_OUT, message.topic, message.trace)

    def _write(self, event: str, topic: str = "", trace: str = "", after: Mapping[str, Any] = {}) -> None:
        if event not in self._wanted:
            return
        client = self._client
        members: dict[str, Any] = {"protocol": MQTT, "topicName": topic, **self._origin, **after}
        self._logs.write((client.account, client.region), event, self._who, SUCCESS, trace, **members)


async def watch(client: Client) -> None:
    """Have a client logged as the options are now."""
    logs: Logs = client.hub.logs
    place = (client.account, client.region)
    thing = client.authorizer.identity.thing
    groups: tuple[frozenset[str], ...] = ()
    levels = logs.levels_of(*place)
    while levels is not None and levels.has_groups and thing is not None:
        groups = await logs.groups_of(*place, thing.name)
        before, levels = levels, logs.levels_of(*place)
        if levels is before:
            break
    _log(client, levels, groups)


def _log(client: Client, levels: Levels | None, groups: tuple[frozenset[str], ...]) -> None:
    who = Who(client.client_id, client.principal_id, client.address, groups)
    wanted: frozenset[str] = frozenset()
    if levels is not None:
        wanted = frozenset([event for event in OF_A_CONNECTION if levels.threshold(event, who) >= INFO])
    handlers = client.handlers if client.log is None else client.log.handlers
    client.log = ClientLog(client, wanted, who, handlers) if wanted else None
    client.publisher.trace = ""
    if PUBLISH_IN in wanted:
        handlers = {**handlers, Publish: _logged(client, handlers[Publish])}
    client.handlers = handlers


def follow(hub: Hub, place: tuple[str, str], things: frozenset[str] | None) -> None:
    """The options of a place have changed, or the groups of things: who is there follows, at once unless
    the database must be asked for groups."""
    levels = hub.logs.levels_of(*place)
    clients = [client for client in hub.space(*place).clients.values() if client.joined]
    if things is not None:
        clients = [client for client in clients if _thing_of(client) in things]
    if levels is not None and levels.has_groups:
        hub.spawn(_watch_each(clients))
        return
    for client in clients:
        _log(client, levels, ())


async def _watch_each(clients: Sequence[Client]) -> None:
    for client in clients:
        if client.joined:
            await watch(client)


def _thing_of(client: Client) -> str:
    thing = client.authorizer.identity.thing
    return thing.name if thing is not None else ""


def _logged(client: Client, publish: Handler) -> Handler:
    """What a PUBLISH goes to, and an entry if it was taken."""
    hub = client.hub

    def logged(who: Any, packet: Any) -> Awaitable[None] | None:
        before = (hub.logs.failed, hub.counters["throttled"])
        trace = client.publisher.trace = new_uuid()
        pending = publish(who, packet)
        log = client.log
        if log is not None and before == (hub.logs.failed, hub.counters["throttled"]):
            log.published(packet, trace)
        return pending

    return logged
