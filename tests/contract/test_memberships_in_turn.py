"""Dynamic groups of one account are built whatever becomes of another's."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from contract.registry import CALLER, A, R
from sekisho.clock import Clock
from sekisho.services import dynamic_groups, indexing, things, turns
from sekisho.services.call import Call, NoEvents
from sekisho.services.index_reads import SEARCHES, IndexReads
from sekisho.services.indexer import Indexer
from sekisho.services.logs import Logs
from sekisho.services.memberships import Memberships
from sekisho.services.work import Work
from sekisho.store import memberships
from sekisho.store.store import open_store

B = "999999999999"
PATIENCE = 30.0


async def nobody(posted: Any) -> None:
    """Nobody is there to hear of events."""


def test_one_account_that_cannot_be_looked_at_keeps_no_other_waiting(database_url, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 0.05)
    monkeypatch.setattr(turns, "LONG", 0.0)

    async def body() -> None:
        store = await open_store(database_url)
        clock, reads = Clock(), IndexReads(store)
        deps: Any = SimpleNamespace(store=store, index=reads, events=NoEvents())

        async def do(account, function, **members):
            work = Work(store, account, R, clock.now())
            caller = replace(CALLER, account=account)
            call = Call(deps, caller, "iot", function.__name__, work.now, work, lambda *_: None)
            await function(call, **members)
            await work.commit()

        async def until_active(*accounts):
            until = time.monotonic() + PATIENCE
            while True:
                rows = await store.fetch(*memberships.dynamic_groups(None))
                active = {row["account"] for row in rows if '"ACTIVE"' in row["body"]}
                if active >= set(accounts):
                    return active
                assert time.monotonic() < until
                await asyncio.sleep(0.05)

        indexer = Indexer(store, clock.real, "one", lambda: [(A, R), (B, R)])
        for account in (A, B):
            on = {"thingIndexingMode": "REGISTRY"}
            await do(account, indexing.update_indexing_configuration, thingIndexingConfiguration=on)
            await do(account, things.create_thing, thingName="a")
        indexer.reconfigure()
        while await indexer._step():
            pass
        query = {"thingGroupName": "all", "queryString": "thingName:*"}
        for account in (A, B):
            await do(account, dynamic_groups.create_dynamic_thing_group, **query)
        while await indexer._step():
            pass
        work = Memberships(store, clock, "one", reads, NoEvents(), nobody, Logs(store, clock))
        running = asyncio.ensure_future(work.run())
        try:
            async with reads.turns.take(SEARCHES, A):  # a query that does not end
                assert await until_active(B) == {B}
            await until_active(A, B)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await store.close()

    asyncio.run(body())
