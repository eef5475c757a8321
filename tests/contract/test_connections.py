"""The table ``connection`` and what is shown of queues, on both drivers; and who writes the rows."""

from __future__ import annotations

from typing import Any

import pytest

from sekisho.services.connection_log import LEFT_OVER, ConnectionLog
from sekisho.store import connections as verbs
from sekisho.store import queues, sessions
from sekisho.store.connections import Connection
from sekisho.store.statement import Query, Statement
from sekisho.store.store import Store
from sekisho.store.trimming import trim_connections

A, R = "123456789012", "eu-west-1"
PLACE = {"account": A, "region": R}


def row(number: int, client: str = "lamp", certificate: str = "c1", **more: Any) -> Connection:
    id = f"{number:014x}-x"
    return Connection(id, A, R, client, certificate, "192.0.2.1", 5, float(number), '{"port":1}', **more)


def put(row: Connection) -> Statement:
    [statement] = verbs.put_connections([row])
    return statement


async def ids(store: Store, query: Query) -> list[int]:
    return [int(found["id"][:14], 16) for found in await store.fetch(*query)]


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 100])
def test_many_are_written_at_once(run, count):
    async def body(store: Store) -> None:
        await store.commit(verbs.put_connections([row(n) for n in range(count)]))
        assert await ids(store, verbs.page_connections(PLACE, "", 200)) == [*reversed(range(count))]
        again = [row(n, disconnected=5.0, reason="UNKNOWN") for n in range(count)]
        await store.commit(verbs.put_connections(again))
        assert len(await store.fetch(*verbs.ended_since(5.0, 200))) == count

    run(body)


def test_a_connection_begins_and_ends(run):
    async def body(store: Store) -> None:
        await store.commit([put(row(10))])
        page = verbs.page_connections(PLACE, "", 5)
        expected = {
            "id": row(10).id,
            "client_id": "lamp",
            "certificate_id": "c1",
            "address": "192.0.2.1",
            "protocol": 5,
            "connected": 10.0,
            "disconnected": 0.0,
            "reason": "",
            "detail": '{"port":1}',
        }
        assert await store.fetch(*page) == [expected]
        await store.commit([verbs.end_connection(row(10).id, 12.5, "CLIENT_ERROR")])
        ended = expected | {"disconnected": 12.5, "reason": "CLIENT_ERROR"}
        assert await store.fetch(*page) == [ended]
        await store.commit([verbs.end_connection(row(10).id, 99.0, "SERVER_ERROR")])
        assert await store.fetch(*page) == [ended], "a second end changes nothing"

    run(body)


def test_writing_twice_is_writing_once(run):
    async def body(store: Store) -> None:
        await store.commit([put(row(1))])
        await store.commit([put(row(1, disconnected=3.0, reason="UNKNOWN"))])
        [found] = await store.fetch(*verbs.page_connections(PLACE, "", 5))
        assert (found["disconnected"], found["reason"]) == (3.0, "UNKNOWN")

    run(body)


def test_pages_and_filters(run):
    async def body(store: Store) -> None:
        await store.commit(
            [
                put(row(1, "a", "c1", disconnected=5.0)),
                put(row(2, "b", "c1")),
                put(row(3, "a", "c2")),
                put(row(4, "a", "c1")),
                put(row(5, "a", "c1")._replace(account="000000000000")),
                put(row(6, "a", "c1")._replace(region="us-east-1")),
            ]
        )
        assert await ids(store, verbs.page_connections(PLACE, "", 9)) == [4, 3, 2, 1]
        assert await ids(store, verbs.page_connections(PLACE, "", 2)) == [4, 3]
        assert await ids(store, verbs.page_connections(PLACE, row(3).id, 2)) == [2, 1]
        assert await ids(store, verbs.page_connections(PLACE | {"client_id": "a"}, "", 9)) == [4, 3, 1]
        assert await ids(store, verbs.page_connections(PLACE | {"certificate_id": "c1"}, "", 9)) == [4, 2, 1]
        both = PLACE | {"client_id": "a", "certificate_id": "c1"}
        assert await ids(store, verbs.page_connections(both, "", 9, live=True)) == [4]
        for wrong in ({"account": A}, PLACE | {"address": "x"}):
            with pytest.raises(ValueError, match="account, region"):
                verbs.page_connections(wrong, "", 1)

    run(body)


def test_trimming_by_age_and_by_number_leaves_what_lasts(run):
    async def body(store: Store) -> None:
        everything = verbs.page_connections(PLACE, "", 99)
        await store.commit([put(row(1))])
        for number in range(2, 8):
            await store.commit([put(row(number, disconnected=float(number) * 10))])
        await trim_connections(store, 30.0, 99)
        assert await ids(store, everything) == [7, 6, 5, 4, 3, 1]
        await trim_connections(store, 0.0, 9)
        assert await ids(store, everything) == [7, 6, 5, 4, 3, 1]
        await trim_connections(store, 0.0, 2)
        assert await ids(store, everything) == [7, 6, 1]

    run(body)


