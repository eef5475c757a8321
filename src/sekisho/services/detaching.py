"""Detaching what may hang on a group in millions: with the group while it is little, else in batches later.

A link to a group that is not there means nothing to anybody, and none is made. So a deletion that leaves
links leaves a note of it, too; they go in commits that nobody has to wait for, at the latest before there is
a group of that name again. Where each is told of, its commit has the event in it, too.
"""

from __future__ import annotations

from sekisho.aws.errors import ThrottlingException
from sekisho.services.call import Call, Deps
from sekisho.services.work import Document, Work
from sekisho.store import tables
from sekisho.store.statement import Conflict

LEFT = "leftlinks"
"""The kind of a note: which links to which resource are left (``link``, ``kind``, ``name``), and the last
state of the resource (``last``) if each of them is to be told of."""

AT_ONCE = 1000
"""Links that a deletion takes along."""
TOLD_AT_ONCE = 100
"""The same where each is told of, which makes several rows of it."""

BATCH = 500
TOLD_BATCH = 100
"""Links in one commit; it takes a few milliseconds, for which other commits wait."""

BATCHES = 100
"""Commits of one resource in a row: others wait for theirs."""


async def detach_all(call: Call, link: str, kind: str, name: str, last: Document) -> None:
    """Everything that is linked to a resource which this operation deletes; ``last`` is its last state."""
    told = call.deps.events.tells_links(call.account, call.region, link)
    most = TOLD_AT_ONCE if told else AT_ONCE
    if not await call.work.has_room_for_links_to(link, name, most):
        note = {"link": link, "kind": kind, "name": name, "last": last if told else None}
        await call.work.put(LEFT, _id(link, name), note)
    elif told:
        links = await call.work.links_to(link, name, limit=most)
        call.work.prove(tables.guard_links_to_count(call.account, call.region, link, name, len(links)))
        for one in links:
            call.work.unlink(link, one.source, name)
    else:
        call.work.unlink_all_to(link, name)


async def detached(call: Call, link: str, kind: str, name: str) -> None:
    """Before a resource is made: whatever hung on one of its name must be gone. What takes long is gone on
    with while the caller waits and asks again."""
    note = await call.work.get(LEFT, _id(link, name))
    if note is not None:
        if not await _sweep(call.deps, call.account, call.region, call.now, note):
            raise ThrottlingException(
                f"{kind} {name} has been deleted and is still being detached from what was in it; try again"
            )
        await call.work.delete(LEFT, _id(link, name))


async def last_of(work: Work, link: str, name: str) -> Document | None:
    """The last state of a resource that has been deleted, if links to it may be left that are told of."""
    note = await work.get(LEFT, _id(link, name))
    return note.get("last") if note is not None else None


async def sweep_left(deps: Deps, account: str, region: str, now: float) -> None:
    """Go on with detaching what deletions in an account and region have left, each in turn."""
    after = ""
    while True:
        notes, after = await Work(deps.store, account, region, now).page(LEFT, after, 100)
        for id, note in notes:
            work = Work(deps.store, account, region, now)
            if await work.get(LEFT, id) is None or not await _sweep(deps, account, region, now, note):
                continue
            await work.delete(LEFT, id)
            try:
                await work.commit()
            except Conflict:
                continue  # whoever made a group of that name has done it
        if not after:
            return


def _id(link: str, name: str) -> str:
    return f"{link}/{name}"


async def _sweep(deps: Deps, account: str, region: str, now: float, note: Document) -> bool:
    """Whether nothing is left."""
    for _ in range(BATCHES):
        work = Work(deps.store, account, region, now)
        try:
            if not await (_detach_told(deps, work, note) if "last" in note else _detach(work, note)):
                return True
        except Conflict:
            if await Work(deps.store, account, region, now).get(note["kind"], note["name"]) is not None:
                return True  # there is a group of that name again: whoever made it has done it
    return False


async def _detach(work: Work, note: Document) -> bool:
    """Whether there was anything to detach."""
    place, link, name = (work.account, work.region), note["link"], note["name"]
    links = await work.links_to(link, name, limit=BATCH)
    if links:
        upto = links[-1].source
        work.prove(tables.guard_absent(*place, note["kind"], name))
        work.also.append(tables.tell_links_to(*place, link, name, work.now, upto=upto))
        work.also.append(tables.delete_links_to(*place, link, name, upto=upto))
        await work.commit()
    return bool(links)


async def _detach_told(deps: Deps, work: Work, note: Document) -> bool:
    """The same, with what is said of each."""
    await work.get(note["kind"], note["name"])  # the commit proves that there is none
    links = await work.links_to(note["link"], note["name"], limit=TOLD_BATCH)
    for one in links:
        work.unlink(note["link"], one.source, note["name"])
    if links:
        await deps.events.add_to(work)
        await work.commit()
        await deps.connections.post(work.posted)
    return bool(links)
