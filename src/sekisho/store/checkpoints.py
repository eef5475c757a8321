"""SQLite's write-ahead log is copied back into the database beside the writer, not by it.

A checkpoint copies pages from all over the file: with a million things 100 ms in which nobody's commit ends,
if the commit that fills the log has to do it. PASSIVE waits for nobody and holds up nobody
(sqlite.org/c3ref/wal_checkpoint_v2.html), so another thread does it meanwhile. What is committed in that time
is not in it, and the log begins anew only once all of it is copied: the rest, which is little, is the
writer's.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from queue import SimpleQueue

PAGES = 8000
"""In the log when it is copied. Pages that come again and again are copied once: fewer would cost more."""

AT_MOST = 4 * PAGES
"""Pages at which the writer copies them itself, should the other thread not have come to it."""

FEW, PASSES = 400, 8
"""Changed rows that are left to the writer: each pass copies what was written during the one before, until
those are few, or never so."""

FIRST, LEAST = 2000, 250
"""Changed rows: how many make so many pages, until that is known; and a bound, for few large ones."""

_PASSIVE = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpoints:
    """For the thread that writes on ``writer``; ``copier`` is another connection to the same file, which is
    closed here."""

    def __init__(self, writer: sqlite3.Connection, copier: sqlite3.Connection) -> None:
        self._writer = writer
        self._copier = copier
        self._begun = writer.total_changes
        self._due = self._begun + FIRST
        self._kept = 0
        """Pages that were in the log already, as it could not begin anew."""
        self._passes = 0
        self._ordered = self._first = 0
        """Changed rows when the last pass was ordered, and the first."""
        self._copied = threading.Event()
        self._found = 0
        """Pages in the log at the first pass."""
        self._orders: SimpleQueue[bool] = SimpleQueue()
        with suppress(sqlite3.Error):
            copier.execute(_PASSIVE)  # a log of an earlier life; and its files are opened now, not some day
        self._thread = threading.Thread(target=self._copy, name="store-checkpoint", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Between two transactions: have it copied when there is much, and do what was left."""
        now = self._writer.total_changes
        if self._copied.is_set():
            self._copied.clear()
            if now - self._ordered > FEW and self._passes < PASSES:
                self._order(now)
            else:
                self._finish()
                self._passes = 0
        elif not self._passes and now >= self._due:
            self._first = now
            self._order(now)

    def close(self) -> None:
        """Wait for a copy that is under way."""
        self._orders.put(False)
        self._thread.join()

    def _order(self, now: int) -> None:
        self._passes += 1
        self._ordered = now
        self._orders.put(True)

    def _finish(self) -> None:
        with suppress(sqlite3.Error):  # the next COMMIT tells what is wrong with the file
            _, log, copied = self._writer.execute(_PASSIVE).fetchone()
            pages = self._found - self._kept
            rows = (self._first - self._begun) * PAGES // pages if pages > 0 else FIRST
            # A long read keeps what it still sees in the log: to be copied when it has ended.
            whole = copied == log
            self._begun, self._kept = self._writer.total_changes, 0 if whole else log
            self._due = self._begun + max(LEAST, rows if whole else rows // 4)

    def _copy(self) -> None:
        while self._orders.get():
            try:
                _, log, _ = self._copier.execute(_PASSIVE).fetchone()
            except sqlite3.Error:
                log = 0
            if self._passes == 1:
                self._found = log
            self._copied.set()
        self._copier.close()
