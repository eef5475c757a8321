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

from sekisho.broker.batch import Batch
from sekisho.broker.queue import Queue
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import NO_PROPERTIES
from sekisho.store import sessions
from sekisho.store.statement import Row, Statement, StoreError
from sekisho.store.store import Store

log = structlog.get_logger("sekisho.mailbox")

COMMIT = 500
"""Statements of one commit; a turn of the loop with more makes several."""

ACKNOWLEDGE_EVERY = 0.5
"""Seconds until acknowledged entries are deleted; after a crash they are sent again, as QoS 1 may be."""

SWEEP_EVERY = 10.0
SWEEP = 500

CROWDED = 64 * 1024 * 1024
"""Bytes that may be under way to the disk; who publishes more is not read from until its own are there."""

NEVER = 0.0
NO_TEXT = "{}"


class Stored(NamedTuple):
    """A message with its row's id, the civil time at which it expires (0: never), and its ``size``: the
    payload's bytes, and the characters of its topic and of its properties as they are stored."""

    id: int
    message: Message
    expires: float
    size: int = 0


class Receiver(Protocol):
    """A session, or a shared subscription: who waits for messages under the name ``key``."""

    account: str
    region: str
    key: str

    def stored(self, stored: Stored) -> None: ...
    def acknowledged(self, stored: Stored) -> None: ...


class Owner(Receiver, Protocol):
    """A receiver whose messages are rows, as many as its queue takes."""

    queue: Queue

    def refused(self, message: Message) -> None:
        """A message was not taken, because the queue is full."""
        ...


