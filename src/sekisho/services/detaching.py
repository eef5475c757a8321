"""Detaching what may hang on a group in millions: with the group while it is little, else in batches later.

A link to a group that is not there means nothing to anybody, and none is made. So a deletion that leaves
links leaves a note of it, too; they go in commits that nobody has to wait for, at the latest before there is
a group of that name again.
"""

from __future__ import annotations

from sekisho.services.call import Call
from sekisho.services.work import Work
from sekisho.store import tables
from sekisho.store.statement import Conflict
from sekisho.store.store import Store

LEFT = "leftlinks"
"""The kind of a note: which links to which resource are left."""

AT_ONCE = 1000
"""Links that a deletion takes along."""

BATCH = 500
"""Links in one commit; it takes a few milliseconds, for which other commits wait."""


async def detach_all(call: Call, link: str, kind: str, name: str, *, each: bool = False) -> None:
    """Everything that is linked to a resource which this operation deletes; ``each``: one by one, for those
    who are told of each (of few enough)."""
    if await call.work.has_room_for_links_to(link, name, AT_ONCE):
        if each:
            links = await call.work.links_to(link, name, limit=AT_ONCE)
            place = (call.account, call.region)
            call.work.prove(tables.guard_links_to_count(*place, link, name, len(links)))
            for one in links:
                call.work.unlink(link, one.source, name)
        else:
            call.work.unlink_all_to(link, name)
    else:
        await call.work.put(LEFT, f"{link}/{name}", {"link": link, "kind": kind, "name": name})


async def detached(call: Call, link: str, kind: str, name: str) -> None:
    """Before a resource is made: whatever hung on one of its name must be gone."""
    if await call.work.get(LEFT, f"{link}/{name}") is not None:
        await _sweep(call.deps.store, call.work, link, kind, name)
        await call.work.delete(LEFT, f"{link}/{name}")


async def sweep_left(store: Store, account: str, region: str, now: float) -> None:
    """Detach all that deletions in an account and region have left."""
    after = ""
    while True:
        notes, after = await Work(store, account, region, now).page(LEFT, after, 100)
        for id, note in notes:
            work = Work(store, account, region, now)
            if await work.get(LEFT, id) is None:
                continue
            await _sweep(store, work, note["link"], note["kind"], note["name"])
            await work.delete(LEFT, id)
            try:
                await work.commit()
            except Conflict:
                continue  # whoever made a group of that name has done it
        if not after:
            return


async def _sweep(store: Store, work: Work, link: str, kind: str, name: str) -> None:
    place = (work.account, work.region)
    while links := await work.links_to(link, name, limit=BATCH):
        gone = tables.guard_absent(*place, kind, name)
        try:
            upto = links[-1].source
            await store.commit(
                [
                    gone,
                    tables.tell_links_to(*place, link, name, work.now, upto=upto),
                    tables.delete_links_to(*place, link, name, upto=upto),
                ]
            )
        except Conflict:
            return
