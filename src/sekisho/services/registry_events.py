"""Registry events of a unit of work: found in what it is going to commit, and committed with it.

Which are enabled is kept in memory and follows the change feed, so that an operation pays nothing while none
is.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator, Sequence

import orjson

from sekisho.logic import registry_events as events
from sekisho.logic.registry_events import Document, Event
from sekisho.mqtt.message import Message
from sekisho.services.detaching import last_of
from sekisho.services.event_configurations import KIND, SENT, THE_ONE
from sekisho.services.work import Edit, LinkEdit, Work
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.store import Store

GROUP = "thinggroup"
MEMBER = "thing-group"
PARENT = "group-parent"

DEEPEST = 100
"""Groups above one another that are followed; the registry allows far fewer."""

NONE: frozenset[str] = frozenset()


class RegistryEvents:
    """``add_to`` gives a unit of work its events; ``changed`` follows the change feed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._enabled: dict[tuple[str, str], frozenset[str]] = {}

    async def start(self, places: Sequence[tuple[str, str]]) -> None:
        for place in places:
            await self._read(*place)

    async def changed(self, changes: Sequence[Change]) -> None:
        for place in {(change.account, change.region) for change in changes if change.kind == KIND}:
            await self._read(*place)

    async def _read(self, account: str, region: str) -> None:
        rows = await self._store.fetch(*tables.get_resource(account, region, KIND, THE_ONE))
        self._set(account, region, orjson.loads(rows[0]["body"])["enabled"] if rows else ())

    def _set(self, account: str, region: str, enabled: Sequence[str]) -> None:
        wanted = frozenset(enabled) & frozenset(SENT)
        if wanted:
            self._enabled[account, region] = wanted
        else:
            self._enabled.pop((account, region), None)

    async def add_to(self, work: Work) -> None:
        """Have the commit of a unit of work send what it causes."""
        if not self._enabled:
            return
        for part in work.places:
            wanted = self._enabled.get((part.account, part.region), NONE)
            if wanted:
                for event in await events_of(part, wanted):
                    at, account = part.now, part.account
                    body = events.payload(event, uuid.uuid4().hex, at, account)
                    message = Message(account, part.region, event.topic, body, qos=1, received_at=at)
                    part.events.append(message)

    def tells_links(self, account: str, region: str, kind: str) -> bool:
        """Whether of each link of a kind is said that it comes or goes."""
        return LINKS.get(kind) in self._enabled.get((account, region), NONE)

    def committed(self, work: Work) -> None:
        """A configuration that this node has just committed holds for the operation after it, whenever the
        change feed gets there."""
        edit = work.edit_of(KIND, THE_ONE)
        if edit is not None and edit.after is not None:
            self._set(work.account, work.region, edit.after["enabled"])


async def events_of(work: Work, wanted: frozenset[str]) -> list[Event]:
    """The events of what a unit of work changes in its own place. What goes is said before what it hung on,
    what comes after it."""
    resources = list(work.edits())
    links = [event async for event in _of_links(work, wanted)]
    found = [event for event in links if event.operation == events.REMOVED]
    for edit in resources:
        found += [event async for event in _of_resource(work, edit, wanted)]
    return found + [event for event in links if event.operation == events.ADDED]


async def _of_resource(work: Work, edit: Edit, wanted: frozenset[str]) -> AsyncIterator[Event]:
    before, after = edit.before, edit.after
    operation = events.operation_of(before, after)
    shown = after or before
    if shown is None:
        return
    if edit.kind == "thing":
        associations = list(_of_association(before, after)) if events.THING_TYPE_ASSOCIATION in wanted else []
        for event in associations:
            if event.operation == events.REMOVED:
                yield event
        if events.THING in wanted:
            yield events.thing_event(operation, shown)
        for event in associations:
            if event.operation == events.ADDED:
                yield event
    elif edit.kind == "thingtype" and events.THING_TYPE in wanted:
        yield events.type_event(operation, shown)
    elif edit.kind == GROUP and events.THING_GROUP in wanted:
        yield events.group_event(operation, shown, await _above(work, shown["thingGroupName"]))


def _of_association(before: Document | None, after: Document | None) -> Iterator[Event]:
    old = before.get("thingTypeName") if before is not None else None
    new = after.get("thingTypeName") if after is not None else None
    if old == new:
        return
    if old is not None and before is not None:
        yield events.association_event(events.REMOVED, before, old)
    if new is not None and after is not None:
        yield events.association_event(events.ADDED, after, new)


async def _of_links(work: Work, wanted: frozenset[str]) -> AsyncIterator[Event]:
    """Only of links that were not there, or were: attaching and detaching may be repeated."""
    edits = [edit for edit in work.link_edits() if LINKS.get(edit.kind) in wanted]
    if len(edits) > 1:
        await work.read_ahead("thing", [edit.source for edit in edits if edit.kind == MEMBER])
    for edit in edits:
        there = await work.has_link(edit.kind, edit.source, edit.target)
        if there == (edit.body is None):
            event = await _of_link(work, edit)
            if event is not None:
                yield event


LINKS = {MEMBER: events.THING_GROUP_MEMBERSHIP, PARENT: events.THING_GROUP_HIERARCHY}


async def _of_link(work: Work, edit: LinkEdit) -> Event | None:
    operation = events.ADDED if edit.body is not None else events.REMOVED
    group = await _last_seen(work, GROUP, edit.target) or await last_of(work, edit.kind, edit.target)
    other = await _last_seen(work, "thing" if edit.kind == MEMBER else GROUP, edit.source)
    if group is None or other is None:
        return None
    if edit.kind == PARENT:
        return events.hierarchy_event(operation, group, other)
    # One id for both events of a membership; AWS makes a new one each time that a thing is added.
    membership = uuid.uuid5(uuid.NAMESPACE_OID, f"{group['thingGroupId']} {other['thingId']}")
    return events.membership_event(operation, group, other, str(membership))


async def _last_seen(work: Work, kind: str, id: str) -> Document | None:
    """A resource as it will be, or as it was before this unit of work took it away."""
    found = await work.get(kind, id)
    if found is not None:
        return found
    gone = work.edit_of(kind, id)
    return gone.before if gone is not None else None


async def _above(work: Work, group: str) -> list[Document]:
    """The groups above one, from the root to its parent."""
    found: list[Document] = []
    name = group
    while len(found) < DEEPEST:
        parent = await _parent(work, name)
        if parent is None:
            break
        document = await _last_seen(work, GROUP, parent)
        if document is None:
            break
        found.insert(0, document)
        name = parent
    return found


async def _parent(work: Work, group: str) -> str | None:
    links = await work.links_from(PARENT, group, limit=1)
    if links:
        return links[0].target
    gone = [edit.target for edit in work.link_edits() if (edit.kind, edit.source) == (PARENT, group)]
    return gone[0] if gone else None
