"""Which certificates of registered CAs are on those CAs' imported revocation lists."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from sekisho.logic.certificates import parse_certificate
from sekisho.logic.revocation import serial_text
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.store import Store

IMPORTED = "revocationlist"
"""The kind of an imported list; its id is that of the CA's certificate."""

KEPT = 1000
"""Lists, or the knowledge that there is none, that are kept; past that all are read anew."""

SERIALS = 200_000
"""Serial numbers that are kept, of all lists together; each is some 120 bytes."""

NOBODY: frozenset[str] = frozenset()


class Place(NamedTuple):
    account: str
    region: str
    ca: str


class RevokedSerials:
    """Reads lists, and keeps them until the change feed names them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changes = 0
        self._kept: dict[Place, frozenset[str]] = {}

    def forget(self, change: Change) -> None:
        if change.kind == IMPORTED:
            self._changes += 1
            self._kept.pop(Place(change.account, change.region, change.id), None)

    async def lists(self, account: str, region: str, ca: str, pem: str) -> bool:
        """Whether the CA's list has the certificate; a certificate is read only where there is a list."""
        serials = await self._serials(Place(account, region, ca))
        return bool(serials) and serial_text(parse_certificate(pem).serial_number) in serials

    async def _serials(self, place: Place) -> frozenset[str]:
        kept = self._kept.get(place)
        if kept is not None:
            return kept
        seen = self._changes
        rows = await self._store.fetch(*tables.get_resource(place.account, place.region, IMPORTED, place.ca))
        found = frozenset(orjson.loads(rows[0]["body"])["serials"]) if rows else NOBODY
        if seen == self._changes:
            if len(self._kept) >= KEPT or self._size() + len(found) > SERIALS:
                self._kept.clear()
            self._kept[place] = found
        return found

    def _size(self) -> int:
        return sum(len(serials) for serials in self._kept.values())
