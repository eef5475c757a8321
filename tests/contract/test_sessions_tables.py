"""The tables ``session``, ``message``, ``mailbox`` and ``retained``, on both drivers."""

from __future__ import annotations

from typing import Any

import pytest

from sekisho.store import retained, sessions
from sekisho.store.statement import Conflict
from sekisho.store.store import Store

A, R = "123456789012", "eu-west-1"
PAYLOAD = bytes(range(256))


async def put(store: Store, id: int, *waiting: str, expires: float = 0.0) -> None:
    message = sessions.put_message(id, A, R, f"t/{id}", PAYLOAD, '{"a":1}', '["c"]', 5.0, expires)
    await store.commit([message, *(sessions.put_entry(A, R, session, id) for session in waiting)])


async def waiting(store: Store, session: str, after: int = 0, until: int = 1 << 62, limit: int = 99) -> list:
    page = sessions.read_mailbox(A, R, session, after=after, until=until, limit=limit)
    return [row["id"] for row in await store.fetch(*page)]


async def bodies(store: Store) -> list[int]:
    return [row["id"] for row in await store.fetch("SELECT id FROM message ORDER BY id")]


def test_a_session_is_put_ended_and_deleted(run):
    async def body(store: Store) -> None:
        page = sessions.page_sessions(A, R, "", 9)
        row = {"account": A, "region": R, "client_id": "lamp", "protocol": 4, "expiry": 60.0, "ends": 0.0}
        values = {"protocol": 4, "expiry": 60.0, "ends": 0.0}
        await store.commit([sessions.put_session(A, R, "lamp", **values, subscriptions="[]")])
        assert await store.fetch(*page) == [row | {"subscriptions": "[]"}]
        changed = {"protocol": 5, "expiry": 7.5, "ends": 0.0}
        await store.commit([sessions.put_session(A, R, "lamp", **changed, subscriptions='[["a",1]]')])
        assert await store.fetch(*page) == [row | changed | {"subscriptions": '[["a",1]]'}]
        await store.commit([sessions.end_session(A, R, "lamp", ends=99.0, expiry=3.0)])
        assert await store.fetch(*page) == [
            row | changed | {"expiry": 3.0, "ends": 99.0, "subscriptions": '[["a",1]]'}
        ]
        await put(store, 1, "lamp", "other")
        await store.commit(sessions.delete_session(A, R, "lamp"))
        assert await store.fetch(*page) == []
        assert (await waiting(store, "lamp"), await waiting(store, "other")) == ([], [1])

    run(body)


@pytest.mark.parametrize("count", [1, 2, 33, 70])
def test_one_message_waits_for_many_and_is_taken_from_many(run, count):
    async def body(store: Store) -> None:
        names = [f"s{n:02}" for n in range(count)]
        await put(store, 7, "other")
        await store.commit(sessions.put_entries(A, R, [*names, names[0]], 7))
        taken = sessions.delete_entries(A, R, [*names, "nobody"], 7)
        found = await store.commit(taken)
        assert sorted(one["session"] for rows in found for one in rows) == names
        assert await store.fetch(*sessions.has_entry(A, R, "other", 7))

    run(body)


def test_sessions_page_by_client_id_within_their_place(run):
    async def body(store: Store) -> None:
        names = ["A", "a", "b", "é", "関"]
        for account, region in ((A, R), ("0" * 12, R), (A, "us-east-1")):
            for name in reversed(names):
                values = {"protocol": 4, "expiry": 1.0, "ends": 0.0, "subscriptions": "[]"}
                await store.commit([sessions.put_session(account, region, name, **values)])
        found: list[str] = []
        while True:
            page = await store.fetch(*sessions.page_sessions(A, R, found[-1] if found else "", 2))
            if not page:
                break
            found += [row["client_id"] for row in page]
        assert found == names

    run(body)


