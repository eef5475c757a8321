"""The unit of work of one operation: what it read, and what it will write as a whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from sekisho.mqtt.message import Message
from sekisho.services.hints import HINTED, Hints
from sekisho.store import tables
from sekisho.store.statement import Row, Statement
from sekisho.store.store import Store

Document = dict[str, Any]

DERIVED = frozenset({"version", "creationDate", "lastModifiedDate"})
"""Members of a document that come from the row's own columns."""


class Link(NamedTuple):
    source: str
    target: str
    body: Document


@dataclass(slots=True)
class Slot:
    """One resource as read (version 0: absent) and as it shall be (body None: absent)."""

    version: int
    body: Document | None
    created: float
    updated: float
    dirty: bool = False


def document(body: Document, version: int, created: float, updated: float) -> Document:
    return body | {"version": version, "creationDate": created, "lastModifiedDate": updated}


def row_document(row: Any) -> Document:
    return document(orjson.loads(row["body"]), row["version"], row["created"], row["updated"])


class Work:
    """Reads go to the store and are remembered; writes wait for :meth:`commit`, which also proves that
    nothing that was read has changed since (else :class:`~sekisho.store.statement.Conflict`: run it again).
    """

    def __init__(self, store: Store, account: str, region: str, now: float) -> None:
        self.store = store
        self.account = account
        self.region = region
        self.now = now
        self.messages: list[Message] = []
        self.also: list[Statement] = []
        """Further statements of the commit, beside those that this object makes."""
        self._slots: dict[tuple[str, str], Slot] = {}
        self._links: dict[tuple[str, str, str], Document | None] = {}
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
            work = self._elsewhere[account, region] = Work(self.store, account, region, self.now)
            work.messages = self.messages
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
            if row is not None:
                slot = Slot(row["version"], orjson.loads(row["body"]), row["created"], row["updated"])
            else:
                slot = Slot(0, None, self.now, self.now)
            self._slots[kind, id] = slot
        return slot

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

    async def put(self, kind: str, id: str, body: Document, what: str = "") -> Document:
        """Create or replace a resource; the answer is the document as it will be."""
        slot = await self._slot(kind, id)
        created = slot.body is None
        slot.body = {k: v for k, v in body.items() if k not in DERIVED and v is not None}
        slot.updated = self.now
        if created:
            slot.created = self.now
        slot.dirty = True
        self._change(kind, id, what or ("created" if created else "updated"))
        version = slot.version + 1
        return document(slot.body, version, slot.created, slot.updated)

    async def delete(self, kind: str, id: str) -> None:
        slot = await self._slot(kind, id)
        if slot.body is not None:
            slot.body = None
            slot.dirty = True
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
        found = [(str(row["id"]), row_document(row)) for row in rows[:limit]]
        if len(rows) <= limit:
            return found, ""
        last_row = rows[limit - 1]
        return found, f"{last_row['created']!r} {last_row['id']}" if by_created else str(last_row["id"])

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

    def link(self, kind: str, source: str, target: str, body: Document | None = None) -> None:
        self._links[kind, source, target] = body or {}
        self._change(kind, target, f"linked {source}")

    def unlink(self, kind: str, source: str, target: str) -> None:
        self._links[kind, source, target] = None
        self._change(kind, target, f"unlinked {source}")

    def _change(self, kind: str, id: str, what: str) -> None:
        self._changes.append(tables.append_change(self.account, self.region, kind, id, what, self.now))

    @property
    def writes(self) -> bool:
        return bool(self._changes) or any(work.writes for work in self._elsewhere.values())

    async def commit(self, *also: Statement) -> None:
        """Write everything, and ``also``, in one transaction."""
        works = [self, *self._elsewhere.values()]
        statements = [statement for work in works for statement in work._statements()]
        changes = [change for work in works for change in work._changes]
        await self.store.commit([*statements, *changes, *self.also, *also])

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


def dumps(body: Document) -> str:
    return orjson.dumps(body).decode()
