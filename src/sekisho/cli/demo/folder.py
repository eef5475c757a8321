"""The demo's data folder: new each time, and never one that something else made or uses."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

MARKER = ".made-by-sekisho-demo"


class NotOurs(Exception):
    """The folder may not be replaced; the text says why."""


def fresh_folder(data: Path) -> None:
    """An empty folder with the demo's marker in it.

    :raises NotOurs: what is there was not made by a demo, or a node is using it
    """
    try:
        if data.is_symlink() or (data.exists() and not data.is_dir()):
            raise NotOurs(f"{data} is not a folder")
        if data.is_dir() and any(data.iterdir()):
            if not (data / MARKER).is_file():
                raise NotOurs(f"{data} was not made by a demo, so it is left alone; give another with --data")
            _check_unused(data)
            shutil.rmtree(data)
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        (data / MARKER).write_text(
            "Made by `sekisho demo`, which deletes this folder when it starts again.\n"
        )
    except OSError as error:
        raise NotOurs(f"{data}: {error.strerror}") from None


def _check_unused(data: Path) -> None:
    """A node holds a lock on the file beside its database for as long as it lives."""
    for path in data.glob("*.lock"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NotOurs(f"a node is running on {data}; stop it first") from None
