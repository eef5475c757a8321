"""Rows that many units of work read and few write, kept between them."""

from __future__ import annotations

from sekisho.store.changes import Change
from sekisho.store.statement import Row

KINDS = frozenset({"policy"})
ABSENT = frozenset({"claim", "certificatevalidity", "certificateproviderdefault"})
"""Kinds of which there are few: that one is not there is kept as well."""

LIKELY = frozenset({"thingtype"})
"""Kinds kept for :meth:`sekisho.services.work.Work.get_likely` alone."""

HINTED = KINDS | ABSENT
KEPT = 1000

Key = tuple[str, str, str, str]
"""Account, region, kind, id."""


class Hints:
    """What was read last of a row, good only where the commit proves that it is so still.

    A row that has changed since makes the commit fail; all hints are then dropped, and the operation is run
    again without. The change feed removes the row sooner than that, most times.
    """

    def __init__(self) -> None:
        self._kept: dict[Key, Row | None] = {}

    def has(self, key: Key) -> bool:
        return key in self._kept

    def get(self, key: Key) -> Row | None:
        return self._kept.get(key)

    def keep(self, key: Key, row: Row | None) -> None:
        if key[2] in (KINDS | LIKELY if row is not None else ABSENT):
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[key] = row

    def clear(self) -> None:
        self._kept.clear()

    def forget(self, change: Change) -> None:
        """Something has changed."""
        if change.kind in HINTED or change.kind in LIKELY:
            self._kept.pop((change.account, change.region, change.kind, change.id), None)
