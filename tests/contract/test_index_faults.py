"""What keeps the fleet index from being written, and others from reading while it is read."""

from __future__ import annotations

import asyncio
import resource

import pytest

from contract.registry import Registry, on
from sekisho.services import things
from sekisho.services.indexer import CONFIGURATION, Indexer
from sekisho.services.work import Work
from sekisho.store.statement import Unavailable
from sekisho.store.store import open_store

A, R = "000000000000", "us-east-1"


def test_an_index_that_found_a_full_disk_is_begun_when_there_is_room(sqlite_url: str) -> None:
    async def body() -> None:
        store = await open_store(sqlite_url)
        work = Work(store, A, R, 5.0)
        await work.put(CONFIGURATION, "", {"thingIndexingConfiguration": {"thingIndexingMode": "REGISTRY"}})
        await work.commit()
        indexer = Indexer(store, lambda: 1000.0, "one", lambda: [(A, R)])
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (1, hard)
        )  # the system refuses to write beyond the first byte
        try:
            with pytest.raises(Unavailable):
                await indexer._step()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        while await indexer._step():
            pass
        assert [row["status"] for row in await store.fetch("SELECT status FROM index_scope")] == ["ACTIVE"]
        await store.close()

    asyncio.run(body())


def test_one_caller_at_a_time_looks_through_all_things(database_url: str) -> None:
    async def body(registry: Registry) -> None:
        await registry.do(things.create_thing, thingName="a", attributePayload={"attributes": {"x": "1"}})
        async with registry.reads.long(A):
            looking = asyncio.create_task(registry.do(things.list_things, attributeName="x"))
            assert (await registry.do(things.describe_thing, thingName="a"))["attributes"] == {"x": "1"}
            assert len((await registry.do(things.list_things))["things"]) == 1
            assert not looking.done()
        assert [one["thingName"] for one in (await looking)["things"]] == ["a"]

    on(database_url, body)
