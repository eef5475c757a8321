"""What the revocation lists of the node's own CAs have on them, read once and then kept up to date."""

from __future__ import annotations

import orjson

from sekisho.logic.revocation import RECORD, record_of
from sekisho.store import tables
from sekisho.store.store import Store

REVOKED = "revocation"
"""The kind of what is on a list, by `serial_text`. It is of no account, as the CA is the node's."""

NOWHERE = ("", "")

PAGE = 250
"""Rows read at a time: about as many as take a millisecond of the event loop."""

SIZE = RECORD.size

MOST_NEWS = 1000
"""Serial numbers that are read one by one; past that, all are read anew."""


class Entries:
    """For each CA the records of its list (`record_of`), in the order of their serial numbers.

    What has been revoked stays so: entries come, and none goes. Each is 28 bytes of memory, all of them in
    one piece, which can be handed to a worker at once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, bytearray] | None = None
        self._news: set[str] = set()

    def heard(self, serial: str) -> None:
        """The change feed has named an entry."""
        self._news.add(serial)

    async def of(self, ca_id: str) -> bytes:
        """All entries of a CA as of now, one after another; one caller at a time."""
        kept = self._kept
        if kept is None or len(self._news) > MOST_NEWS:
            self._news.clear()  # what is heard from here on may or may not be among what is read
            kept = await self._read_all()
        while self._news:
            serial = next(iter(self._news))
            found = await tables.fetch_one(self._store, tables.get_resource(*NOWHERE, REVOKED, serial))
            self._news.discard(serial)
            if found is not None:
                _insert(kept, str(found["id"]), found["body"])
        self._kept = kept
        return bytes(kept.get(ca_id, b""))

    async def _read_all(self) -> dict[str, bytearray]:
        kept: dict[str, bytearray] = {}
        after = ""
        while True:
            rows = await self._store.fetch(*tables.page_resources(*NOWHERE, REVOKED, after, PAGE))
            for row in rows:
                _insert(kept, str(row["id"]), row["body"])
            if len(rows) < PAGE:
                return kept
            after = str(rows[-1]["id"])


def _insert(kept: dict[str, bytearray], serial: str, text: str) -> None:
    body = orjson.loads(text)
    record = record_of(serial, body["revokedAt"])
    records = kept.setdefault(body["issuer"], bytearray())
    low, high = 0, len(records) // SIZE
    if high and bytes(records[-SIZE:]) < record:
        low = high  # most come in their order
    while low < high:
        middle = (low + high) // 2
        if records[middle * SIZE : (middle + 1) * SIZE] < record:
            low = middle + 1
        else:
            high = middle
    if records[low * SIZE : (low + 1) * SIZE] != record:
        records[low * SIZE : low * SIZE] = record
