"""Retained messages: the last one of a topic, kept for who subscribes later."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import structlog

from sekisho.broker.mailbox import NEVER, dump_properties, load_properties
from sekisho.mqtt.message import Message
from sekisho.mqtt.topics import literal_prefix, matches
from sekisho.store import retained as rows
from sekisho.store.statement import StoreError
from sekisho.store.store import Store

log = structlog.get_logger("sekisho.retained")

EVERY = 10.0
"""Seconds between two looks for what has expired."""

SWEEP = 500

PAGE = 500
"""Topics that are looked at together."""


class Retained:
    def __init__(self, store: Store, clock: Any, most: int) -> None:
        self._store = store
        self._clock = clock
        self._most = most
        self._counts: dict[tuple[str, str], int] = defaultdict(int)
        self._coming: dict[tuple[str, str, str], Message] = {}
        """What is on its way to the disk, by account, region and topic."""

    async def start(self, places: list[tuple[str, str]]) -> None:
        for place in places:
            self._counts[place] = (await self._store.fetch(*rows.count_retained(*place)))[0]["count"]

    @property
    def count(self) -> int:
        return sum(self._counts.values())

    def refuses(self, account: str, region: str, payload: bytes) -> bool:
        """Whether there are so many that none can be kept, of a new topic or an old one, but only be deleted
        (AWS IoT Developer Guide, MQTT retained messages, Retained message limits)."""
        return bool(payload) and self._counts[account, region] >= self._most

    def words(self) -> str:
        return f"{self._most} messages are retained already"

    def keep(self, message: Message) -> Awaitable[None]:
        """Keep a message for its topic; an empty one deletes what was kept [MQTT-3.3.1-6].

        Done when it is a row. `get` knows of it at once: its subscribers have it already, and who subscribes
        before it is a row must not miss it.
        """
        where = (message.account, message.region, message.topic)
        self._coming[where] = message
        # A task, made now: what is published last is kept, whenever the answers are awaited.
        return asyncio.ensure_future(self._keep_coming(where, message))

    async def _keep_coming(self, where: tuple[str, str, str], message: Message) -> None:
        try:
            await self._keep(message)
        finally:
            if self._coming.get(where) is message:
                del self._coming[where]

    async def _keep(self, message: Message) -> None:
        place = (message.account, message.region)
        where = (*place, message.topic)
        if not message.payload:
            [deleted] = await self._store.commit([rows.delete_retained(*where)])
            self._counts[place] -= len(deleted)
            return
        lifetime = message.properties.get("message_expiry_interval")
        put = rows.put_retained(
            *where,
            payload=message.payload,
            qos=message.qos,
            properties=dump_properties(message.properties),
            updated=message.received_at,
            expires=NEVER if lifetime is None else message.received_at + lifetime,
        )
        self._counts[place] += 1
        added = False
        try:
            before, _ = await self._store.commit([rows.has_retained(*where), put])
            added = not before
        finally:
            self._counts[place] -= not added

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

    async def run(self) -> None:
        """Delete what has expired, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.sweep()
            except StoreError as error:
                log.warning("expired retained messages not deleted", error=str(error))

    async def sweep(self) -> None:
        expired = await self._store.fetch(*rows.expired_retained(self._clock.now(), SWEEP))
        deleted = await self._store.commit([rows.delete_expired_retained(**row) for row in expired])
        for row, found in zip(expired, deleted, strict=True):
            self._counts[row["account"], row["region"]] -= len(found)
