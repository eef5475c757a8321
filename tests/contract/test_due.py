"""What is due in any account and region, and that neither engine reads everything to find it."""

from __future__ import annotations

import re

import pytest

from contract.stores import on_store
from sekisho.store import connections, memberships, tables
from sekisho.store.due import connected_certificates, created_before, named_before

ONE, OTHER = ("111111111111", "us-east-1"), ("222222222222", "eu-west-1")


async def put(store, place, kind, id, created=1.0):
    await store.commit([tables.insert_resource(*place, kind, id, "{}", created)])


async def ids(store, query):
    return [(row["account"], row["id"]) for row in await store.fetch(*query)]


def test_old_ones_of_all_places_oldest_first_page_by_page(database_url):
    async def body(store):
        await put(store, ONE, "claim", "a", 10.0)
        await put(store, OTHER, "claim", "b", 5.0)
        await put(store, OTHER, "claim", "c", 10.0)
        await put(store, ONE, "claim", "d", 11.0)
        await put(store, ONE, "ownershiptoken", "e", 1.0)
        found = await ids(store, created_before("claim", 10.0, (0.0, ""), 2))
        assert found == [(OTHER[0], "b"), (ONE[0], "a")]
        assert await ids(store, created_before("claim", 10.0, (10.0, "a"), 2)) == [(OTHER[0], "c")]
        assert await ids(store, created_before("ownershiptoken", 1.0, (0.0, ""), 9)) == [(ONE[0], "e")]

    on_store(database_url, body)


def test_named_ones_of_all_places(database_url):
    async def body(store):
        for place, id in ((ONE, "1-x"), (OTHER, "2-x"), (ONE, "3-x")):
            await put(store, place, "renewaldue", id)
        await put(store, ONE, "retiredcertificate", "0-x")
        assert await ids(store, named_before("renewaldue", "3", "", 9)) == [
            (ONE[0], "1-x"),
            (OTHER[0], "2-x"),
        ]
        assert await ids(store, named_before("renewaldue", "9", "2-x", 9)) == [(ONE[0], "3-x")]

    on_store(database_url, body)


def test_only_where_somebody_has_connected_with_it(database_url):
    async def body(store):
        for place in (ONE, OTHER):
            await put(store, place, "renewalwait", "c" * 64)
        row = connections.Connection("1", *ONE, "client", "c" * 64, "127.0.0.1", 4, 1.0, "{}")
        await store.commit(connections.put_connections([row]))
        assert await ids(store, connected_certificates("renewalwait", "", 9)) == [(ONE[0], "c" * 64)]
        assert await ids(store, connected_certificates("renewalwait", "c" * 64, 9)) == []

    on_store(database_url, body)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (created_before("claim", 1.0, (0.0, ""), 9), "resource_due_by_age"),
        (named_before("renewaldue", "1", "", 9), "resource_due_by_id"),
        (connected_certificates("renewalwait", "", 9), "resource_due_by_id"),
        (memberships.dynamic_groups(None), "resource_dynamic_groups"),
    ],
)
def test_the_index_that_is_for_it_is_used(tmp_path, query, index):
    """SQLite uses a partial index only for a query that says the same as the index does."""

    async def body(store):
        plan = await store.fetch(f"EXPLAIN QUERY PLAN {query.sql}", query.params)
        assert any(index in row["detail"] for row in plan), [row["detail"] for row in plan]

    on_store(f"sqlite:{tmp_path / 'sekisho.db'}", body)


def test_no_statement_is_compiled_anew_each_time(tmp_path):
    """SQLite would do so with whatever says kind = :kind, if there was a partial index of one kind."""

    async def body(store):
        rows = await store.fetch("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'")
        assert len(rows) > 3
        assert not [row["sql"] for row in rows if re.search(r"WHERE.*=", row["sql"], re.DOTALL)]

    on_store(f"sqlite:{tmp_path / 'sekisho.db'}", body)
