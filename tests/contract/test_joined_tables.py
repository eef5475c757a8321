"""Documents read with what is attached to them, and by a text in them; and what an older database gets."""

from __future__ import annotations

import json

from contract.stores import on_store
from sekisho.store import tables
from sekisho.store.migrations import SQLITE, render, scripts
from sekisho.store.statement import Conflict, Statement
from sekisho.store.store import Store

A, R = "123456789012", "eu-west-1"


def thing(id: str, **body: object) -> Statement:
    return tables.insert_resource(A, R, "thing", id, json.dumps(body, separators=(",", ":")), 1.5)


def link(source: str, target: str, kind: str = "thing-type", region: str = R) -> Statement:
    return tables.insert_link(A, region, kind, source, target, "{}", 1.5)


def test_a_document_with_its_links(database_url: str) -> None:
    async def body(store: Store) -> None:
        await store.commit([thing("a"), thing("b"), link("a", "y"), link("a", "x"), link("a", "z", "other")])
        await store.commit([link("b", "x", region="us-east-1")])

        async def found(id: str) -> list[object]:
            return [
                row["linked"]
                for row in await store.fetch(*tables.get_with_links(A, R, "thing", id, "thing-type"))
            ]

        assert await found("a") == ["x", "y"]
        assert await found("b") == [None]
        assert await found("c") == []

    on_store(database_url, body)


def test_documents_by_what_they_are_linked_to(database_url: str) -> None:
    async def body(store: Store) -> None:
        await store.commit([thing(id) for id in "abcd"] + [link(id, "x") for id in "abde"] + [link("c", "y")])

        async def found(after: str, limit: int) -> list[str]:
            query = tables.page_linked(A, R, "thing-type", "x", "thing", after, limit)
            return [row["id"] for row in await store.fetch(*query)]

        assert await found("", 9) == ["a", "b", "d"]  # there is no e
        assert await found("", 2) == ["a", "b"]
        assert await found("b", 2) == ["d"]

    on_store(database_url, body)


def test_documents_by_a_text_in_a_member(database_url: str) -> None:
    async def body(store: Store) -> None:
        await store.commit(
            [
                thing("a", attributes={"n": "1", "m": "%_[x]"}),
                thing("b", attributes={"n": "11"}),
                thing("c", attributes={"m": "n"}, other={"n": "1"}),
                thing("d", attributes={}),
                thing("e"),
            ]
        )

        async def found(text: str, after: str = "", limit: int = 9) -> list[str]:
            query = tables.page_containing(A, R, "thing", "attributes", text, after, limit)
            return [row["id"] for row in await store.fetch(*query)]

        assert await found('"n":') == ["a", "b"]
        assert await found('"n":"1"') == ["a"]
        assert await found('"n":"1') == ["a", "b"]
        assert await found('"m":"%_[x]"') == ["a"]
        assert await found('"m":"%') == ["a"]
        assert await found('"n":', after="a") == ["b"]
        assert await found('"n":', limit=1) == ["a"]

    on_store(database_url, body)


def test_room_for_links(database_url: str) -> None:
    async def body(store: Store) -> None:
        await store.commit([link(id, "x") for id in "abc"])
        await store.commit([tables.guard_links_to_below(A, R, "thing-type", "x", 4)])
        for most in (3, 2, 1):
            try:
                await store.commit([tables.guard_links_to_below(A, R, "thing-type", "x", most)])
            except Conflict:
                continue
            raise AssertionError(f"there is no room for {most}")
        await store.commit([tables.delete_links_to(A, R, "thing-type", "x")])
        await store.commit([tables.guard_links_to_below(A, R, "thing-type", "x", 1)])

    on_store(database_url, body)


def test_types_of_an_older_databases_things_know_them(database_url: str) -> None:
    (script,) = [script for script in scripts() if script.name.endswith("_thing_types.sql")]

    async def body(store: Store) -> None:
        await store.commit([thing("a", thingTypeName="x"), thing("b"), thing("c", thingTypeName="x")])
        await store.commit([tables.insert_resource(A, R, "thingtype", "x", '{"thingTypeName":"x"}', 1.5)])
        await store.commit([Statement(sql) for sql in render(script.text, SQLITE)])
        rows = await store.fetch(*tables.page_linked(A, R, "thing-type", "x", "thing", "", 9))
        assert [row["id"] for row in rows] == ["a", "c"]

    on_store(database_url, body)
