"""What a run has done: JSON lines, one file, fsynced once a batch.

A batch is one line ``begun`` before anything is asked of the node (each device with the SHA-256 of its public
key, so that what an interrupted batch left can be told from anything else), and one line ``done`` after its
hand-over is on the disk. A line that a power cut has torn is the last one; it is cut off.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "journal.jsonl"
BEGINNINGS = tuple(f'{{"{word}"'.encode() for word in ("job", "begun", "done", "lost"))
MAX_LINE = 8 * 1024 * 1024
"""Bytes; a batch of the largest size needs far less."""


class JournalError(Exception):
    """The folder's journal cannot be gone on with; the words say why."""


class Journal:
    """The journal of one folder, locked as long as it is open.

    ``done`` are devices; ``failed`` maps others to words, and ``begun`` to the SHA-256 of every key with
    which they were ever asked for; ``lost`` are certificates whose keys died, to be removed.
    """

    def __init__(self, folder: Path, job: Mapping[str, Any]) -> None:
        """Begin or go on; raises `JournalError`. ``job`` is what must be the same again."""
        self.path = folder / NAME
        self.done: set[str] = set()
        self.begun: dict[str, set[str]] = {}
        self.failed: dict[str, str] = {}
        self.lost: set[str] = set()
        self.batches = 0
        self._writing = threading.Lock()
        self._file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise JournalError(f"{self.path}: another run is at work in this folder") from None
        try:
            self._read(dict(job))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def begin(self, keys: Mapping[str, str]) -> None:
        """Write down what is about to be asked for."""
        self._write({"begun": dict(keys)})
        self._remember(keys)

    def finish(self, certificates: Mapping[str, str], failed: Mapping[str, str]) -> None:
        """Write down what a batch came to."""
        self._write({"done": dict(certificates)} | ({"failed": dict(failed)} if failed else {}))
        self._take(certificates, failed)

    def lose(self, certificate_id: str) -> None:
        """Write down a certificate that is about to be removed; called from several threads."""
        self._write({"lost": certificate_id})
        self.lost.add(certificate_id)

    def _remember(self, keys: Mapping[str, str]) -> None:
        for name, key_hash in keys.items():
            self.begun.setdefault(name, set()).add(key_hash)

    def _take(self, certificates: Mapping[str, str], failed: Mapping[str, str]) -> None:
        self.batches += 1
        self.done |= certificates.keys()
        self.failed |= failed
        for name in certificates:
            self.failed.pop(name, None)
            self.begun.pop(name, None)

    def _read(self, job: dict[str, Any]) -> None:
        whole = 0
        for number, line in enumerate(iter(lambda: self._file.readline(MAX_LINE), b""), start=1):
            if not line.endswith(b"\n"):
                # Cut off, unless it is longer than any of ours or does not begin as one.
                ours = any(line.startswith(begin[: len(line)]) for begin in BEGINNINGS)
                if len(line) == MAX_LINE or not ours:
                    raise JournalError(f"{self.path}: line {number} is not a line of a journal")
                break
            try:
                self._line(json.loads(line), number, job)
            except (ValueError, TypeError, AttributeError, KeyError):
                raise JournalError(f"{self.path}: line {number} is not a line of a journal") from None
            whole += len(line)
        self._file.seek(whole)
        self._file.truncate()
        if whole == 0:
            self._write({"job": job})
            sync_folder(self.path.parent)

    def _line(self, line: dict[str, Any], number: int, job: dict[str, Any]) -> None:
        if number == 1:
            before = line["job"]
            differing = sorted(key for key in before.keys() | job.keys() if before.get(key) != job.get(key))
            if differing:
                words = "; ".join(f"{key} was {before.get(key)}, is {job.get(key)}" for key in differing)
                raise JournalError(f"{self.path} is of another job ({words}); take another folder")
        elif "begun" in line:
            self._remember(line["begun"])
        elif "lost" in line:
            self.lost.add(line["lost"])
        else:
            self._take(line["done"], line.get("failed", {}))

    def _write(self, line: Mapping[str, Any]) -> None:
        with self._writing:
            self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
