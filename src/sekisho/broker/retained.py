"""Retained messages: the last one of a topic, kept for who subscribes later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sekisho.broker.mailbox import NEVER, dump_properties, load_properties
from sekisho.mqtt.message import Message
from sekisho.mqtt.topics import literal_prefix, matches
from sekisho.store import retained as rows
from sekisho.store.statement import Statement
from sekisho.store.store import Store

PAGE = 500
"""Topics that are looked at together."""


class Retained:
    def __init__(self, store: Store, clock: Any) -> None:
        self._store = store
        self._clock = clock

    async def keep(self, message: Message) -> None:
        await self._store.commit([self.statement(message)])

    def statement(self, message: Message) -> Statement:
        """Keep a message for its topic; an empty one deletes what was kept [MQTT-3.3.1-6]."""
        place = (message.account, message.region, message.topic)
        if not message.payload:
            return rows.delete_retained(*place)
        lifetime = message.properties.get("message_expiry_interval")
        return rows.put_retained(
            *place,
            payload=message.payload,
            qos=message.qos,
            properties=dump_properties(message.properties),
            updated=message.received_at,
            expires=NEVER if lifetime is None else message.received_at + lifetime,
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

    async def topics(self, account: str, region: str, filter: str) -> AsyncIterator[str]:
        """The topics that a filter matches and that have a retained message, as OASIS has it (`sensor/#`
        matches `sensor`), in order. Only what begins as the filter does is looked at, a page at a time; the
        message of a topic may be gone when it is asked for."""
        prefix = literal_prefix(filter)
        if prefix == filter:
            yield filter
            return
        if filter == f"{prefix}#" and prefix:
            yield prefix[:-1]
        after = ""
        while True:
            if prefix:
                query = rows.page_topics_below(account, region, prefix, after, PAGE)
            else:
                query = rows.page_retained(account, region, after, PAGE)
            page = [row["topic"] for row in await self._store.fetch(*query)]
            for topic in page:
                if matches(filter, topic, True):
                    yield topic
            if len(page) < PAGE:
                return
            after = page[-1]
