"""How the fleet index is built and followed on both drivers, whatever happens to the node or the feed."""

from __future__ import annotations

import asyncio

from contract.indexing import ON, A, Clock, R, configure, indexer, names, put, scope_of, settle, work
from sekisho.store import index, tables
from sekisho.store.store import Store
from sekisho.store.trimming import trim_table


def test_an_index_is_built_of_what_there_is_and_taken_down(run):
    async def body(store: Store) -> None:
        for number in range(600):
            await put(store, f"t{number:03}", n=str(number))
        await configure(store, ON)
        one = indexer(store)
        assert await one._step()
        assert (await scope_of(store)).status == "BUILDING"
        await put(store, "t000", n="changed")
        await put(store, "u", n="new")
        await settle(one)
        assert (await scope_of(store)).status == "ACTIVE"
        assert len(await names(store, "*")) == 601
        assert await names(store, "changed OR new") == ["t000", "u"]
        await configure(store, {})
        one.reconfigure()
        await settle(one)
        for table in ("index_term", "index_document", "index_field", "index_scope"):
            assert await store.fetch(f"SELECT 1 AS one FROM {table}") == []

    run(body)


def test_an_index_that_fell_behind_is_built_anew(run):
    async def body(store: Store) -> None:
        await configure(store, ON)
        one = indexer(store)
        for name in ("kept", "changed", "gone"):
            await put(store, name, colour="red")
        await settle(one)
        before = {name: await names(store, f"thingName:{name}") for name in ("kept", "gone")}
        assert before == {"kept": ["kept"], "gone": ["gone"]}
        await put(store, "changed", colour="blue")
        deleting = work(store)
        await deleting.delete("thing", "gone")
        await deleting.commit()
        await put(store, "new", colour="blue")
        await trim_table(store, "change", 1)
        assert await one._step()
        assert (await scope_of(store)).status == "REBUILDING"
        await settle(one)
        assert (await scope_of(store)).status == "ACTIVE"
        assert (await names(store, "red"), await names(store, "blue")) == (["kept"], ["changed", "new"])

    run(body)


def test_another_goes_on_when_the_one_is_gone_and_never_both(run):
    async def body(store: Store) -> None:
        clock = Clock()
        one, two = indexer(store, clock), indexer(store, clock, "two")
        await configure(store, ON)
        await settle(one)
        await put(store, "a", colour="red")
        assert not await two._step(), "it is the first one's turn"
        await settle(one)
        (before,) = await store.fetch(*index.read_progress())
        clock.now += 60.0
        await put(store, "b", colour="red")
        await settle(two)
        assert await names(store, "red") == ["a", "b"]
        (after,) = await store.fetch(*index.read_progress())
        assert (before["owner"], after["owner"]) == ("one", "two")
        clock.now += 60.0
        for number in range(20):
            await put(store, f"c{number}", colour="blue")
        results = await asyncio.gather(one._step(), two._step(), return_exceptions=True)
        await settle(one)
        await settle(two)
        assert len(await names(store, "blue")) == 20, results

    run(body)


def test_a_place_in_the_feed_is_written_although_nothing_was_indexed(run):
    async def body(store: Store) -> None:
        await configure(store, ON)
        one = indexer(store)
        await settle(one)
        (before,) = await store.fetch(*index.read_progress())
        other = [tables.append_change(A, R, "policy", f"p{number}", "created", 1.0) for number in range(6000)]
        for first in range(0, 6000, 500):
            await store.commit(other[first : first + 500])
        await settle(one)
        (after,) = await store.fetch(*index.read_progress())
        assert after["seq"] - before["seq"] > 5000
        assert after["turn"] - before["turn"] == 1

    run(body)
