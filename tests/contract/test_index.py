"""The fleet index on both drivers: what SQL finds is what the pure matcher says, and what changes is
found as it has become."""

from __future__ import annotations

import os
import random

from contract.indexing import CONNECTED, ON, A, R, configure, indexer, names, put, scope_of, settle, work
from sekisho.logic.index_terms import GROUPS, searchable
from sekisho.logic.query_match import matches
from sekisho.logic.query_parser import parse
from sekisho.services.index_documents import load
from sekisho.services.index_reads import IndexReads, documents, found, prepare
from sekisho.store import connections, index, memberships
from sekisho.store.connections import Connection
from sekisho.store.store import Store

EXAMPLES = int(os.environ.get("SEKISHO_EXAMPLES", "300"))


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
