"""What a store promises, asked of both drivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from contract.stores import opened
from sekisho.store import tables
from sekisho.store.intake import QUEUE
from sekisho.store.statement import Conflict, Statement, StoreError, Unavailable
from sekisho.store.store import Store, open_store

A, R = "123456789012", "eu-west-1"
ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 FROM n WHERE i < 2) SELECT COUNT(*) AS many FROM n"
)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


@asynccontextmanager
async def nodes(url: str, how_many: int = 2) -> AsyncIterator[list[Store]]:
    """Several stores on one database, as several nodes have; a SQLite database has one node."""
    async with AsyncExitStack() as stack:
        many = how_many if url.startswith("postgresql") else 1
        yield [await stack.enter_async_context(opened(url)) for _ in range(many)]


def insert(id: str, body: str = "{}") -> Statement:
    return tables.insert_resource(A, R, "thing", id, body, 1.5)


async def ids(store: Store) -> list[str]:
    rows = await store.fetch("SELECT id FROM resource ORDER BY id")
    return [row["id"] for row in rows]


def test_a_commit_is_seen_by_the_next_fetch(database_url: str) -> None:
    async def body() -> None:
        async with nodes(database_url) as stores:
            for number in range(50):
                await stores[0].commit([insert(f"{number:02}")])
                assert len(await ids(stores[-1])) == number + 1

    run(body())


def test_rows_come_back_by_statement(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            answer = await store.commit(
                [
                    insert("a"),
                    Statement("SELECT id, version FROM resource WHERE id = :id", {"id": "a"}, expect=1),
                    Statement("UPDATE resource SET version = 7 WHERE id = :id", {"id": "a"}, expect=1),
                    Statement("DELETE FROM resource RETURNING id, version", expect=1),
                    Statement("DELETE FROM resource", expect=0),
                ]
            )
            assert answer == [[], [{"id": "a", "version": 1}], [], [{"id": "a", "version": 7}], []]
            assert await store.commit([]) == []

    run(body())


def test_values_come_back_as_they_were(database_url: str) -> None:
    async def body() -> None:
        blob, big = bytes(range(256)) * 4096, "関所🚪\u2028'\";--:name " * 60_000
        text = '{"b":  1.50, "a": "\\u0000", "\u00e9": [1e400]}'
        async with opened(database_url) as store:
            await store.commit([Statement("CREATE TABLE box (name TEXT, data BYTEA, at DOUBLE PRECISION)")])
            put = Statement(
                "INSERT INTO box VALUES (:name, :data, :at)", {"name": big, "data": blob, "at": 1}
            )
            await store.commit([put])
            await store.commit([Statement(put.sql, {"name": None, "data": None, "at": 0.1 + 0.2})])
            rows = await store.fetch("SELECT name, data, at FROM box ORDER BY at DESC")
            assert rows == [
                {"name": big, "data": blob, "at": 1.0},
                {"name": None, "data": None, "at": 0.1 + 0.2},
            ]
            assert type(rows[0]["data"]) is bytes
            assert type(rows[0]["at"]) is float
            await store.commit([insert("関所", text)])
            row = await tables.fetch_one(store, tables.get_resource(A, R, "thing", "関所"))
            assert row is not None
            assert (row["id"], row["body"]) == ("関所", text)

    run(body())


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_text_that_one_engine_could_not_hold_is_refused_by_both(database_url: str, value: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            with pytest.raises(StoreError, match="parameter id"):
                await store.commit([insert(value)])
            with pytest.raises(StoreError, match="parameter id"):
                await store.fetch(*tables.get_resource(A, R, "thing", value))

    run(body())


def test_a_failed_expectation_undoes_the_whole_commit(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await store.commit([insert("there")])
            with pytest.raises(Conflict) as caught:
                await store.commit([insert("a"), insert("b"), insert("there"), insert("c")])
            assert caught.value.index == 2
            with pytest.raises(Conflict):
                await store.commit([insert("a"), Statement("SELECT id FROM resource", expect=1)])
            with pytest.raises(Conflict):
                await store.commit([Statement("DELETE FROM resource", expect=2)])
            assert await ids(store) == ["there"]

    run(body())


def test_a_taken_key_is_a_conflict(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            plain = Statement("INSERT INTO lease VALUES ('n', 'o', 1)")
            await store.commit([plain])
            with pytest.raises(Conflict):
                await store.commit([insert("a"), plain])
            assert await ids(store) == []

    run(body())


@pytest.mark.parametrize(
    "wrong",
    [
        Statement("INSERT INTO nowhere VALUES (:a)", {"a": "hunter2"}),
        Statement("SELEC :a", {"a": "hunter2"}),
        Statement("INSERT INTO lease VALUES (:a, :b, 1)", {"a": "hunter2"}),
        Statement("INSERT INTO lease VALUES (:a, NULL, 1)", {"a": "hunter2"}),
        Statement("INSERT INTO lease VALUES ('a', 'b', :c)", {"c": {"secret": "hunter2"}}),
        Statement("UPDATE resource SET version = :c", {"c": 2**64}),
    ],
)
def test_a_wrong_statement_is_an_error_that_quotes_no_value(database_url: str, wrong: Statement) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            with pytest.raises(StoreError) as caught:
                await store.commit([insert("a"), wrong])
            assert not isinstance(caught.value, Conflict | Unavailable)
            assert "hunter2" not in str(caught.value)
            assert caught.value.__suppress_context__ or caught.value.__context__ is None
            await store.commit([insert("b")])
            assert await ids(store) == ["b"]

    run(body())


def test_fetch_does_not_write(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await store.commit([insert("a")])
            with pytest.raises(StoreError):
                await store.fetch("DELETE FROM resource")
            assert await ids(store) == ["a"]

    run(body())


def test_colons_that_are_no_parameters(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await store.commit([insert("a:id")])
            sql = """SELECT id AS "x:id", 'it''s :id' AS lit -- not :this
                FROM resource /* nor :that */ WHERE id = :id AND kind <> :id"""
            assert await store.fetch(sql, {"id": "a:id"}) == [{"x:id": "a:id", "lit": "it's :id"}]

    run(body())


def test_one_conflict_in_a_group_does_not_hurt_the_others(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await store.commit([insert("taken")])

            def one(number: int) -> list[Statement]:
                last = [insert("taken"), Statement("SELEC"), insert(f"{number:03}b")][number % 3]
                return [insert(f"{number:03}a"), last]

            done = await asyncio.gather(*[store.commit(one(n)) for n in range(150)], return_exceptions=True)
            for number, outcome in enumerate(done):
                assert [type(outcome)] == [[Conflict, StoreError, list][number % 3]]
            assert await ids(store) == [f"{n:03}{x}" for n in range(2, 150, 3) for x in "ab"] + ["taken"]

    run(body())


def test_concurrent_counters_lose_nothing(database_url: str) -> None:
    async def body() -> None:
        async with nodes(database_url) as stores:
            await stores[0].commit([insert("counter", "0")])

            async def increment(store: Store) -> None:
                while True:
                    row = await tables.fetch_one(store, tables.get_resource(A, R, "thing", "counter"))
                    assert row is not None
                    more = str(int(row["body"]) + 1)
                    try:
                        await store.commit(
                            [tables.update_resource(A, R, "thing", "counter", row["version"], more, 2.0)]
                        )
                        return
                    except Conflict:
                        continue

            async def writer(number: int) -> None:
                for _ in range(3):
                    await increment(stores[number % len(stores)])

            await asyncio.gather(*[writer(number) for number in range(50)])
            row = await tables.fetch_one(stores[0], tables.get_resource(A, R, "thing", "counter"))
            assert row is not None
            assert (row["body"], row["version"]) == ("150", 151)

    run(body())


def test_guards_are_exact_between_nodes(database_url: str) -> None:
    """Of many who each attach to a target only while nothing is attached, exactly one succeeds."""

    async def body() -> None:
        async with nodes(database_url) as stores:

            async def attach(number: int) -> None:
                await stores[number % len(stores)].commit(
                    [
                        tables.guard_no_links_to(A, R, "policy", "target"),
                        tables.insert_link(A, R, "policy", f"source{number}", "target", "{}", 1.0),
                    ]
                )

            done = await asyncio.gather(*[attach(n) for n in range(40)], return_exceptions=True)
            assert sorted(type(outcome).__name__ for outcome in done) == ["Conflict"] * 39 + ["NoneType"]
            rows = await stores[0].fetch(*tables.links_to(A, R, "policy", "target", "", 10))
            assert len(rows) == 1

    run(body())


def test_a_tail_reader_never_skips(database_url: str) -> None:
    async def body() -> None:
        writers, each = 8, 40
        async with nodes(database_url, 3) as stores:

            async def write(number: int) -> None:
                store = stores[number % min(2, len(stores))]
                for turn in range(each):
                    change = tables.append_change(A, R, "thing", f"{number}-{turn}", "created", 1.0)
                    if turn % 5 == 0:  # a number that is taken and not used
                        with pytest.raises(Conflict):
                            await store.commit([change, Statement("SELECT 1 AS one", expect=0)])
                    await store.commit([change])

            writing = asyncio.gather(*[write(number) for number in range(writers)])
            seen: list[tuple[int, str]] = []
            finished, rows = False, []
            while not finished or rows:
                finished = writing.done()
                rows = await stores[-1].fetch(*tables.read_changes(seen[-1][0] if seen else 0, 7))
                seen += [(row["seq"], row["id"]) for row in rows]
            await writing
            assert seen == sorted(seen)
            assert len(seen) == len({id for _, id in seen}) == writers * each

    run(body())


def test_a_cancelled_read_stops_in_the_database(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            for _ in range(6):  # more than there are connections
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(store.fetch(ENDLESS), 0.05)
            assert await asyncio.wait_for(ids(store), 20) == []
            for _ in range(50):  # before it has well begun
                reading = asyncio.create_task(store.fetch(ENDLESS))
                await asyncio.sleep(0)
                reading.cancel()
                await asyncio.wait([reading])
                assert reading.cancelled()
            assert await asyncio.wait_for(ids(store), 20) == []

    run(body())


def test_a_long_read_delays_no_commit(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            reading = asyncio.create_task(store.fetch(ENDLESS))
            await asyncio.wait_for(store.commit([insert("a")]), 20)
            assert await asyncio.wait_for(ids(store), 20) == ["a"]
            assert not reading.done()
            reading.cancel()

    run(body())


def test_a_cancelled_commit_happens_wholly_or_not_at_all(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            tasks = [asyncio.create_task(store.commit([insert(f"{n}a"), insert(f"{n}b")])) for n in range(60)]
            for number, task in enumerate(tasks):
                if number % 2:
                    await asyncio.sleep(0)
                    task.cancel()
            await asyncio.wait(tasks)
            await store.commit([insert("last")])
            found = set(await ids(store))
            for number, task in enumerate(tasks):
                assert (f"{number}a" in found) == (f"{number}b" in found)
                if not task.cancelled():
                    assert f"{number}a" in found

    run(body())


def test_closing_settles_every_commit(database_url: str) -> None:
    async def body() -> None:
        store = await open_store(database_url)
        tasks = [asyncio.create_task(store.commit([insert(str(n))])) for n in range(QUEUE + 300)]
        await asyncio.sleep(0)
        await store.close()
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
        kept = sorted(str(n) for n, outcome in enumerate(done) if outcome == [[]])
        assert len(kept) >= QUEUE
        assert all(outcome == [[]] or type(outcome) is Unavailable for outcome in done)
        await store.close()
        with pytest.raises(Unavailable):
            await store.commit([insert("late")])
        with pytest.raises(Unavailable):
            await store.fetch("SELECT 1 AS one")
        async with opened(database_url) as again:
            assert await ids(again) == kept

    run(body())


def test_more_commits_than_the_queue_holds(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            await asyncio.gather(*[store.commit([insert(str(n))]) for n in range(QUEUE * 2)])
            assert len(await ids(store)) == QUEUE * 2

    run(body())


def test_the_doorbell_rings_for_changes_only(database_url: str) -> None:
    async def body() -> None:
        rings: list[int] = []

        def ring() -> None:
            rings.append(1)
            raise RuntimeError("a broken bell hurts no commit")

        async with opened(database_url, ring) as store:
            change = tables.append_change(A, R, "thing", "a", "created", 1.0)
            await store.commit([insert("a")])
            with pytest.raises(Conflict):
                await store.commit([insert("a"), change])
            await store.commit([insert("b")])
            assert rings == []
            await store.commit([insert("c"), change])
            await store.commit([insert("d")])
            assert rings == [1]

    run(body())
