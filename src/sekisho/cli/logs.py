"""``sekisho logs``: what a node has logged for an account and region, and what it goes on to log."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from sekisho.cli.commands import fail, read_endpoints
from sekisho.services.log_files import file_of
from sekisho.services.logs import GROUP

EVERY = 0.2


def logged(
    data: Path, account: str | None, region: str | None, group: str | None, lines: int, follow: bool
) -> Iterator[str]:
    """The last ``lines`` entries (0: all) from the oldest on, and with ``follow`` those that come."""
    endpoints: dict[str, Any] = read_endpoints(data)
    path = file_of(
        data / "logs", account or endpoints["account"], region or endpoints["region"], group or GROUP
    )
    if not follow and not path.exists():
        raise fail(f"{path} is not there: nothing has been logged (aws iot set-v2-logging-options)")
    file = path.open("rb") if path.exists() else None
    found = [line for older in _older(path) for line in older.read_text().splitlines()]
    if file is not None:
        found += file.read().decode().splitlines()
    yield from found[-lines:] if lines else found
    if follow:
        yield from _following(path, file)


def _older(path: Path) -> list[Path]:
    numbered = (one for one in path.parent.glob(f"{path.name}.*") if one.suffix[1:].isdigit())
    return sorted(numbered, key=lambda one: -int(one.suffix[1:]))


def _following(path: Path, file: BinaryIO | None) -> Iterator[str]:
    """What is appended, from one file to the next that takes its place."""
    rest = b""
    while True:
        data = file.read() if file is not None else b""
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode() for line in whole)
        if data:
            continue
        try:
            if file is None or path.stat().st_ino != _inode(file):
                last = file.read() if file is not None else b""
                yield from last.decode().splitlines()
                file = path.open("rb")
                continue
        except FileNotFoundError:
            pass
        time.sleep(EVERY)


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino
