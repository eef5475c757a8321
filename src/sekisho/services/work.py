"""The unit of work of one operation: what it read, and what it will write as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from sekisho.mqtt.message import Message
from sekisho.services.hints import HINTED, Hints
from sekisho.services.slots import (
    DERIVED,
    Document,
    Edit,
    Link,
    LinkEdit,
    Posted,
    Slot,
    document,
    dumps,
    read_slot,
    row_document,
)
from sekisho.store import outbox, tables
from sekisho.store.changes import Change
from sekisho.store.statement import Row, Statement
from sekisho.store.store import Store

__all__ = ["Document", "Edit", "Link", "LinkEdit", "Posted", "Work", "document", "dumps", "row_document"]


class Work:
    """Reads go to the store and are remembered; writes wait for :meth:`commit`, which also proves that
    nothing that was read has changed since (else :class:`~sekisho.store.statement.Conflict`: run it again).
    """

    def __init__(self, store: Store, account: str, region: str, now: float, hopeful: bool = False) -> None:
        self.store = store
        self.account = account
        self.region = region
        self.now = now
        self.hopeful = hopeful
        """Whether :meth:`get_unlikely` may do without reading."""
        self.hoped = False
        """Whether it did: then the run counts only if its commit proves it, whatever came of it."""
        self.messages: list[Message] = []
        """What is published once the operation is done, whether or not it commits anything."""
        self.events: list[Message] = []
        """What the commit causes: each becomes a row in it, so that it reaches its receivers whatever happens
        to the node then. In the end they are in ``posted``."""
        self.posted: list[Posted] = []
        self.also: list[Statement] = []
        """Further statements of the commit, beside those that this object makes."""
        self._slots: dict[tuple[str, str], Slot] = {}
        self._links: dict[tuple[str, str, str], Document | None] = {}
        self._seen: set[tuple[str, str, str]] = set()
        """Links that the database was seen to have."""
        self._guards: list[Statement] = []
        self._changes: list[Statement] = []
        self._elsewhere: dict[tuple[str, str], Work] = {}
        self._new: set[str] = set()
        self.hints: Hints | None = None
        """Set by an operation that commits whatever it answers: what it reads may be a little old, until the
        commit."""

    def elsewhere(self, account: str, region: str) -> Work:
        """The same unit of work in another account and region, for what is not one account's alone."""
        work = self._elsewhere.get((account, region))
        if work is None:
            work = Work(self.store, account, region, self.now, self.hopeful)
            self._elsewhere[account, region] = work
            work.messages, work.events = self.messages, self.events
        return work

    def is_new(self, kind: str, id: str, arn: str) -> None:
        """Do not read a resource whose id is a random one, made just now, nor what is attached to it: there
        is nothing. The commit proves it as it proves everything that was read."""
        self._slots[kind, id] = Slot(0, None, self.now, self.now)
        self._new.add(arn)

    def is_bare(self, arn: str) -> None:
        """Take it that nothing is attached to something; the commit proves it where it matters."""
        self._new.add(arn)

    async def _slot(self, kind: str, id: str) -> Slot:
        slot = self._slots.get((kind, id))
        if slot is None:
            # Text in a database has no U+0000, so nothing has an id with it.
            row = await self._row(kind, id) if "\0" not in id else None
            slot = self._slots[kind, id] = read_slot(row, self.now)
        return slot

    async def get_likely(self, kind: str, id: str, hints: Hints) -> Document | None:
        """What many units of work read and few change: a hopeful run takes what was read last for what there
        is now, and leaves the question to its commit."""
        place = (self.account, self.region, kind, id)
        if (kind, id) not in self._slots and "\0" not in id:
            if self.hopeful and (row := hints.get(place)) is not None:
                self.hoped = True
            else:
                hints.keep(place, row := await tables.fetch_one(self.store, tables.get_resource(*place)))
            self._slots[kind, id] = read_slot(row, self.now)
        return await self.get(kind, id)

    async def _row(self, kind: str, id: str) -> Row | None:
        place = (self.account, self.region, kind, id)
        if self.hints is None or kind not in HINTED:
            return await tables.fetch_one(self.store, tables.get_resource(*place))
        if not self.hints.has(place):
            self.hints.keep(place, row := await tables.fetch_one(self.store, tables.get_resource(*place)))
            return row
        return self.hints.get(place)

    async def get(self, kind: str, id: str) -> Document | None:
        slot = await self._slot(kind, id)
        if slot.body is None:
            return None
        return document(slot.body, slot.version or 1, slot.created, slot.updated)

    async def read_ahead(self, kind: str, ids: Sequence[str]) -> None:
        """Read many resources at once that are going to be asked for."""
        unread = [id for id in dict.fromkeys(ids) if (kind, id) not in self._slots]
        found = await tables.fetch_resources(self.store, self.account, self.region, kind, unread)
        self._slots.update({(kind, id): read_slot(found.get(id), self.now) for id in unread})

    async def get_unlikely(self, kind: str, id: str) -> Document | None:
        """What is most likely not there, and is then made: a hopeful run takes that for granted and leaves
        the question to its commit."""
        if self.hopeful and (kind, id) not in self._slots and "\0" not in id:
            self._slots[kind, id] = Slot(0, None, self.now, self.now)
            self.hoped = True
        return await self.get(kind, id)

    async def put(self, kind: str, id: str, body: Document, what: str = "") -> Document:
        """Create or replace a resource; the answer is the document as it will be."""
        slot = await self._slot(kind, id)
        created = slot.body is None
        slot.write()
        slot.body = {k: v for k, v in body.items() if k not in DERIVED and v is not None}
        slot.updated = self.now
        if created:
            slot.created = self.now
        self._change(kind, id, what or ("created" if created else "updated"))
        version = slot.version + 1
        return document(slot.body, version, slot.created, slot.updated)

    async def delete(self, kind: str, id: str) -> None:
        slot = await self._slot(kind, id)
        if slot.body is not None:
            slot.write()
            slot.body = None
            self._change(kind, id, "deleted")

    async def page(
        self, kind: str, after: str, limit: int, *, by_created: bool = False, ascending: bool = True
    ) -> tuple[list[tuple[str, Document]], str]:
        """Up to ``limit`` (id, document) after the key ``after``, and the key to go on from ('' at the end).

        Only operations that read use it: what this work has not committed is not in it.
        """
        if by_created:
            at, _, last = after.partition(" ")
            query = tables.page_resources_by_created(
                self.account,
                self.region,
                kind,
                after=(float(at), last) if after else None,
                limit=limit + 1,
                ascending=ascending,
            )
        else:
            query = tables.page_resources(
                self.account, self.region, kind, after_id=after, limit=limit + 1, ascending=ascending
            )
        rows = await self.store.fetch(*query)
        found, last = _cut(rows, limit)
        return found, f"{rows[limit - 1]['created']!r} {last}" if by_created and last else last

    async def get_linked(self, kind: str, id: str, link_kind: str) -> tuple[Document | None, list[str]]:
        """A document and the targets of its links of a kind, read at once, for operations that only read."""
        query = tables.get_with_links(self.account, self.region, kind, id, link_kind)
        rows = await self.store.fetch(*query) if "\0" not in id else []
        linked = [str(row["linked"]) for row in rows if row["linked"] is not None]
        return (row_document(rows[0]) if rows else None), linked

    async def page_linked(
        self, link_kind: str, target: str, kind: str, after: str, limit: int
    ) -> tuple[list[tuple[str, Document]], str]:
        """As :meth:`page`, of the resources of a kind that are linked to ``target``."""
        query = tables.page_linked(
            self.account, self.region, link_kind, target, kind, after=after, limit=limit + 1
        )
        return _cut(await self.store.fetch(*query), limit)

    async def page_containing(
        self, kind: str, member: str, text: str, after: str, limit: int
    ) -> tuple[list[tuple[str, Document]], str]:
        """As :meth:`page`, of the resources in whose member, as JSON, a text occurs."""
        query = tables.page_containing(
            self.account, self.region, kind, member, text, after=after, limit=limit + 1
        )
        return _cut(await self.store.fetch(*query), limit)

    async def require_fewer(self, kind: str, most: int) -> bool:
        """Whether there are fewer than ``most`` of a kind; when True, the commit proves it once more."""
        place = (self.account, self.region, kind)
        rows = await self.store.fetch(*tables.page_resources(*place, after_id=None, limit=most))
        if len(rows) >= most:
            return False
        self._guards.append(tables.guard_fewer(*place, most))
        return True

    async def links_from(self, kind: str, source: str, after: str = "", limit: int = 250) -> list[Link]:
        rows = await self.store.fetch(
            *tables.links_from(self.account, self.region, kind, source, after=after, limit=limit)
        )
        return self._with_pending(rows, kind, after, limit, lambda link: link.source == source, "target")

    async def links_to(self, kind: str, target: str, after: str = "", limit: int = 250) -> list[Link]:
        query = tables.links_to(self.account, self.region, kind, target, after=after, limit=limit)
        rows = await self.store.fetch(*query) if target not in self._new else []
        return self._with_pending(rows, kind, after, limit, lambda link: link.target == target, "source")

    def _with_pending(
        self, rows: Sequence[Any], kind: str, after: str, limit: int, wanted: Any, key: str
    ) -> list[Link]:
        self._seen.update((kind, row["source"], row["target"]) for row in rows)
        links = {
            (row["source"], row["target"]): Link(row["source"], row["target"], orjson.loads(row["body"]))
            for row in rows
        }
        for (link_kind, source, target), body in self._links.items():
            if link_kind != kind:
                continue
            if body is None:
                links.pop((source, target), None)
            else:
                link = Link(source, target, body)
                if wanted(link) and getattr(link, key) > after:
                    links[source, target] = link
        return sorted(links.values(), key=lambda link: str(getattr(link, key)))[:limit]

    async def require_no_links_from(self, kind: str, source: str) -> bool:
        """Whether nothing hangs on ``source``; when True, the commit proves it once more."""
        if await self.links_from(kind, source, limit=1):
            return False
        self._guards.append(tables.guard_no_links_from(self.account, self.region, kind, source))
        return True

    async def require_no_links_to(self, kind: str, target: str) -> bool:
        if await self.links_to(kind, target, limit=1):
            return False
        self._guards.append(tables.guard_no_links_to(self.account, self.region, kind, target))
        return True

    async def all_links_to(self, kind: str, target: str) -> list[Link]:
        """Every link to ``target``, few by a rule of the caller's; the commit proves that none came since."""
        links = await self.links_to(kind, target)
        if not any(key[0] == kind and key[2] == target for key in self._links):
            self._guards.append(
                tables.guard_links_to_count(self.account, self.region, kind, target, len(links))
            )
        return links

    async def all_links_from(self, kind: str, source: str) -> list[Link]:
        """Every link of ``source``, few by a rule; the commit proves that it still has these and no other."""
        links = await self.links_from(kind, source)
        if not any(key[0] == kind and key[1] == source for key in self._links):
            place = (self.account, self.region, kind, source)
            self._guards.append(tables.guard_links_from_count(*place, len(links)))
            self._guards.extend(tables.guard_link(*place, link.target) for link in links)
        return links

    async def has_link(self, kind: str, source: str, target: str) -> bool:
        """Whether the database has a link, whatever this work will do to it; the commit proves it again."""
        place = (self.account, self.region, kind, source, target)
        if (kind, source, target) in self._seen or await self.store.fetch(*tables.get_link(*place)):
            self._guards.append(tables.guard_link(*place))
            return True
        self._guards.append(tables.guard_no_link(*place))
        return False

    async def has_room_for_links_to(self, kind: str, target: str, most: int) -> bool:
        """Whether fewer than ``most`` links lead to ``target``; when True, the commit proves it once more."""
        if len(await self.links_to(kind, target, limit=most)) >= most:
            return False
        self._guards.append(tables.guard_links_to_below(self.account, self.region, kind, target, most))
        return True

    def prove(self, *guards: Statement) -> None:
        """Further conditions of the commit, for what was read in another way."""
        self._guards.extend(guards)

    def link(
        self, kind: str, source: str, target: str, body: Document | None = None, *, told: bool = True
    ) -> None:
        """``told`` False: the feed has another change of the same commit that says as much."""
        self._links[kind, source, target] = body or {}
        if told:
            self._change(kind, target, f"linked {source}")

    def unlink(self, kind: str, source: str, target: str, *, told: bool = True) -> None:
        self._links[kind, source, target] = None
        if told:
            self._change(kind, target, f"unlinked {source}")

    def unlink_all_to(self, kind: str, target: str) -> None:
        """However many there are; the change of ``target`` itself must tell those who know it."""
        self.also.append(tables.tell_links_to(self.account, self.region, kind, target, self.now))
        self.also.append(tables.delete_links_to(self.account, self.region, kind, target))

    def _change(self, kind: str, id: str, what: str) -> None:
        self._changes.append(tables.append_change(self.account, self.region, kind, id, what, self.now))

    @property
    def places(self) -> Sequence[Work]:
        """This unit of work in all its places, its own first."""
        return (self, *self._elsewhere.values())

    def edits(self) -> Iterator[Edit]:
        """The resources of this place that the commit will have changed, in the order of their reading."""
        for (kind, id), slot in self._slots.items():
            if slot.dirty:
                edit = slot.edit(kind, id)
                if edit.before is not None or edit.after is not None:
                    yield edit

    def edit_of(self, kind: str, id: str) -> Edit | None:
        """What the commit changes of one resource of this place, if it does."""
        slot = self._slots.get((kind, id))
        return slot.edit(kind, id) if slot is not None and slot.dirty else None

    def touches(self, kinds: frozenset[str]) -> bool:
        """Whether the commit changes a resource of one of these kinds in this place."""
        return any(kind in kinds and slot.dirty for (kind, _), slot in self._slots.items())

    def link_edits(self) -> Iterator[LinkEdit]:
        for (kind, source, target), body in self._links.items():
            yield LinkEdit(kind, source, target, body)

    def changes(self) -> list[Change]:
        """What the feed will have of it, but for numbers; not what goes by statements for many rows."""
        return [Change(0, **one.params) for work in self.places for one in work._changes]

    @property
    def writes(self) -> bool:
        return bool(self._changes) or any(work.writes for work in self._elsewhere.values())

    @property
    def unproved(self) -> bool:
        """Whether anything was hoped for, here or elsewhere."""
        return self.hoped or any(work.hoped for work in self._elsewhere.values())

    async def commit(self, *also: Statement) -> None:
        """Write everything, and ``also``, in one transaction."""
        works = self.places
        statements = [statement for work in works for statement in work._statements()]
        changes = [change for work in works for change in work._changes]
        first = len(statements)
        statements += [
            outbox.put_outgoing(m.account, m.region, m.topic, m.payload, m.received_at) for m in self.events
        ]
        rows = await self.store.commit([*statements, *changes, *self.also, *also])
        made = rows[first : len(statements)]
        self.posted = [Posted(row[0]["seq"], m) for row, m in zip(made, self.events, strict=True)]

    def _statements(self) -> list[Statement]:
        statements = [*self._guards]
        for (kind, id), slot in self._slots.items():
            statements.append(self._resource_statement(kind, id, slot))
        for (kind, source, target), body in self._links.items():
            if body is None:
                statements.append(tables.delete_link(self.account, self.region, kind, source, target))
            else:
                statements.append(
                    tables.insert_link(self.account, self.region, kind, source, target, dumps(body), self.now)
                )
        return statements

    def _resource_statement(self, kind: str, id: str, slot: Slot) -> Statement:
        place = (self.account, self.region, kind, id)
        if not slot.dirty:
            if slot.version:
                return tables.guard_version(*place, slot.version)
            return tables.guard_absent(*place)
        if slot.body is None:
            if slot.version:
                return tables.delete_resource(*place, slot.version)
            return tables.guard_absent(*place)
        if slot.version:
            return tables.update_resource(*place, slot.version, dumps(slot.body), slot.updated)
        return tables.insert_resource(*place, dumps(slot.body), slot.created)


def _cut(rows: Sequence[Any], limit: int) -> tuple[list[tuple[str, Document]], str]:
    """The first ``limit`` of ``limit + 1`` rows read, and the id of the last of them if there are more."""
    found = [(str(row["id"]), row_document(row)) for row in rows[:limit]]
    return found, found[-1][0] if len(rows) > limit else ""
