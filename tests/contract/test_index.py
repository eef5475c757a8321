"""The fleet index on both drivers: what SQL finds is what the pure matcher says, and nothing that
happens to the node or the feed loses or doubles a document."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sekisho.logic.index_terms import GROUPS, THINGS, searchable
from sekisho.logic.query_match import matches
from sekisho.logic.query_parser import parse
from sekisho.services.index_documents import load
from sekisho.services.index_reads import IndexReads, documents, found, prepare, search
from sekisho.services.indexer import CONFIGURATION, Indexer
from sekisho.services.work import Work
from sekisho.store import connections, index, memberships, tables
from sekisho.store.connections import Connection
from sekisho.store.index import Scope
from sekisho.store.store import Store, open_store
from sekisho.store.trimming import trim_table

A, R = "123456789012", "eu-west-1"
ON = {"thingIndexingConfiguration": {"thingIndexingMode": "REGISTRY"}}
CONNECTED = {
    "thingIndexingConfiguration": {
        "thingIndexingMode": "REGISTRY",
        "thingConnectivityIndexingMode": "STATUS",
    },
    "thingGroupIndexingConfiguration": {"thingGroupIndexingMode": "ON"},
}
EXAMPLES = int(os.environ.get("SEKISHO_EXAMPLES", "300"))


@pytest.fixture
def run(database_url: str) -> Callable[[Callable[[Store], Coroutine[Any, Any, None]]], None]:
    """Runs a test's body with an empty database of each kind in turn."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        store = await open_store(database_url)
        try:
            yield store
        finally:
            await store.close()

    def run(body: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            async with opened() as store:
                await body(store)

        asyncio.run(whole())

    return run


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def indexer(store: Store, clock: Clock | None = None, owner: str = "one") -> Indexer:
    made = Indexer(store, clock or Clock(), owner, lambda: [(A, R)])
    made.reconfigure()
    return made


async def settle(indexer: Indexer) -> None:
    while await indexer._step():
        pass


def work(store: Store) -> Work:
    return Work(store, A, R, 5.0)


async def configure(store: Store, configuration: dict[str, Any]) -> None:
    one = work(store)
    await one.put(CONFIGURATION, "", configuration)
    await one.commit()


async def put(store: Store, name: str, groups: tuple[str, ...] = (), **attributes: str) -> None:
    one = work(store)
    await one.put("thing", name, {"thingName": name, "thingId": f"id-{name}", "attributes": attributes})
    for group in groups:
        one.link("thing-group", name, group)
    await one.commit()


async def names(store: Store, query: str, name: str = THINGS) -> list[str]:
    return sorted([one async for one in search(IndexReads(store), A, R, name, parse(query))])


async def scope_of(store: Store, name: str = THINGS) -> Scope:
    (row,) = await store.fetch(*index.read_scope(A, R, name))
    return Scope(**row)


# --- the property: SQL and the matcher agree ---

WORDS = (
    "red",
    "Red",
    "blue",
    "b",
    "a%b",
    "a_b",
    "a\\b",
    "5",
    "05",
    "-3",
    "2.5",
    "10",
    "x" * 300,
    "été",
    "a*b",
)


def a_thing(dice: random.Random) -> tuple[dict[str, str], tuple[str, ...]]:
    fields = dice.sample(("colour", "size", "place", "Colour"), dice.randrange(4))
    groups = dice.sample(("hall", "Hall", "roof", "5"), dice.randrange(3))
    return {field: dice.choice(WORDS) for field in fields}, tuple(groups)


def a_query(dice: random.Random, depth: int = 0) -> str:
    def word() -> str:
        return "".join(f"\\{char}" if char in "\\*%-" else char for char in dice.choice(WORDS)[:40])

    kind = dice.randrange(8 if depth < 3 else 5)
    field = dice.choice(("attributes.colour", "attributes.size", "thingGroupNames", "thingName", "no.such"))
    if kind == 0:
        return dice.choice((f"{field}:{word()}", word(), f"{field}:*", "*", f"registry.version:{word()}"))
    if kind == 1:
        first, last = word(), word()
        return f"{field}:{dice.choice('[{')}{first} TO {dice.choice((last, '*'))}{dice.choice(']}')}"
    if kind == 2:
        return f"{field}{dice.choice(('>', '<', '>=', '<='))}{word()}"
    if kind == 3:
        text = word()
        cut = text[: dice.randrange(len(text))].rstrip("\\")
        return f"{dice.choice((field + ':', ''))}{cut or 'r'}{dice.choice(('*', '?', '?*', '*b'))}"
    if kind == 4:
        return f"{field}:({word()} OR -{word()})"
    if kind == 5:
        return f"-({a_query(dice, depth + 1)})"
    operator = dice.choice((" AND ", " OR ", " "))
    return f"({a_query(dice, depth + 1)}{operator}{a_query(dice, depth + 1)})"


def test_sql_finds_what_the_matcher_matches(run):
    async def body(store: Store) -> None:
        dice = random.Random(2026)
        await configure(store, ON)
        for number in range(60):
            attributes, groups = a_thing(dice)
            await put(store, f"tv-{number}", groups, **attributes)
        await settle(indexer(store))
        scope = await scope_of(store)
        everything = {
            name: searchable(terms)
            for name, terms in (await load(store, scope, [f"tv-{n}" for n in range(60)])).items()
        }
        assert len(everything) == 60
        some = 0
        for _ in range(EXAMPLES):
            text = a_query(dice)
            query = parse(text)
            expected = sorted(name for name, terms in everything.items() if matches(query, terms))
            assert await names(store, text) == expected, text
            some += 0 < len(expected) < 60
        assert some > EXAMPLES / 5

    run(body)


def test_a_page_begins_where_the_last_one_ended(run):
    async def body(store: Store) -> None:
        await configure(store, ON)
        for number in range(25):
            await put(store, f"t{number:02}", place="a" if number % 2 else "b")
        one = indexer(store)
        await settle(one)
        scope, reads = await scope_of(store), IndexReads(store)
        for text in (
            "*",
            "attributes.place:a",
            "-attributes.place:a",
            "a OR b",
            "t*",
            "thingName:[t03 TO t17]",
        ):
            prepared = await prepare(reads, scope, parse(text))
            whole = await found(reads, prepared, 0, 100)
            assert whole == sorted(set(whole)) and len(whole) > 5
            paged: list[int] = []
            while page := await found(reads, prepared, paged[-1] if paged else 0, 4):
                paged += page
            assert paged == whole
            assert len(await documents(reads, whole)) == len(whole)

    run(body)


# --- following ---


def test_what_changes_is_found_as_it_has_become(run):
    async def body(store: Store) -> None:
        await configure(store, ON)
        one = indexer(store)
        await settle(one)
        await put(store, "a", ("hall",), colour="Red")
        await settle(one)
        assert await names(store, "red hall") == ["a"]
        await put(store, "a", colour="Blue")
        await settle(one)
        assert (await names(store, "red"), await names(store, "blue")) == ([], ["a"])
        unlinking = work(store)
        unlinking.unlink("thing-group", "a", "hall")
        await unlinking.commit()
        await settle(one)
        assert await names(store, "thingGroupNames:*") == []
        deleting = work(store)
        await deleting.delete("thing", "a")
        await deleting.commit()
        await settle(one)
        assert await names(store, "*") == []
        for table in ("index_term", "index_document"):
            assert await store.fetch(f"SELECT 1 AS one FROM {table}") == []

    run(body)


def test_what_changes_is_due_where_there_are_dynamic_groups(run):
    async def body(store: Store) -> None:
        async def due() -> list[str]:
            rows = await store.fetch(*memberships.read_due(99))
            await store.commit(
                memberships.delete_due([(row["turn"], row["scope"], row["name"]) for row in rows])
            )
            assert {(row["account"], row["region"]) for row in rows} <= {(A, R)}
            return [row["name"] for row in rows]

        await configure(store, ON)
        one = indexer(store)
        await put(store, "a", colour="Red")
        await settle(one)
        assert await due() == []
        making = work(store)
        await making.put("dynamicgroup", "d", {})
        await making.commit()
        await put(store, "a", colour="Blue")
        await put(store, "b")
        await settle(one)
        assert await due() == ["a", "b"]
        linking = work(store)
        linking.link("thing-group", "a", "hall")
        linking.link("thing-group", "b", "hall")
        linking.unlink("thing-group", "b", "hall")  # nothing becomes of it
        await linking.commit()
        await settle(one)
        assert await due() == ["a"]
        deleting = work(store)
        await deleting.delete("thing", "a")
        await deleting.delete("dynamicgroup", "d")
        await deleting.commit()
        await put(store, "b", colour="Red")
        await settle(one)
        assert await due() == []

    run(body)


def test_groups_have_their_ancestors(run):
    async def body(store: Store) -> None:
        await configure(store, CONNECTED)
        one = indexer(store)
        await settle(one)
        for name, parent in (("root", ""), ("mid", "root"), ("leaf", "mid")):
            making = work(store)
            await making.put("thinggroup", name, {"thingGroupName": name, "thingGroupId": name * 2})
            if parent:
                making.link("group-parent", name, parent)
            await making.commit()
        await settle(one)
        assert await names(store, "parentGroupNames:root", GROUPS) == ["leaf", "mid"]
        reads, scope = IndexReads(store), await scope_of(store, GROUPS)
        ids = await found(reads, await prepare(reads, scope, parse("leafleaf")), 0, 9)
        (shown,) = await documents(reads, ids)
        assert shown == {
            "thingGroupName": "leaf",
            "thingGroupId": "leafleaf",
            "parentGroupNames": ["mid", "root"],
            "attributes": {},
        }

    run(body)


def test_connections_are_followed_only_where_that_is_asked_for(run):
    async def body(store: Store) -> None:
        async def connected(number: int, client: str, ended: float = 0.0) -> None:
            detail = '{"keepAlive": 60, "cleanSession": true, "sessionExpiry": 0}'
            row = Connection(
                f"{number:014x}-x", A, R, client, "c", "::1", 5, float(number), detail, ended, "GONE"
            )
            await store.commit([*connections.put_connections([row]), *index.tell_connections([row.id], 1.0)])

        await configure(store, ON)
        one = indexer(store)
        await put(store, "a")
        await put(store, "b")
        await settle(one)
        await connected(1, "a")
        await settle(one)
        assert await store.fetch("SELECT 1 AS one FROM change WHERE kind = 'connectivity'") == []
        await configure(store, CONNECTED)
        one.reconfigure()
        await settle(one)
        assert await names(store, "connectivity.connected:true") == ["a"]
        await connected(2, "b")
        await connected(3, "nobody")
        await settle(one)
        assert await names(store, "connectivity.connected:true connectivity.timestamp:2000") == ["b"]
        await store.commit([index.tell_lasting(9.0), connections.end_all_connections(9.0, "LOST")])
        await settle(one)
        assert await names(store, "connectivity.connected:false connectivity.timestamp:9000 lost") == [
            "a",
            "b",
        ]

    run(body)


# --- building ---


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
