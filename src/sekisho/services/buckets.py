"""Buckets: rows that say whose a name is. Names are one for all accounts and regions, as at S3."""

from __future__ import annotations

import re
from typing import Any

import orjson

from sekisho.objects.base import Objects
from sekisho.services.call import Caller
from sekisho.services.work import Document, dumps
from sekisho.store import tables
from sekisho.store.statement import Conflict, Statement
from sekisho.store.store import Store

KIND = "bucket"
PLACE = ("", "")
PAGE = 250

PARTS = "sekisho-parts"
"""Where the parts of uploads under way are; it has no row, so nobody reaches it by its name."""

OURS = "sekisho-"
"""What names begin with that nobody may take."""

DELETION = 60.0
"""Seconds of real time for which the deletion of a bucket may be under way."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class BucketTaken(Exception):
    """Another account has the name."""


class Buckets:
    def __init__(self, store: Store, objects: Objects, clock: Any) -> None:
        self._store = store
        self._objects = objects
        self._clock = clock

    async def find(self, name: str) -> Document | None:
        """``account``, ``region`` and ``created`` of a bucket."""
        if "\0" in name:
            return None
        rows = await self._store.fetch(*tables.get_resource(*PLACE, KIND, name))
        return None if not rows else _document(rows[0])

    async def ensure(self, account: str, region: str, name: str, *also: Statement) -> bool:
        """Make a bucket; False if this account has it already. BucketTaken if another has."""
        body = dumps({"account": account, "region": region})
        try:
            await self._store.commit(
                [tables.insert_resource(*PLACE, KIND, name, body, self._clock.now()), *also]
            )
        except Conflict:
            found = await self.find(name)
            if found is not None and found["account"] != account:
                raise BucketTaken(name) from None
            return False
        return True

    async def delete(self, name: str, *also: Statement) -> bool:
        """Delete the row of a bucket; False if it has objects.

        The row says so before it is looked whether there are any: whoever has put one since finds that out
        after it (`is_being_deleted`), and takes it back.
        """
        if await self._objects.list(name, "", "", 1):
            return False
        rows = await self._store.fetch(*tables.get_resource(*PLACE, KIND, name))
        if not rows:
            return True
        kept: Document = orjson.loads(rows[0]["body"])
        marked = dumps(kept | {"deletingSince": self._clock.real()})
        at, version = self._clock.now(), rows[0]["version"]
        try:
            await self._store.commit([tables.update_resource(*PLACE, KIND, name, version, marked, at)])
            if await self._objects.list(name, "", "", 1):
                body = dumps({member: kept[member] for member in ("account", "region")})
                undo = tables.update_resource(*PLACE, KIND, name, version + 1, body, at)
                await self._store.commit([undo])
                return False
            await self._store.commit([tables.delete_resource(*PLACE, KIND, name, version + 1), *also])
        except Conflict:  # somebody else deletes it, too
            return await self.find(name) is None
        return True

    def is_being_deleted(self, bucket: Document) -> bool:
        """Whether a bucket's deletion has begun, and was not given up by a node that went."""
        return bool(self._clock.real() - bucket.get("deletingSince", 0.0) < DELETION)

    async def of_account(self, account: str) -> list[Document]:
        found: list[Document] = []
        after = ""
        while True:
            rows = await self._store.fetch(*tables.page_resources(*PLACE, KIND, after, PAGE))
            found += [one for one in map(_document, rows) if one["account"] == account]
            if len(rows) < PAGE:
                return found
            after = rows[-1]["id"]

    def audit(self, caller: Caller, operation: str, resource: str, outcome: str) -> Statement:
        """The line of who did what, for the commit of the deed."""
        return tables.append_audit(
            at=self._clock.now(),
            account=caller.account,
            region=caller.region,
            principal=caller.principal.arn,
            service="s3",
            operation=operation,
            resource=resource[:2048].replace("\0", "\ufffd"),
            outcome=outcome,
            request_id=caller.request_id,
            source_ip=caller.source_ip,
            detail="{}",
        )

    async def write(self, *statements: Statement) -> None:
        await self._store.commit(statements)


def is_bucket_name(name: str) -> bool:
    """Whether a bucket may be called so (Amazon S3 User Guide, General purpose bucket naming rules)."""
    return bool(_NAME.fullmatch(name)) and ".." not in name and not re.fullmatch(r"[0-9]+(\.[0-9]+){3}", name)


def _document(row: Any) -> Document:
    body: Document = orjson.loads(row["body"])
    return body | {"name": row["id"], "created": row["created"]}
