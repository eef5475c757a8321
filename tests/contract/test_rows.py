"""One statement for many rows, on both drivers."""

from __future__ import annotations

import asyncio

import pytest

from sekisho.store.statement import Conflict, Statement, StoreError
from sekisho.store.store import open_store

INSERT = "INSERT INTO meta (value, name) VALUES ('a:b ' || :value, :name)"
READ = "SELECT name, value FROM meta WHERE name > 'row' AND name < 'rox' ORDER BY name"


def test_rows_are_written_in_the_order_in_which_the_sql_names_their_values(database_url):
    async def body() -> None:
        store = await open_store(database_url)
        rows = [(f"value {number}", f"row{number:03}") for number in range(300)]
        (answer,) = await store.commit([Statement(INSERT, rows=rows)])
        assert answer == []
        found = await store.fetch(READ)
        assert [(row["value"], row["name"]) for row in found] == [
            (f"a:b {value}", name) for value, name in rows
        ]
        await store.close()

    asyncio.run(body())


def test_all_rows_or_none(database_url):
    async def body() -> None:
        store = await open_store(database_url)
        await store.commit([Statement(INSERT, rows=[("x", "row7")])])
        with pytest.raises(Conflict) as caught:
            await store.commit([Statement(INSERT, rows=[("x", "row6"), ("x", "row7"), ("x", "row8")])])
        assert caught.value.index == 0
        for text in ("a\0", "\ud800"):
            with pytest.raises(StoreError, match=r"U\+0000|Unicode"):
                await store.commit([Statement(INSERT, rows=[("x", "row9"), (text, "rowa")])])
        assert [row["name"] for row in await store.fetch(READ)] == ["row7"]
        await store.close()

    asyncio.run(body())
