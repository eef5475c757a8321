"""Dynamic groups while everything changes at once: things, static groups, the groups and their queries."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from contract.registry import CALLER, A, R
from sekisho.aws.errors import AwsError
from sekisho.clock import Clock
from sekisho.logic.membership import MOST
from sekisho.services import dynamic_groups, indexing, thing_group_members, thing_groups, things
from sekisho.services.call import Call, NoEvents
from sekisho.services.index_reads import IndexReads
from sekisho.services.indexer import Indexer
from sekisho.services.logs import Logs
from sekisho.services.memberships import Memberships
from sekisho.services.work import Document, Work
from sekisho.store import memberships, tables
from sekisho.store.statement import Conflict
from sekisho.store.store import Store, open_store

EXAMPLES = int(os.environ.get("SEKISHO_EXAMPLES", "1"))
CHANGES = 400
NAMES = [f"t{number}" for number in range(12)]
STATIC = [f"s{number}" for number in range(9)]
DYNAMIC = [f"d{number}" for number in range(5)]
QUERIES: dict[str, Callable[[str, str, set[str]], bool]] = {
    "attributes.a:1": lambda name, a, static: a == "1",
    "NOT attributes.a:1": lambda name, a, static: a != "1",
    "attributes.a>=2 OR thingGroupNames:s1": lambda name, a, static: a >= "2" or "s1" in static,
    "NOT thingGroupNames:s* AND NOT thingGroupNames:d*": lambda name, a, static: not static,
    "thingName:t1*": lambda name, a, static: name.startswith("t1"),
    "*": lambda name, a, static: True,
}


class Place:
    """Operations on a database, with the index and its followers at work beside them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock()
        reads = IndexReads(store)
        self.deps: Any = SimpleNamespace(store=store, index=reads, events=NoEvents())
        self.indexer = Indexer(store, self.clock.real, "one", lambda: [(A, R)])
        self.workers = [
            Memberships(store, self.clock, owner, reads, NoEvents(), _nobody, Logs(store, self.clock))
            for owner in ("one", "two")
        ]

    async def do(self, function: Callable[..., Awaitable[Document | None]], **members: Any) -> None:
        while True:
            work = Work(self.store, A, R, self.clock.now())
            call = Call(self.deps, CALLER, "iot", function.__name__, work.now, work, lambda *_: None)
            with suppress(Conflict):
                with suppress(AwsError):  # not there, there already, no room
                    await function(call, **members)
                    await work.commit()
                return

    def ring(self) -> None:
        self.indexer.ring()
        for worker in self.workers:
            worker.ring()

    async def settled(self) -> None:
        """Nothing is left of the feed, of what is due, and of what is to be built."""
        while True:
            self.ring()
            await asyncio.sleep(0.05)
            rows = await self.store.fetch(*tables.last_change())
            groups = await self.store.fetch(*memberships.dynamic_groups(None))
            if (
                self.indexer._seen == rows[0]["seq"]
                and not await self.store.fetch(*memberships.read_due(1))
                and all('"ACTIVE"' in row["body"] for row in groups)
            ):
                return


async def _nobody(posted: Any) -> None:
    """Nobody is there to hear of events."""


async def change(place: Place, dice: random.Random) -> None:
    name, static, dynamic = dice.choice(NAMES), dice.choice(STATIC), dice.choice(DYNAMIC)
    query, payload = dice.choice(list(QUERIES)), {"attributes": {"a": dice.choice("0123")}}
    both = {"thingName": name, "thingGroupName": static}
    function, members = dice.choice(
        (
            (things.create_thing, {"thingName": name, "attributePayload": payload}),
            (things.create_thing, {"thingName": name, "attributePayload": payload}),
            (things.update_thing, {"thingName": name, "attributePayload": payload}),
            (things.update_thing, {"thingName": name, "attributePayload": payload}),
            (things.delete_thing, {"thingName": name}),
            (thing_group_members.add_thing_to_thing_group, both | {"overrideDynamicGroups": True}),
            (thing_group_members.add_thing_to_thing_group, both),
            (thing_group_members.remove_thing_from_thing_group, both),
            (thing_groups.create_thing_group, {"thingGroupName": static}),
            (thing_groups.create_thing_group, {"thingGroupName": static}),
            (thing_groups.delete_thing_group, {"thingGroupName": static}),
            (dynamic_groups.create_dynamic_thing_group, {"thingGroupName": dynamic, "queryString": query}),
            (dynamic_groups.create_dynamic_thing_group, {"thingGroupName": dynamic, "queryString": query}),
            (
                dynamic_groups.update_dynamic_thing_group,
                {"thingGroupName": dynamic, "thingGroupProperties": {}, "queryString": query},
            ),
            (dynamic_groups.delete_dynamic_thing_group, {"thingGroupName": dynamic}),
        )
    )
    await place.do(function, **members)
    place.ring()


async def compare(store: Store) -> None:
    """Each thing is where its state says."""
    work = Work(store, A, R, 0.0)
    groups = dict((await work.page("thinggroup", "", 99))[0])
    queries = [
        (id, group["queryString"])
        for id, group in sorted(groups.items(), key=lambda item: (item[1]["creationDate"], item[0]))
        if "queryString" in group
    ]
    for name, thing in (await work.page("thing", "", 99))[0]:
        there = {link.target for link in await work.links_from("thing-group", name)}
        assert there <= groups.keys(), name
        static = {group for group in there if "queryString" not in groups[group]}
        wanted = [id for id, query in queries if QUERIES[query](name, thing["attributes"]["a"], static)]
        assert there - static == set(wanted[: MOST - len(static)]), name
    for name in NAMES:
        if await work.get("thing", name) is None:
            assert await work.links_from("thing-group", name) == []


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_in_the_end_everyone_is_where_the_queries_say(database_url: str, seed: int) -> None:
    async def body() -> None:
        store = await open_store(database_url)
        place = Place(store)
        on = {"thingIndexingMode": "REGISTRY"}
        await place.do(indexing.update_indexing_configuration, thingIndexingConfiguration=on)
        place.indexer.reconfigure()
        running = [place.indexer.run(), *(worker.run() for worker in place.workers)]
        tasks = [asyncio.ensure_future(one) for one in running]
        try:
            await place.settled()
            for name in STATIC:
                await place.do(thing_groups.create_thing_group, thingGroupName=name)

            async def follow() -> None:
                """The change feed, for the workers' memory."""
                cursor = 0
                while True:
                    rows = await store.fetch(*tables.read_changes(cursor, 500))
                    changes = [tables.Change(**row) for row in rows]
                    for worker in place.workers:
                        worker.changed(changes)
                    cursor = changes[-1].seq if changes else cursor
                    await asyncio.sleep(0.02)

            tasks.append(asyncio.ensure_future(follow()))

            async def changes(one: int) -> None:
                dice = random.Random(f"{seed} {one}")
                for _ in range(CHANGES // 4):
                    await change(place, dice)
                    await asyncio.sleep(dice.random() / 50)  # the index and its followers get on with it

            await asyncio.gather(*(changes(one) for one in range(4)))
            await place.settled()
            await compare(store)
            joined = "SELECT what FROM change WHERE kind = 'thing-group' AND id >= 'd' AND id < 'e'"
            assert len(await store.fetch(joined)) > 10
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await store.close()

    asyncio.run(body())
