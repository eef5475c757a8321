"""Retained messages: the last one of a topic, kept for who subscribes later."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from sekisho.broker.mailbox import NEVER, dump_properties, load_properties
from sekisho.mqtt.message import Message
from sekisho.store import retained as rows
from sekisho.store.store import Store


class Retained:
    def __init__(self, store: Store, clock: Any) -> None:
        self._store = store
        self._clock = clock
        self._coming: dict[tuple[str, str, str], Message] = {}
        """What is on its way to the disk, by account, region and topic."""

    def keep(self, message: Message) -> Awaitable[None]:
        """Keep a message for its topic; an empty one deletes what was kept [MQTT-3.3.1-6].

        Done when it is a row. `get` knows of it at once: its subscribers have it already, and who subscribes
        before it is a row must not miss it.
        """
        where = (message.account, message.region, message.topic)
        self._coming[where] = message
        return self._keep_coming(where, message)

    async def _keep_coming(self, where: tuple[str, str, str], message: Message) -> None:
        try:
            await self._keep(message)
        finally:
            if self._coming.get(where) is message:
                del self._coming[where]

    async def _keep(self, message: Message) -> None:
        place = (message.account, message.region, message.topic)
        if not message.payload:
            await self._store.commit([rows.delete_retained(*place)])
            return
        lifetime = message.properties.get("message_expiry_interval")
        await self._store.commit(
            [
                rows.put_retained(
                    *place,
                    payload=message.payload,
                    qos=message.qos,
                    properties=dump_properties(message.properties),
                    updated=message.received_at,
                    expires=NEVER if lifetime is None else message.received_at + lifetime,
                )
            ]
        )

    async def get(self, account: str, region: str, topic: str) -> Message | None:
        """The message kept for a topic, unless it has expired."""
        coming = self._coming.get((account, region, topic))
        if coming is not None:
            if not coming.payload:
                return None
            kept = (coming.payload, coming.qos, True, coming.properties)
            return Message(account, region, topic, *kept, received_at=coming.received_at)
        found = await self._store.fetch(*rows.get_retained(account, region, topic))
        if not found:
            return None
        row = found[0]
        if row["expires"] != NEVER and row["expires"] <= self._clock.now():
            return None
        return Message(
            account,
            region,
            topic,
            row["payload"],
            row["qos"],
            True,
            load_properties(row["properties"]),
            received_at=row["updated"],
        )
