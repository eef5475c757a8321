"""Log groups as files: lines of JSON, a folder for each account and region, rotated and bounded.

``FOLDER/ACCOUNT/REGION/GROUP.jsonl`` is the newest; ``….jsonl.1`` and so on are older.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import defaultdict
from pathlib import Path
from urllib.parse import quote

import structlog

log = structlog.get_logger("sekisho.logs")

WAITING = 8 * 1024 * 1024
"""Bytes that may wait to be written; what comes then is counted and not kept."""

EVERY = 0.2


LONGEST_NAME = 200
"""Bytes of a file's name, of the 255 that there may be; of a longer group a part stands for the whole."""


def file_of(folder: Path, account: str, region: str, group: str) -> Path:
    """Where a log group is; a slash or a point at the beginning of its name is no folder's."""
    name = quote(group, safe="")
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 65]}.{hashlib.sha256(group.encode()).hexdigest()}"
    return folder / account / region / f"{name}.jsonl"


class LogFiles:
    """``put`` never waits and never fails; ``flush`` makes what was put readable."""

    def __init__(self, folder: Path, size: int, older: int) -> None:
        """``size``: bytes of one file; ``older``: files of a group beside the newest."""
        self.folder = folder
        self._size = size
        self._older = older
        self._waiting: dict[Path, list[bytes]] = defaultdict(list)
        self._bytes = 0
        self._dropped = 0
        self._lost: dict[Path, int] = defaultdict(int)
        """Of files that cannot be written at present: how many entries are not in them."""
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()

    def put(self, account: str, region: str, group: str, line: bytes) -> None:
        """``line`` is without its newline."""
        if self._bytes + len(line) > WAITING:
            self._dropped += 1
            return
        self._waiting[file_of(self.folder, account, region, group)].append(line)
        self._bytes += len(line)
        self._wake.set()

    async def flush(self) -> None:
        async with self._lock:
            waiting, self._waiting = self._waiting, defaultdict(list)
            self._bytes, dropped, self._dropped = 0, self._dropped, 0
            if dropped:
                log.warning("log entries not kept, for there were too many at once", count=dropped)
            if waiting:
                await asyncio.to_thread(self._write, waiting)

    def _write(self, waiting: dict[Path, list[bytes]]) -> None:
        for path, lines in waiting.items():
            try:
                self._append(path, lines)
            except OSError as error:
                if path not in self._lost:  # said once, and not five times a second
                    log.error("log entries cannot be written", file=str(path), error=str(error))
                self._lost[path] += len(lines)
            else:
                if path in self._lost:
                    log.warning("log entries are written again", file=str(path), lost=self._lost.pop(path))

    def _append(self, path: Path, lines: list[bytes]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = path.stat().st_size if path.exists() else 0
        while lines:
            some = 0
            while some < len(lines) and (written == 0 or written + len(lines[some]) < self._size):
                written += len(lines[some]) + 1
                some += 1
            with open(path, "ab", opener=_private) as file:
                file.write(b"".join(line + b"\n" for line in lines[:some]))
            lines = lines[some:]
            if lines:
                self._rotate(path)
                written = 0

    def _rotate(self, path: Path) -> None:
        for number in range(self._older, 0, -1):
            newer = _older(path, number - 1) if number > 1 else path
            if newer.exists():
                newer.replace(_older(path, number))
        path.unlink(missing_ok=True)

    async def run(self) -> None:
        """Write what was put until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()
            await asyncio.sleep(EVERY)


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