def test_a_mailbox_is_read_in_order_and_counted(run):
    async def body(store: Store) -> None:
        assert await store.fetch(*sessions.last_message()) == [{"last": 0}]
        big = 1 << 61
        for id in (5, 2, big, 9):
            await put(store, id, "lamp")
        await put(store, 7, "other")
        assert await store.fetch(*sessions.last_message()) == [{"last": big}]
        assert await waiting(store, "lamp") == [2, 5, 9, big]
        assert await waiting(store, "lamp", after=2, until=9) == [5, 9]
        assert await waiting(store, "lamp", limit=2) == [2, 5]
        [row] = await store.fetch(*sessions.read_mailbox(A, R, "lamp", after=0, until=2, limit=1))
        assert row == {
            "id": 2,
            "topic": "t/2",
            "payload": PAYLOAD,
            "properties": '{"a":1}',
            "origin": '["c"]',
            "at": 5.0,
            "expires": 0.0,
        }

    run(body)


def test_each_queue_is_counted_with_its_sizes(run):
    async def body(store: Store) -> None:
        await put(store, 1, "lamp", "other")
        await put(store, 2, "lamp")
        odd = sessions.put_message(3, A, R, "é/関", b"", "{}", '["c"]', 5.0, 0.0)
        elsewhere = sessions.put_entry(A, "us-east-1", "lamp", 3)
        await store.commit([odd, sessions.put_entry(A, R, "$share/a/é", 3), elsewhere])
        one = len(PAYLOAD) + len("t/1") + len('{"a":1}')
        rows = await store.fetch(*sessions.queues(A, R))
        found = {row["session"]: (row["messages"], int(row["bytes"])) for row in rows}
        assert found == {"lamp": (2, 2 * one), "other": (1, one), "$share/a/é": (1, len("é/関") + len("{}"))}
        assert await store.fetch(*sessions.queues(A, "us-west-2")) == []

    run(body)


def test_a_deleted_entry_says_whether_it_was_there(run):
    async def body(store: Store) -> None:
        await put(store, 1, "lamp")
        has, delete = sessions.has_entry(A, R, "lamp", 1), sessions.delete_entry(A, R, "lamp", 1)
        assert await store.fetch(*has) == [{"message": 1}]
        assert await store.commit([delete, delete]) == [[{"message": 1}], []]
        assert await store.fetch(*has) == []

    run(body)


def test_an_entry_is_put_once_and_a_message_has_one_body(run):
    async def body(store: Store) -> None:
        await put(store, 1, "lamp")
        await store.commit([sessions.put_entry(A, R, "lamp", 1)])
        assert await waiting(store, "lamp") == [1]
        with pytest.raises(Conflict):
            await put(store, 1)

    run(body)


def test_a_body_stays_while_somebody_waits_for_it(run):
    async def body(store: Store) -> None:
        await put(store, 1, "lamp", "other")
        await store.commit([sessions.delete_entry(A, R, "lamp", 1), sessions.delete_body(1)])
        assert (await waiting(store, "lamp"), await waiting(store, "other")) == ([], [1])
        await store.commit([sessions.delete_entry(A, R, "other", 1), sessions.delete_body(1)])
        assert await bodies(store) == []

    run(body)


def test_messages_that_expired_and_messages_that_nobody_waits_for(run):
    async def body(store: Store) -> None:
        await put(store, 1, "lamp", expires=10.0)
        await put(store, 2, "lamp", expires=20.0)
        await put(store, 3, "lamp")
        await put(store, 4, "gone")
        await put(store, 5)
        assert await store.fetch(*sessions.expired_messages(9.9, 9)) == []
        size = len(PAYLOAD) + len("t/1") + len('{"a":1}')
        assert await store.fetch(*sessions.expired_messages(10.0, 9)) == [{"id": 1, "size": size}]
        assert await store.fetch(*sessions.expired_messages(30.0, 1)) == [{"id": 1, "size": size}]
        await store.commit([sessions.empty_mailbox(A, R, "gone")])
        assert await store.fetch(*sessions.orphaned_messages(0, 9)) == [{"id": 4}, {"id": 5}]
        assert await store.fetch(*sessions.orphaned_messages(4, 9)) == [{"id": 5}]
        found = await store.commit([*sessions.delete_message(1), *sessions.delete_message(5)])
        assert found == [[{"account": A, "region": R, "session": "lamp"}], [], [], []]
        assert (await bodies(store), await waiting(store, "lamp")) == ([2, 3, 4], [2, 3])

    run(body)