class Mailbox:
    def __init__(self, store: Store, clock: Any) -> None:
        self._store = store
        self._clock = clock
        self._owners: dict[tuple[str, str, str], Owner] = {}
        self._batch: Batch | None = None
        self._whole = False
        self._last: Stored | None = None
        self._dumped: tuple[Message, str] | None = None
        self.last_id = 0
        """The newest message's id; one that comes later has a greater one."""
        self.told_id = 0
        """The newest message whose owners have been told of it: later ones may be rows, and are not known to
        be."""
        self._under_way = 0
        self._acknowledged: list[tuple[Owner, Stored]] = []
        self._doubtful: list[tuple[Owner, Stored]] = []
        """Counted as waiting, though it is not known whether their commit happened."""
        self._tidying = asyncio.Lock()
        self._committing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Go on after the newest message of the database: ids grow whatever the machine's clock does."""
        rows = await self._store.fetch(*sessions.last_message())
        self.last_id = self.told_id = int(rows[0]["last"])

    async def recount(self, account: str, region: str) -> None:
        """Have each owner's queue begin with what the database has, and delete what nobody owns any more."""
        for row in await self._store.fetch(*sessions.queues(account, region)):
            owner = self._owners.get((account, region, row["session"]))
            if owner is not None:
                owner.queue.found(int(row["messages"]), int(row["bytes"]))
            else:
                await self._store.commit([sessions.empty_mailbox(account, region, row["session"])])

    def open(self, owner: Owner) -> None:
        """Count what waits for an owner from now on."""
        self._owners[owner.account, owner.region, owner.key] = owner

    def close_queue(self, owner: Owner) -> None:
        """The owner has ended; its rows are deleted by whoever ended it."""
        key = (owner.account, owner.region, owner.key)
        if self._owners.get(key) is owner:
            del self._owners[key]

    @property
    def crowded(self) -> bool:
        """Whether so much is under way to the disk that no more should be read."""
        return self._under_way > CROWDED

    @property
    def queues(self) -> Iterable[Queue]:
        return (owner.queue for owner in self._owners.values())

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is put and added within goes into one commit, however much it is."""
        if self._batch is not None and self._batch.size >= COMMIT:
            self._batch = None
        self._whole = True
        try:
            yield
        finally:
            self._whole = False

    def add(self, statements: Iterable[Statement]) -> asyncio.Future[None]:
        """Have statements committed with the messages of this turn of the loop, after what was put before."""
        batch = self._open()
        batch.add(statements)
        return batch.done

    def _open(self) -> Batch:
        batch = self._batch
        if batch is None or (batch.size >= COMMIT and not self._whole):
            batch = self._batch = Batch(asyncio.get_running_loop())
            task = asyncio.ensure_future(self._commit(batch))
            self._committing.add(task)
            task.add_done_callback(self._committing.discard)
            self._last = None
        return batch

    def body(self, message: Message) -> tuple[Stored, Statement]:
        """A message that is to be a row, and what makes it one; without an entry for anybody."""
        properties = self._properties(message)
        stored = self._new(message, _size(message, properties))
        return stored, _body(stored, properties)

    def put(self, message: Message, owner: Owner) -> asyncio.Future[None] | None:
        """Have a message wait for an owner. Await the answer before the publisher is told: then it is a row
        on the disk, and ``owner.stored`` has been called. When the owner's queue is full, ``owner.refused``
        has been called, and there is nothing to await."""
        size = _size(message, self._properties(message))
        if not owner.queue.take(size):
            owner.refused(message)
            return None
        batch = self._open()
        stored = self._last
        if stored is None or stored.message is not message:
            stored = self._last = self._new(message, size)
            batch.add([_body(stored, self._properties(message))])
            batch.bytes += size
            self._under_way += size
        batch.enter(owner, stored)
        return batch.done

    def _properties(self, message: Message) -> str:
        """The properties as text, made once for all that wait for the message."""
        if not message.properties:
            return NO_TEXT
        if self._dumped is None or self._dumped[0] is not message:
            self._dumped = (message, dump_properties(message.properties))
        return self._dumped[1]

    def _new(self, message: Message, size: int) -> Stored:
        self.last_id = max(self.last_id + 1, time.time_ns())
        lifetime = message.properties.get("message_expiry_interval")
        expires = NEVER if lifetime is None else message.received_at + lifetime
        return Stored(self.last_id, message, expires, size)

    async def _commit(self, batch: Batch) -> None:
        # The rest of this turn of the loop joins the batch before this runs.
        if self._batch is batch:
            self._batch = self._dumped = None
        try:
            await self._store.commit(batch.statements())
        except StoreError as error:
            log.error("messages not taken", count=len(batch.told), error=str(error))
            self._doubtful += batch.told
            batch.done.set_exception(error)
            batch.done.exception()  # who does not wait need not be told
            return
        finally:
            self._under_way -= batch.bytes
            if batch.told:
                self.told_id = batch.told[-1][1].id
        for owner, stored in batch.told:
            owner.stored(stored)
        batch.done.set_result(None)

    # --- afterwards ----------------------------------------------------------------------------------------

    def acknowledged(self, owner: Owner, stored: Stored) -> None:
        """The entry is done with; its row, and the body's if it was the last, go with the next flush."""
        owner.queue.remove(stored.size)
        self._acknowledged.append((owner, stored))

    def doubted(self, owner: Owner, stored: Stored) -> None:
        """An entry counts as waiting, and a commit that failed may have made it one or not, or deleted it."""
        self._doubtful.append((owner, stored))

    async def settled(self) -> None:
        """Wait until all that was put so far has been committed, or has failed."""
        if self._committing:
            await asyncio.wait(list(self._committing))

    async def flush(self) -> None:
        """Delete the entries that have been acknowledged, and find out about the doubtful ones."""
        async with self._tidying:
            await self._settle_doubts()
            await self._delete_acknowledged()

    async def _settle_doubts(self) -> None:
        """Not later than anything is read: what was read can be acknowledged, and counts as gone then."""
        while self._doubtful:
            owner, stored = self._doubtful[-1]
            entry = sessions.has_entry(owner.account, owner.region, owner.key, stored.id)
            if not await self._store.fetch(*entry):
                owner.queue.remove(stored.size)
            self._doubtful.pop()

    async def _delete_acknowledged(self) -> None:
        while self._acknowledged:
            batch = self._acknowledged[: COMMIT // 2]
            of_message: dict[int, list[tuple[Owner, Stored]]] = {}
            for owner, stored in batch:
                of_message.setdefault(stored.id, []).append((owner, stored))
            statements: list[Statement] = []
            ids: list[int] = []
            for id, entries in of_message.items():
                place = entries[0][0].account, entries[0][0].region
                some = sessions.delete_entries(*place, [owner.key for owner, _ in entries], id)
                some.append(sessions.delete_body(id))
                statements += some
                ids += [id] * len(some)
            found: dict[int, set[str]] = {id: set() for id in of_message}
            for id, rows in zip(ids, await self._store.commit(statements), strict=True):
                found[id].update(row["session"] for row in rows)
            del self._acknowledged[: len(batch)]
            for owner, stored in batch:
                if owner.key in found[stored.id]:
                    found[stored.id].remove(owner.key)
                else:  # it had expired, or was acknowledged twice, and is not to be counted twice
                    owner.queue.put_back(stored.size)

    async def read(self, owner: Owner, *, after: int, until: int, limit: int) -> Sequence[Stored]:
        """What waits for an owner with ids in (after, until], oldest first."""
        await self.flush()
        rows = await self._store.fetch(
            *sessions.read_mailbox(
                owner.account, owner.region, owner.key, after=after, until=until, limit=limit
            )
        )
        return [stored_of(owner, row) for row in rows]

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
        async with self._tidying:
            await self._settle_doubts()
            expired = await self._store.fetch(*sessions.expired_messages(self._clock.now(), SWEEP))
            deleted = (await self._delete(expired))[::2]
            for row, entries in zip(expired, deleted, strict=True):
                for entry in entries:
                    owner = self._owners.get((entry["account"], entry["region"], entry["session"]))
                    if owner is not None:
                        owner.queue.remove(row["size"])
            await self._delete(await self._store.fetch(*sessions.orphaned_messages(0, SWEEP)))

    async def _delete(self, messages: Sequence[Row]) -> Sequence[Sequence[Row]]:
        statements = [statement for row in messages for statement in sessions.delete_message(row["id"])]
        return await self._store.commit(statements)

    async def close(self) -> None:
        await self.settled()
        await self.flush()


def _body(stored: Stored, properties: str) -> Statement:
    message = stored.message
    return sessions.put_message(
        stored.id,
        message.account,
        message.region,
        message.topic,
        message.payload,
        properties,
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


def _size(message: Message, properties: str) -> int:
    return len(message.payload) + len(message.topic) + len(properties)


def stored_of(owner: Owner, row: Mapping[str, Any]) -> Stored:
    """The message of a row; one that an earlier version wrote does not tell its QoS, which was 1."""
    client_id, principal, source_ip, trace, retain, *qos = orjson.loads(row["origin"])
    message = Message(
        owner.account,
        owner.region,
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
    size = len(row["payload"]) + len(row["topic"]) + len(row["properties"])
    return Stored(row["id"], message, row["expires"], size)


def dump_properties(properties: Mapping[str, Any]) -> str:
    """MQTT 5 properties as JSON; correlation data, the one of bytes, in hexadecimal."""
    if not properties:
        return NO_TEXT
    return orjson.dumps(properties, default=_hex).decode()


def load_properties(text: str) -> Mapping[str, Any]:
    if text == NO_TEXT:
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
