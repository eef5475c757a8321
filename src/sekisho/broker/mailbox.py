"""Messages that must outlive the node: rows before anyone is told that they were taken.

Everything that arrives in one turn of the loop becomes one commit. A message's body is written once, with one
entry for each session that waits for it; acknowledged entries are deleted later, many at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import orjson
import structlog

from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import NO_PROPERTIES
from sekisho.store import sessions
from sekisho.store.statement import Statement, StoreError
from sekisho.store.store import Store

log = structlog.get_logger("sekisho.mailbox")

COMMIT = 500
"""Statements of one commit; a turn of the loop with more makes several."""

ACKNOWLEDGE_EVERY = 0.5
"""Seconds until acknowledged entries are deleted; after a crash they are sent again, as QoS 1 may be."""

SWEEP_EVERY = 10.0
SWEEP = 500

NEVER = 0.0


class Stored(NamedTuple):
    """A message with its row's id and the civil time at which it expires (0: never)."""

    id: int
    message: Message
    expires: float


class Receiver(Protocol):
    """A session, or a shared subscription: who waits for messages under the name ``key``."""

    account: str
    region: str
    key: str

    def stored(self, stored: Stored) -> None: ...
    def acknowledged(self, stored: Stored) -> None: ...


class Batch:
    """What one turn of the loop brought: statements, whom to tell afterwards, and who waits."""

    __slots__ = ("done", "statements", "told")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.statements: list[Statement] = []
        self.told: list[tuple[Receiver, Stored]] = []
        self.done: asyncio.Future[None] = loop.create_future()


class Mailbox:
    def __init__(self, store: Store, clock: Any) -> None:
        self._store = store
        self._clock = clock
        self._batch: Batch | None = None
        self._whole = False
        self._last: Stored | None = None
        self.last_id = 0
        """The newest message's id; one that comes later has a greater one."""
        self._acknowledged: list[Statement] = []
        self._flushing = asyncio.Lock()
        self._committing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Go on after the newest message of the database: ids grow whatever the machine's clock does."""
        rows = await self._store.fetch(*sessions.last_message())
        self.last_id = int(rows[0]["last"])

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is put and added within goes into one commit, however much it is."""
        if self._batch is not None and len(self._batch.statements) >= COMMIT:
            self._batch = None
        self._whole = True
        try:
            yield
        finally:
            self._whole = False

    def add(self, statements: Iterable[Statement]) -> asyncio.Future[None]:
        """Have statements committed with the messages of this turn of the loop, after what was put before."""
        batch = self._open()
        batch.statements += statements
        return batch.done

    def _open(self) -> Batch:
        batch = self._batch
        if batch is None or (len(batch.statements) >= COMMIT and not self._whole):
            batch = self._batch = Batch(asyncio.get_running_loop())
            task = asyncio.ensure_future(self._commit(batch))
            self._committing.add(task)
            task.add_done_callback(self._committing.discard)
            self._last = None
        return batch

    def body(self, message: Message) -> tuple[Stored, Statement]:
        """A message that is to be a row, and what makes it one; without an entry for anybody."""
        stored = self._new(message)
        return stored, _body(stored)

    def put(self, message: Message, receiver: Receiver) -> asyncio.Future[None]:
        """Have a message wait for a receiver. Await the answer before the publisher is told: then it is a row
        on the disk, and ``receiver.stored`` has been called."""
        batch = self._open()
        stored = self._last
        if stored is None or stored.message is not message:
            stored = self._last = self._new(message)
            batch.statements.append(_body(stored))
        batch.statements.append(
            sessions.put_entry(receiver.account, receiver.region, receiver.key, stored.id)
        )
        batch.told.append((receiver, stored))
        return batch.done

    def _new(self, message: Message) -> Stored:
        self.last_id = max(self.last_id + 1, time.time_ns())
        lifetime = message.properties.get("message_expiry_interval")
        expires = NEVER if lifetime is None else message.received_at + lifetime
        return Stored(self.last_id, message, expires)

    async def _commit(self, batch: Batch) -> None:
        # The rest of this turn of the loop joins the batch before this runs.
        if self._batch is batch:
            self._batch = None
        try:
            await self._store.commit(batch.statements)
        except StoreError as error:
            log.error("messages not taken", count=len(batch.told), error=str(error))
            batch.done.set_exception(error)
            batch.done.exception()  # who does not wait need not be told
            return
        for receiver, stored in batch.told:
            receiver.stored(stored)
        batch.done.set_result(None)

    # --- afterwards ----------------------------------------------------------------------------------------

    def acknowledged(self, receiver: Receiver, id: int) -> None:
        """The entry is done with; its row, and the body's if it was the last, go with the next flush."""
        self._acknowledged += (
            sessions.delete_entry(receiver.account, receiver.region, receiver.key, id),
            sessions.delete_body(id),
        )

    async def settled(self) -> None:
        """Wait until all that was put so far has been committed, or has failed."""
        if self._committing:
            await asyncio.wait(list(self._committing))

    async def flush(self) -> None:
        """Delete the entries that have been acknowledged."""
        async with self._flushing:
            while self._acknowledged:
                batch, self._acknowledged = self._acknowledged[:COMMIT], self._acknowledged[COMMIT:]
                await self._store.commit(batch)

    async def read(self, receiver: Receiver, *, after: int, until: int, limit: int) -> Sequence[Stored]:
        """What waits for a receiver with ids in (after, until], oldest first."""
        await self.flush()
        rows = await self._store.fetch(
            *sessions.read_mailbox(
                receiver.account, receiver.region, receiver.key, after=after, until=until, limit=limit
            )
        )
        return [stored_of(receiver, row) for row in rows]

    async def count(self, receiver: Receiver) -> int:
        """How many messages wait for a receiver."""
        await self.flush()
        rows = await self._store.fetch(
            *sessions.count_mailbox(receiver.account, receiver.region, receiver.key)
        )
        return int(rows[0]["waiting"])

    async def run(self) -> None:
        """Delete what is done with, until cancelled."""
        swept_at = 0.0
        while True:
            await asyncio.sleep(ACKNOWLEDGE_EVERY)
            try:
                await self.flush()
                if self._clock.tick() - swept_at >= SWEEP_EVERY:
                    swept_at = self._clock.tick()
                    await self.sweep()
            except StoreError as error:
                log.warning("mailbox not tidied", error=str(error))

    async def sweep(self) -> None:
        """Delete messages that have expired, and bodies whose sessions have ended."""
        for query in (
            sessions.expired_messages(self._clock.now(), SWEEP),
            sessions.orphaned_messages(0, SWEEP),
        ):
            rows = await self._store.fetch(*query)
            statements = [statement for row in rows for statement in sessions.delete_message(row["id"])]
            if statements:
                await self._store.commit(statements)

    async def close(self) -> None:
        await self.settled()
        await self.flush()


