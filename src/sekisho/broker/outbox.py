"""Messages that commits have caused, on their way from the outbox to their receivers.

A message is a row of the outbox from the commit that causes it until the commit in which it becomes rows of
the sessions that wait for it: whenever the node is killed, it is in one of the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

import structlog

from sekisho.broker.both import both
from sekisho.mqtt.message import Message
from sekisho.services.work import Posted
from sekisho.store import outbox
from sekisho.store.statement import Row, StoreError

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub

log = structlog.get_logger("sekisho.outbox")

EVERY = 10.0
"""Seconds between looks for messages that were left behind: twice seen is left behind."""

PAGE = 500


class Outbox:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seen = 0

    async def start(self) -> None:
        """Give out what the node had committed when it went and not given out."""
        await self._give_out(await self._last())

    async def post(self, posted: Sequence[Posted]) -> None:
        """Give messages to whom their topics reach; done when they are rows where they must be. What fails
        stays in the outbox and is given out later."""
        waiting = self._give([(one.seq, one.message) for one in posted])
        if waiting is not None:
            try:
                await waiting
            except StoreError as error:
                log.warning("messages stay in the outbox", count=len(posted), error=str(error))

    def _give(self, messages: Sequence[tuple[int, Message]]) -> Awaitable[None] | None:
        hub = self._hub
        waiting: Awaitable[None] | None = None
        with hub.mailbox.whole():
            for _, message in messages:
                delivered = hub.publish(message)
                if delivered is not None:
                    waiting = both(waiting, delivered)
            hub.mailbox.add(outbox.delete_outgoing([seq for seq, _ in messages]))
        return waiting

    async def run(self) -> None:
        """Give out what was left behind, by this node or another, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                until, self._seen = self._seen, await self._last()
                await self._give_out(until)
            except StoreError as error:
                log.warning("the outbox cannot be read", error=str(error))

    async def _last(self) -> int:
        rows = await self._hub.store.fetch(*outbox.last_outgoing())
        return int(rows[0]["seq"])

    async def _give_out(self, until: int) -> None:
        after = 0
        while after < until:
            rows = await self._hub.store.fetch(*outbox.read_outgoing(after, until, PAGE))
            if not rows:
                return
            await self.post([Posted(row["seq"], _message(row)) for row in rows])
            await self._hub.mailbox.settled()
            after = rows[-1]["seq"]


def _message(row: Row) -> Message:
    return Message(row["account"], row["region"], row["topic"], row["payload"], qos=1, received_at=row["at"])
