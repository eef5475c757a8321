"""A full disk: whoever asks is told so, and so is the log; when there is room again everything goes on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
import structlog.testing

from contract.registry import CALLER, A, R
from sekisho.aws.errors import ServiceUnavailableException
from sekisho.clock import Clock
from sekisho.objects.base import NoRoom
from sekisho.objects.folder import _threaded
from sekisho.operations import MODULES, load_services
from sekisho.services.api import Api
from sekisho.services.call import Deps
from sekisho.store import tables
from sekisho.store.statement import DiskFull, Statement
from sekisho.store.store import Store, open_store

LARGE = '"' + "x" * 300_000 + '"'
FUNCTION = """
CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN
  RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full';
END $$ LANGUAGE plpgsql"""
TRIGGER = "CREATE TRIGGER full_disk BEFORE INSERT ON resource EXECUTE FUNCTION full_disk()"


async def fill(store: Any, url: str) -> None:
    """No more room: SQLite's own bound, and PostgreSQL's error for a file that cannot grow."""
    if url.startswith("sqlite"):
        (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
        store._writer.execute(f"PRAGMA max_page_count = {pages + 4}")
    else:
        await execute(url, FUNCTION, TRIGGER)


async def empty(store: Any, url: str) -> None:
    if url.startswith("sqlite"):
        store._writer.execute("PRAGMA max_page_count = 1000000")
    else:
        await execute(url, "DROP TRIGGER full_disk ON resource")


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def insert(id: str, body: str = LARGE) -> Statement:
    return tables.insert_resource(A, R, "thing", id, body, 1.5)


def on(url: str, body: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        store = await open_store(url)
        try:
            await body(store)
        finally:
            await store.close()

    asyncio.run(run())


def test_a_store_says_that_the_disk_is_full(database_url: str) -> None:
    async def body(store: Store) -> None:
        await store.commit([insert("before")])
        await fill(store, database_url)
        outcomes = await asyncio.gather(
            *(store.commit([insert(f"during-{n}")]) for n in range(3)), return_exceptions=True
        )
        for outcome in outcomes:
            assert isinstance(outcome, DiskFull)
            assert "disk is full" in str(outcome)
            assert "x" * 100 not in str(outcome)
        assert [row["id"] for row in await store.fetch("SELECT id FROM resource")] == ["before"]
        await empty(store, database_url)
        await store.commit([insert("after")])
        assert len(await store.fetch("SELECT id FROM resource")) == 2

    on(database_url, body)


def test_callers_and_the_log_are_told_that_the_disk_is_full(database_url: str) -> None:
    async def body(store: Store) -> None:
        nobody: Any = SimpleNamespace(post=None)
        deps = Deps({}, store, Clock(), None, None, lambda _: None, connections=nobody)
        api = Api(deps, load_services(), MODULES)

        async def create(name: str) -> None:
            members = {"attributePayload": {"attributes": {f"a{n}": "v" * 800 for n in range(3)}}}
            await api.invoke(CALLER, "iot", "CreateThing", thingName=name, **members)

        await create("before")
        await fill(store, database_url)
        with structlog.testing.capture_logs() as logged, pytest.raises(ServiceUnavailableException) as caught:
            for number in range(1000):
                await create(f"during-{number}")
        assert caught.value.message == "the disk of the database is full"
        assert [line["event"] for line in logged] == ["store"]
        assert "disk is full" in logged[0]["error"]
        found = await api.invoke(CALLER, "iot", "DescribeThing", thingName="before")
        assert found["thingName"] == "before"
        await empty(store, database_url)
        await create("after")

    on(database_url, body)


def test_objects_say_that_their_disk_is_full() -> None:
    async def run() -> None:
        full = os.open("/dev/full", os.O_WRONLY)
        try:
            with pytest.raises(NoRoom, match="No space left on device"):
                await _threaded(os.write, full, b"something")
        finally:
            os.close(full)

    asyncio.run(run())
