"""The file that keeps two processes out of one SQLite database."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sekisho.store.statement import Locked


class Lock:
    """An exclusive ``flock`` on ``<database>.lock``, with the holder's pid written in it.

    The kernel lets go of it when the process ends, however it ends; the file itself stays, since removing it
    would let two processes lock two files of one name.
    """

    def __init__(self, path: Path) -> None:
        """:raises Locked: another process has it"""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise Locked(f"the folder {path.parent} is in use by the process {holder}") from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._descriptor)