def keep(topic: str, payload: bytes = PAYLOAD, **more: Any):
    values = {"qos": 1, "properties": '{"a":1}', "updated": 5.5, "expires": 0.0} | more
    return retained.put_retained(A, R, topic, payload=payload, **values)


def test_the_last_retained_message_of_a_topic_is_kept(run):
    async def body(store: Store) -> None:
        get = retained.get_retained(A, R, "a/b")
        assert await store.fetch(*get) == []
        await store.commit([keep("a/b")])
        row = {"topic": "a/b", "payload": PAYLOAD, "qos": 1, "properties": '{"a":1}'}
        assert await store.fetch(*get) == [row | {"updated": 5.5, "expires": 0.0}]
        await store.commit([keep("a/b", b"", qos=0, properties="{}", updated=6.0, expires=7.0)])
        changed = {"payload": b"", "qos": 0, "properties": "{}", "updated": 6.0, "expires": 7.0}
        assert await store.fetch(*get) == [row | changed]
        await store.commit([retained.delete_retained(A, "us-east-1", "a/b")])
        assert await store.fetch(*get) == [row | changed]
        await store.commit([retained.delete_retained(A, R, "a/b"), retained.delete_retained(A, R, "a/b")])
        assert await store.fetch(*get) == []

    run(body)


def test_retained_messages_page_by_topic_with_sizes_and_no_bodies(run):
    async def body(store: Store) -> None:
        for topic, size in (("b", 3), ("a/b", 0), ("é", 256), ("a", 1)):
            await store.commit([keep(topic, bytes(size))])
        await store.commit([keep("z")])
        await store.commit([retained.delete_retained(A, R, "z")])
        page = await store.fetch(*retained.page_retained(A, R, "", 3))
        assert page == [
            {"topic": topic, "size": size, "qos": 1, "updated": 5.5, "expires": 0.0}
            for topic, size in (("a", 1), ("a/b", 0), ("b", 3))
        ]
        page = await store.fetch(*retained.page_retained(A, R, "b", 3))
        assert [(row["topic"], row["size"]) for row in page] == [("é", 256)]

    run(body)


def test_retained_messages_are_counted_by_what_changes(run):
    async def body(store: Store) -> None:
        has, delete = retained.has_retained(A, R, "a"), retained.delete_retained(A, R, "a")
        found = await store.commit([delete, has, keep("a"), has, keep("a"), delete, delete])
        row = [{"topic": "a"}]
        assert found == [[], [], [], row, [], row, []]
        await store.commit([keep("b"), keep("c")])
        assert await store.fetch(*retained.count_retained(A, R)) == [{"count": 2}]
        assert await store.fetch(*retained.count_retained(A, "us-east-1")) == [{"count": 0}]

    run(body)


def test_expired_retained_messages_are_deleted_unless_others_took_their_place(run):
    async def body(store: Store) -> None:
        for topic, expires in (("later", 9.0), ("now", 8.0), ("soon", 7.0), ("never", 0.0)):
            await store.commit([keep(topic, expires=expires)])
        page = await store.fetch(*retained.expired_retained(8.0, 9))
        assert [row["topic"] for row in page] == ["soon", "now"]
        assert len(await store.fetch(*retained.expired_retained(8.0, 1))) == 1
        await store.commit([keep("now", expires=20.0)])
        found = await store.commit([retained.delete_expired_retained(**row) for row in page])
        assert found == [[{"topic": "soon"}], []]
        assert await store.fetch(*retained.count_retained(A, R)) == [{"count": 3}]

    run(body)
