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

FIRST, LEAST = 2000, 250
"""Changed rows: how many make so many pages, until that is known; and a bound, for few large ones."""

_PASSIVE = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpoints:
    """For the thread that writes on ``writer``; ``copier`` is another connection to the same file, which is
    closed here."""

    def __init__(self, writer: sqlite3.Connection, copier: sqlite3.Connection) -> None:
        self._writer = writer
        self._copier = copier
        self._begun = self._ordered = writer.total_changes
        self._due = self._begun + FIRST
        self._kept = 0
        """Pages that were in the log already, as it could not begin anew."""
        self._copying = False
        self._copied = threading.Event()
        self._found = 0
        """Pages in the log when the other thread came to it."""
        self._orders: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._copy, name="store-checkpoint", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Between two transactions: begin to copy when there is much, or do what was left."""
        if self._copied.is_set():
            self._copied.clear()
            self._finish()
            self._copying = False
        elif not self._copying and self._writer.total_changes >= self._due:
            self._copying = True
            self._ordered = self._writer.total_changes
            self._orders.put(True)

    def close(self) -> None:
        """Wait for a copy that is under way."""
        self._orders.put(False)
        self._thread.join()

    def _finish(self) -> None:
        with suppress(sqlite3.Error):  # the next COMMIT tells what is wrong with the file
            _, log, copied = self._writer.execute(_PASSIVE).fetchone()
            pages = self._found - self._kept
            rows = (self._ordered - self._begun) * PAGES // pages if pages > 0 else FIRST
            # A long read keeps what it still sees in the log: to be copied when it has ended.
            whole = copied == log
            self._begun, self._kept = self._writer.total_changes, 0 if whole else log
            self._due = self._begun + max(LEAST, rows if whole else rows // 4)

    def _copy(self) -> None:
        while self._orders.get():
            self._found = 0
            with suppress(sqlite3.Error):
                _, self._found, _ = self._copier.execute(_PASSIVE).fetchone()
                self._copier.execute(_PASSIVE).fetchone()  # what was written meanwhile
            self._copied.set()
        self._copier.close()
