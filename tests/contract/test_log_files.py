"""Log groups as files: rotation, bounds, and names that are no paths."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from sekisho.services import log_files
from sekisho.services.log_files import LogFiles, file_of


def put(files: LogFiles, *lines: bytes, group: str = "group") -> None:
    for line in lines:
        files.put("123456789012", "eu-west-1", group, line)


def read(folder, suffix: str = "", group: str = "group") -> list[bytes]:
    path = file_of(folder, "123456789012", "eu-west-1", group)
    return path.with_name(path.name + suffix).read_bytes().splitlines()


def test_what_was_put_is_written_in_order_and_appended(tmp_path):
    async def body() -> None:
        files = LogFiles(tmp_path, 1000, 2)
        put(files, b"1", b"2")
        await files.flush()
        put(files, b"3")
        put(files, b"x", group="other")
        await files.flush()
        await files.flush()

    asyncio.run(body())
    assert read(tmp_path) == [b"1", b"2", b"3"]
    assert read(tmp_path, group="other") == [b"x"]
    for path in tmp_path.rglob("*.jsonl"):
        assert path.stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_files_are_rotated_and_the_oldest_go(tmp_path, at_once):
    lines = [b"%09d" % number for number in range(100)]

    async def body() -> None:
        files = LogFiles(tmp_path, 100, 2)
        for start in range(0, len(lines), at_once):
            put(files, *lines[start : start + at_once])
            await files.flush()

    asyncio.run(body())
    kept = [*read(tmp_path, ".2"), *read(tmp_path, ".1"), *read(tmp_path)]
    assert kept == lines[-len(kept) :]
    assert len(kept) > 20
    names = sorted(path.name for path in tmp_path.rglob("group*"))
    assert names == ["group.jsonl", "group.jsonl.1", "group.jsonl.2"]
    assert all(path.stat().st_size <= 100 for path in tmp_path.rglob("group*"))


def test_a_line_that_is_larger_than_a_file_has_one(tmp_path):
    async def body() -> None:
        files = LogFiles(tmp_path, 10, 1)
        put(files, b"a" * 50, b"b" * 50)
        await files.flush()

    asyncio.run(body())
    assert (read(tmp_path, ".1"), read(tmp_path)) == ([b"a" * 50], [b"b" * 50])


def test_without_older_files_only_the_newest_is_kept(tmp_path):
    async def body() -> None:
        files = LogFiles(tmp_path, 10, 0)
        put(files, b"1234567", b"abcdefg")
        await files.flush()

    asyncio.run(body())
    assert read(tmp_path) == [b"abcdefg"]
    assert len(list(tmp_path.rglob("group*"))) == 1


def test_a_flood_is_bounded_and_the_next_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "WAITING", 100)

    async def body() -> None:
        files = LogFiles(tmp_path, 1000, 1)
        put(files, *[b"%010d" % number for number in range(20)])
        await files.flush()
        put(files, b"next")
        await files.flush()

    asyncio.run(body())
    assert read(tmp_path) == [*(b"%010d" % number for number in range(10)), b"next"]


def test_a_folder_that_cannot_be_written_fails_nobody(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")

    async def body() -> None:
        files = LogFiles(blocked, 1000, 1)
        put(files, b"1")
        await files.flush()

    asyncio.run(body())
    assert blocked.read_text() == "a file where the folder should be"


@pytest.mark.parametrize("group", ["a/b", "..", "../../etc/passwd", ".", "#", "/"])
def test_a_group_is_one_file_of_its_place(tmp_path, group):
    path = file_of(tmp_path, "123456789012", "eu-west-1", group)
    assert path.resolve().parent == tmp_path / "123456789012" / "eu-west-1"
    assert path.name not in ("", ".", "..")


def test_a_file_that_cannot_be_written_is_named_once(tmp_path):
    folder = tmp_path / "logs"

    async def body() -> None:
        files = LogFiles(folder, 1000, 2)
        folder.write_text("where the folder should be")
        for _ in range(3):
            put(files, b"1", b"2")
            await files.flush()
        folder.unlink()
        for _ in range(2):
            put(files, b"3")
            await files.flush()

    with capture_logs() as told:
        asyncio.run(body())
    assert [one["log_level"] for one in told] == ["error", "warning"]
    assert "Not a directory" in told[0]["error"] and told[0]["file"].endswith("group.jsonl")
    assert told[1]["lost"] == 6
    assert read(folder) == [b"3", b"3"]


@pytest.mark.parametrize("last", ["a", "b"])
def test_the_longest_names_have_files_of_their_own(tmp_path, last):
    """A name that AWS takes: 512 characters, each of which may take three in a file's name."""
    groups = ["/" * 511 + last for last in "ab"]

    async def body() -> None:
        files = LogFiles(tmp_path, 1000, 2)
        for group in groups:
            put(files, group.encode(), group=group)
        await files.flush()

    asyncio.run(body())
    group = "/" * 511 + last
    assert read(tmp_path, group=group) == [group.encode()]
    assert len(list(tmp_path.rglob("*.jsonl"))) == 2
