"""The log of a SQLite database stays small while commits go on, and nobody's rows are lost by it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sekisho.store import checkpoints
from sekisho.store.checkpoints import Checkpoints

PAGE = 4096


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "PAGES", 200)
    monkeypatch.setattr(checkpoints, "FIRST", 50)
    monkeypatch.setattr(checkpoints, "LEAST", 50)


@pytest.fixture
def writer(tmp_path: Path, few: None) -> Iterator[sqlite3.Connection]:
    connection = _connect(tmp_path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB)")
    yield connection
    connection.close()


def _connect(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "one.db", isolation_level=None, check_same_thread=False)


def _write(writer: sqlite3.Connection, each: Checkpoints, count: int) -> None:
    """So many commits of a page or two."""
    for _ in range(count):
        writer.execute("INSERT INTO row (body) VALUES (?)", (b"x" * PAGE,))
        each.look()


def _log(folder: Path) -> int:
    """Pages, about."""
    return (folder / "one.db-wal").stat().st_size // PAGE


def test_the_log_does_not_grow_with_what_is_written(writer: sqlite3.Connection, tmp_path: Path) -> None:
    each = Checkpoints(writer, _connect(tmp_path))
    sizes = []
    for _ in range(20):
        _write(writer, each, 200)
        sizes.append(_log(tmp_path))
        time.sleep(0.01)
    each.close()
    assert max(sizes[5:]) < 2000, f"8,000 pages were written; the log had {sizes}"
    assert writer.execute("SELECT COUNT(*) FROM row").fetchone() == (4000,)


def test_what_a_long_read_still_sees_stays_until_it_has_ended(
    writer: sqlite3.Connection, tmp_path: Path
) -> None:
    each = Checkpoints(writer, _connect(tmp_path))
    _write(writer, each, 10)
    reader = _connect(tmp_path)
    reader.execute("BEGIN")
    assert reader.execute("SELECT COUNT(*) FROM row").fetchone() == (10,)
    _write(writer, each, 1000)
    grown = _log(tmp_path)
    assert grown > 1000, "what is seen no more was written over"
    assert reader.execute("SELECT COUNT(*) FROM row").fetchone() == (10,)
    reader.execute("COMMIT")
    reader.close()
    for _ in range(20):
        _write(writer, each, 100)
        time.sleep(0.01)
    assert _log(tmp_path) < grown + 1500, "the log goes on growing when nobody reads"
    each.close()
    assert writer.execute("SELECT COUNT(*) FROM row").fetchone() == (3010,)


def test_a_database_that_cannot_be_copied_to_still_takes_commits(
    writer: sqlite3.Connection, tmp_path: Path
) -> None:
    broken = _connect(tmp_path)
    broken.close()
    each = Checkpoints(writer, broken)
    _write(writer, each, 500)
    each.close()
    assert writer.execute("SELECT COUNT(*) FROM row").fetchone() == (500,)


def test_what_it_needs_is_open_from_the_beginning(writer: sqlite3.Connection, tmp_path: Path) -> None:
    each = Checkpoints(writer, _connect(tmp_path))
    before = sorted(path.readlink() for path in Path("/proc/self/fd").iterdir() if path.exists())
    _write(writer, each, 500)
    time.sleep(0.1)
    _write(writer, each, 1)
    after = sorted(path.readlink() for path in Path("/proc/self/fd").iterdir() if path.exists())
    each.close()
    assert after == before
