"""Retained messages: the last one of a topic, kept for who subscribes later."""

from __future__ import annotations

from typing import Any

from sekisho.broker.mailbox import NEVER, dump_properties, load_properties
from sekisho.mqtt.message import Message
from sekisho.store import retained as rows
from sekisho.store.store import Store


class Retained:
    def __init__(self, store: Store, clock: Any) -> None:
        self._store = store
        self._clock = clock

    async def keep(self, message: Message) -> None:
        """Keep a message for its topic; an empty one deletes what was kept [MQTT-3.3.1-6]."""
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
