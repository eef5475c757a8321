"""Documents, and what a unit of work has read of them and will write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from sekisho.mqtt.message import Message
from sekisho.store.statement import Row

Document = dict[str, Any]

DERIVED = frozenset({"version", "creationDate", "lastModifiedDate"})
"""Members of a document that come from the row's own columns."""


class Link(NamedTuple):
    source: str
    target: str
    body: Document


class Edit(NamedTuple):
    """One resource that a unit of work changes; absent is None. Both documents have their own versions."""

    kind: str
    id: str
    before: Document | None
    after: Document | None


class LinkEdit(NamedTuple):
    """One link that a unit of work makes (``body`` is None: takes away), whether or not it is there."""

    kind: str
    source: str
    target: str
    body: Document | None


class Posted(NamedTuple):
    """A message that is a row of the outbox."""

    seq: int
    message: Message


@dataclass(slots=True)
class Slot:
    """One resource as read (version 0: absent) and as it shall be (body None: absent).

    ``read`` is what there was before the first write, with its time of update; None while there is none.
    """

    version: int
    body: Document | None
    created: float
    updated: float
    dirty: bool = False
    read: tuple[Document | None, float, float] | None = None

    def write(self) -> None:
        if not self.dirty:
            self.dirty = True
            self.read = (self.body, self.created, self.updated)

    def edit(self, kind: str, id: str) -> Edit:
        body, created, updated = self.read or (None, 0.0, 0.0)
        before = document(body, self.version, created, updated) if body is not None else None
        after = None
        if self.body is not None:
            after = document(self.body, self.version + 1, self.created, self.updated)
        return Edit(kind, id, before, after)


def read_slot(row: Row | None, now: float) -> Slot:
    """What the database has of a resource, which may be nothing."""
    if row is None:
        return Slot(0, None, now, now)
    return Slot(row["version"], orjson.loads(row["body"]), row["created"], row["updated"])


def document(body: Document, version: int, created: float, updated: float) -> Document:
    return body | {"version": version, "creationDate": created, "lastModifiedDate": updated}


def row_document(row: Any) -> Document:
    return document(orjson.loads(row["body"]), row["version"], row["created"], row["updated"])


def dumps(body: Document) -> str:
    return orjson.dumps(body).decode()
