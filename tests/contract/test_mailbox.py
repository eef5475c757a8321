"""What the mailbox counts is what the database has, also when commits fail and rows go twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from contract.stores import opened
from sekisho.broker.mailbox import CROWDED, Mailbox, Stored
from sekisho.broker.queue import Queue
from sekisho.clock import Clock
from sekisho.mqtt.message import Message
from sekisho.store import sessions
from sekisho.store.statement import Statement, StoreError
from sekisho.store.store import Store

A, R = "123456789012", "eu-west-1"


class Reader:
    """An owner that keeps what it is told."""

    account, region = A, R

    def __init__(self, key: str) -> None:
        self.key = key
        self.queue = Queue(3, 1 << 30)
        self.got: list[Stored] = []
        self.dropped: list[bytes] = []

    def stored(self, stored: Stored) -> None:
        self.got.append(stored)

    def acknowledged(self, stored: Stored) -> None: ...

    def refused(self, message: Message) -> None:
        self.dropped.append(message.payload)


Body = Callable[[Store, Mailbox, Reader], Coroutine[Any, Any, None]]


@pytest.fixture
def run(database_url: str) -> Callable[[Body], None]:
    def run(body: Body) -> None:
        async def whole() -> None:
            async with opened(database_url) as store:
                mailbox = Mailbox(store, Clock())
                await mailbox.start()
                reader = Reader("lamp")
                mailbox.open(reader)
                await body(store, mailbox, reader)

        asyncio.run(whole())

    return run


def message(payload: bytes = b"x", **properties: Any) -> Message:
    return Message(A, R, "t", payload, 1, False, properties, received_at=1.0)


async def put(mailbox: Mailbox, one: Message, *owners: Reader) -> None:
    for done in [mailbox.put(one, owner) for owner in owners]:
        if done is not None:
            await done


async def counted(store: Store) -> dict[str, tuple[int, int]]:
    rows = await store.fetch(*sessions.queues(A, R))
    return {row["session"]: (row["messages"], int(row["bytes"])) for row in rows}


def state(reader: Reader) -> tuple[int, int]:
    return reader.queue.messages, reader.queue.bytes


def test_what_is_counted_is_what_is_there(run):
    async def body(store: Store, mailbox: Mailbox, reader: Reader) -> None:
        other = Reader("other")
        mailbox.open(other)
        await put(
            mailbox, message(b"one", user_property=(("é", "b"),), correlation_data=b"\x00"), reader, other
        )
        await put(mailbox, message(b""), reader)
        found = await counted(store)
        assert found == {"lamp": state(reader), "other": state(other)}
        assert found["lamp"][0] == 2
        restarted = Mailbox(store, Clock())
        again = Reader("lamp")
        restarted.open(again)
        await restarted.recount(A, R)
        assert state(again) == state(reader)
        assert await counted(store) == {"lamp": state(reader)}  # nobody owns the other
        read = await restarted.read(again, after=0, until=1 << 62, limit=9)
        assert [(one.id, one.size) for one in read] == [(one.id, one.size) for one in reader.got]

    run(body)


def test_what_is_dropped_leaves_nothing(run):
    async def body(store: Store, mailbox: Mailbox, reader: Reader) -> None:
        for payload in (b"1", b"2", b"3", b"4"):
            await put(mailbox, message(payload), reader)
        assert reader.dropped == [b"4"]
        assert [one.message.payload for one in reader.got] == [b"1", b"2", b"3"]
        assert len(await store.fetch("SELECT id FROM message")) == 3

    run(body)


def test_an_acknowledgement_counts_once(run):
    async def body(store: Store, mailbox: Mailbox, reader: Reader) -> None:
        await put(mailbox, message(), reader)
        await put(mailbox, message(), reader)
        first, second = reader.got
        for _ in range(2):
            mailbox.acknowledged(reader, first)
        await mailbox.flush()
        mailbox.acknowledged(reader, first)
        await mailbox.flush()
        assert state(reader) == (1, second.size)
        assert await counted(store) == {"lamp": (1, second.size)}

    run(body)


@pytest.mark.parametrize("first", ["acknowledged", "expired"])
def test_what_expires_and_is_acknowledged_counts_once(run, first):
    async def body(store: Store, mailbox: Mailbox, reader: Reader) -> None:
        await put(mailbox, message(message_expiry_interval=1), reader)
        await put(mailbox, message(), reader)
        if first == "acknowledged":
            mailbox.acknowledged(reader, reader.got[0])
            await mailbox.sweep()
        else:
            await mailbox.sweep()
            assert state(reader)[0] == 1
            mailbox.acknowledged(reader, reader.got[0])
        await mailbox.flush()
        assert state(reader) == (1, reader.got[1].size)
        assert await counted(store) == {"lamp": state(reader)}

    run(body)


async def fail(store: Store, mailbox: Mailbox, reader: Reader) -> Stored:
    """A message whose commit fails."""
    await store.commit([Statement("ALTER TABLE mailbox RENAME TO away")])
    with pytest.raises(StoreError):
        await put(mailbox, message(b"lost?"), reader)
    await store.commit([Statement("ALTER TABLE away RENAME TO mailbox")])
    assert (state(reader)[0], reader.got) == (1, [])
    return Stored(mailbox.last_id, message(b"lost?"), 0.0)


def test_a_commit_that_failed_is_not_counted(run):
    async def body(store: Store, mailbox: Mailbox, reader: Reader) -> None:
        await fail(store, mailbox, reader)
        await mailbox.flush()
        assert state(reader) == (0, 0)
        await put(mailbox, message(), reader)
        assert await counted(store) == {"lamp": state(reader)}

    run(body)


def test_a_commit_that_happened_after_all_is_counted(run):
    """As when the connection to the database is lost before it says so."""

    async def body(store: Store, mailbox: Mailbox, reader: Reader) -> None:
        lost = await fail(store, mailbox, reader)
        row = sessions.put_message(lost.id, A, R, "t", b"lost?", "{}", '["","","","",false]', 1.0, 0.0)
        await store.commit([row, sessions.put_entry(A, R, "lamp", lost.id)])
        [found] = await mailbox.read(reader, after=0, until=1 << 62, limit=9)
        assert await counted(store) == {"lamp": state(reader)} == {"lamp": (1, found.size)}
        mailbox.acknowledged(reader, found)
        await mailbox.flush()
        assert state(reader) == (0, 0)

    run(body)


def test_an_acknowledgement_that_cannot_be_written_is_written_later(run):
    async def body(store: Store, mailbox: Mailbox, reader: Reader) -> None:
        await put(mailbox, message(), reader)
        mailbox.acknowledged(reader, reader.got[0])
        await store.commit([Statement("ALTER TABLE mailbox RENAME TO away")])
        with pytest.raises(StoreError):
            await mailbox.flush()
        await store.commit([Statement("ALTER TABLE away RENAME TO mailbox")])
        await mailbox.flush()
        assert (state(reader), await counted(store)) == ((0, 0), {})

    run(body)


def test_it_says_when_too_much_is_under_way(run):
    async def body(store: Store, mailbox: Mailbox, reader: Reader) -> None:
        large = bytes(CROWDED // 2)
        first = mailbox.put(message(large), reader)
        assert not mailbox.crowded
        second = mailbox.put(message(large), reader)
        assert mailbox.crowded
        assert first is not None
        assert second is not None
        await asyncio.gather(first, second)
        assert not mailbox.crowded

    run(body)
