"""The registry's operations on a database, without a node around them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

from contract.stores import on_store
from sekisho.services import things
from sekisho.services.call import ALLOW_ALL, Call, Caller, Principal
from sekisho.services.detaching import LEFT
from sekisho.services.event_configurations import KIND, THE_ONE
from sekisho.services.index_reads import IndexReads
from sekisho.services.registry_events import RegistryEvents
from sekisho.services.work import Document, Posted, Work
from sekisho.store import outbox, tables
from sekisho.store.store import Store

A, R = "000000000000", "us-east-1"
CALLER = Caller(Principal(f"arn:aws:iam::{A}:root", A, ALLOW_ALL), A, R)
THING = "thing-0"


class Registry:
    """Operations on a database, without a door."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reads = IndexReads(store)
        self.events = RegistryEvents(store)
        self.posted: list[Posted] = []
        self.deps: Any = SimpleNamespace(
            store=store, index=self.reads, events=self.events, connections=SimpleNamespace(post=self._post)
        )

    async def _post(self, posted: Sequence[Posted]) -> None:
        """What is given out is in the outbox no more."""
        self.posted += posted
        await self.store.commit(outbox.delete_outgoing([one.seq for one in posted]))

    async def enable(self, *names: str) -> None:
        """Have events of these kinds sent, and no other."""
        work = Work(self.store, A, R, 1.0)
        await work.put(KIND, THE_ONE, {"enabled": list(names)})
        await work.commit()
        self.events.committed(work)

    async def do(self, function: Callable[..., Awaitable[Document | None]], **members: Any) -> Document:
        work = Work(self.store, A, R, 1.0)
        call = Call(self.deps, CALLER, "iot", function.__name__, 1.0, work, lambda *_: None)
        result = await function(call, **members)
        await self.events.add_to(work)
        await work.commit()
        if work.posted:
            await self._post(work.posted)
        return result or {}

    async def fill(self, link: str, group: str, count: int) -> None:
        await self.do(things.create_thing, thingName=THING)
        rows = [tables.insert_link(A, R, link, f"thing-{n}", group, "{}", 1.0) for n in range(count)]
        await self.store.commit(rows)

    async def count(self, kind: str) -> int:
        rows = await self.store.fetch("SELECT COUNT(*) AS n FROM link WHERE kind = :kind", {"kind": kind})
        return int(rows[0]["n"])

    async def notes(self) -> int:
        return len(await self.store.fetch(*tables.page_resources(A, R, LEFT, None, 9)))


def on(url: str, body: Callable[[Registry], Awaitable[None]]) -> None:
    on_store(url, lambda store: body(Registry(store)))
