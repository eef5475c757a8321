"""A store with an indexer, and what tests put into it and find."""

from __future__ import annotations

from typing import Any

from sekisho.logic.index_terms import THINGS
from sekisho.logic.query_parser import parse
from sekisho.services.index_reads import IndexReads, search
from sekisho.services.indexer import CONFIGURATION, Indexer
from sekisho.services.work import Work
from sekisho.store import index
from sekisho.store.index import Scope
from sekisho.store.store import Store

A, R = "123456789012", "eu-west-1"
ON = {"thingIndexingConfiguration": {"thingIndexingMode": "REGISTRY"}}
CONNECTED = {
    "thingIndexingConfiguration": {
        "thingIndexingMode": "REGISTRY",
        "thingConnectivityIndexingMode": "STATUS",
    },
    "thingGroupIndexingConfiguration": {"thingGroupIndexingMode": "ON"},
}


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