def _body(stored: Stored) -> Statement:
    message = stored.message
    return sessions.put_message(
        stored.id,
        message.account,
        message.region,
        message.topic,
        message.payload,
        dump_properties(message.properties),
        orjson.dumps(
            [
                message.client_id,
                message.principal,
                message.source_ip,
                message.trace,
                message.retain,
                message.qos,
            ]
        ).decode(),
        message.received_at,
        stored.expires,
    )


def stored_of(receiver: Receiver, row: Mapping[str, Any]) -> Stored:
    """The message of a row; one that an earlier version wrote does not tell its QoS, which was 1."""
    client_id, principal, source_ip, trace, retain, *qos = orjson.loads(row["origin"])
    message = Message(
        receiver.account,
        receiver.region,
        row["topic"],
        row["payload"],
        qos[0] if qos else 1,
        retain,
        load_properties(row["properties"]),
        client_id,
        principal,
        source_ip,
        row["at"],
        trace,
    )
    return Stored(row["id"], message, row["expires"])


def dump_properties(properties: Mapping[str, Any]) -> str:
    """MQTT 5 properties as JSON; correlation data, the one of bytes, in hexadecimal."""
    if not properties:
        return "{}"
    return orjson.dumps(properties, default=_hex).decode()


def load_properties(text: str) -> Mapping[str, Any]:
    if text == "{}":
        return NO_PROPERTIES
    properties = orjson.loads(text)
    if "correlation_data" in properties:
        properties["correlation_data"] = bytes.fromhex(properties["correlation_data"])
    if "user_property" in properties:
        properties["user_property"] = tuple((name, value) for name, value in properties["user_property"])
    return properties  # type: ignore[no-any-return]


def _hex(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} is no value of a property")