def test_the_log_writes_what_began_what_ended_and_what_did_both(run):
    async def body(store: Store) -> None:
        journal = ConnectionLog(store)
        journal.opened(row(1))
        await journal.flush()
        journal.opened(row(2))
        journal.closed(row(2).id, 7.0, "CLIENT_ERROR")
        journal.closed(row(1).id, 8.0, "CONNECTION_LOST")
        journal.closed(row(1).id, 9.0, "UNKNOWN")
        journal.closed("never opened", 9.0, "UNKNOWN")
        journal.opened(row(3))
        await journal.flush()
        found = await store.fetch(*verbs.page_connections(PLACE, "", 9))
        assert [(one["disconnected"], one["reason"]) for one in found] == [
            (0.0, ""),
            (7.0, "CLIENT_ERROR"),
            (8.0, "CONNECTION_LOST"),
        ]

    run(body)


def test_the_log_writes_more_than_one_commit_holds(run):
    async def body(store: Store) -> None:
        journal = ConnectionLog(store)
        for number in range(1200):
            journal.opened(row(number))
        await journal.flush()
        for number in range(1200):
            journal.closed(row(number).id, 5000.0, "SERVER_INITIATED_DISCONNECT")
        await journal.flush()
        assert len(await ids(store, verbs.page_connections(PLACE, "", 9999))) == 1200
        assert await ids(store, verbs.page_connections(PLACE, "", 9999, live=True)) == []

    run(body)


def test_what_an_earlier_life_left_is_ended_at_the_start(run):
    async def body(store: Store) -> None:
        await store.commit([put(row(1)), put(row(2, disconnected=4.0))])
        await ConnectionLog(store).start(9.0)
        found = await store.fetch(*verbs.page_connections(PLACE, "", 9))
        assert [(one["disconnected"], one["reason"]) for one in found] == [(4.0, ""), (9.0, LEFT_OVER)]

    run(body)


def test_a_queue_is_counted_and_its_head_shown(run):
    async def body(store: Store) -> None:
        for id in (3, 1, 2):
            payload = b"\x00" * id
            await store.commit(
                [sessions.put_message(id, A, R, f"t/{id}", payload, "{}", "[]", 10.0 + id, 0.0)]
                + [sessions.put_entry(A, R, session, id) for session in ("b", "c")[: 1 + (id > 1)]]
            )
        lengths = await store.fetch(*queues.queue_lengths(A, R, "a", "b"))
        assert [(one["session"], one["waiting"]) for one in lengths] == [("b", 3)]
        lengths = await store.fetch(*queues.queue_lengths(A, R, "b", "c"))
        assert {one["session"]: one["waiting"] for one in lengths} == {"b": 3, "c": 2}
        head = await store.fetch(*queues.queue_head(A, R, "b", 2, 1))
        shown = {"payload": b"\x00", "origin": "[]", "expires": 0.0}
        assert head == [
            {"id": 1, "topic": "t/1", "size": 1, "at": 11.0, **shown},
            {"id": 2, "topic": "t/2", "size": 2, "at": 12.0, **shown},
        ]
        assert await store.fetch(*queues.queue_lengths("0" * 12, R, "b", "c")) == []

    run(body)


def test_those_that_ended_lately_newest_first(run):
    async def body(store: Store) -> None:
        ends = {1: 4.0, 2: 9.0, 3: 0.0, 4: 7.0}
        await store.commit([put(row(n, disconnected=end)) for n, end in ends.items()])
        found = await store.fetch(*verbs.ended_since(7.0, 9))
        assert [one["disconnected"] for one in found] == [7.0, 9.0]
        assert [one["disconnected"] for one in await store.fetch(*verbs.ended_since(0.0, 2))] == [7.0, 9.0]

    run(body)


def test_by_certificate_and_of_each_the_newest_first(run):
    async def body(store):
        made = [row(n, certificate=c) for n, c in enumerate(["c1", "c2", "", "c1", "c3"], 1)]
        await store.commit(verbs.put_connections(made))
        assert await ids(store, verbs.connections_by_certificate(A, R, "", 10)) == [5, 2, 4, 1]
        assert await ids(store, verbs.connections_by_certificate(A, R, "c2", 10)) == [4, 1]
        assert await ids(store, verbs.connections_by_certificate(A, R, "c3", 2)) == [2, 4]
        assert await ids(store, verbs.connections_by_certificate("other", R, "", 10)) == []

    run(body)
