"""The block of lines that `sekisho hosts --write` keeps in a file."""

from __future__ import annotations

import stat

from sekisho.cli.hosts import BEGIN, END, with_block, write_block

BLOCK = f"{BEGIN}\n127.0.0.1 a b\n{END}\n"
LINES = ["127.0.0.1 a b"]


def test_the_block_comes_at_the_end():
    assert with_block("", LINES) == BLOCK
    assert with_block("127.0.0.1 localhost\n", LINES) == f"127.0.0.1 localhost\n{BLOCK}"
    assert with_block("127.0.0.1 localhost", LINES) == f"127.0.0.1 localhost\n{BLOCK}"


def test_the_block_is_replaced_where_it_is():
    before = f"one\n{BEGIN}\n10.0.0.1 old\n10.0.0.1 older\n{END}\ntwo\n"
    assert with_block(before, LINES) == f"one\n{BLOCK}two\n"
    assert with_block(with_block(before, LINES), LINES) == f"one\n{BLOCK}two\n"


def test_a_block_without_an_end_costs_nobody_a_line():
    before = f"one\n{BEGIN}\ntwo\n"
    assert with_block(before, LINES) == before + BLOCK


def test_a_file_is_made_or_changed_and_keeps_its_mode(tmp_path):
    file = tmp_path / "hosts"
    write_block(file, LINES)
    assert file.read_text() == BLOCK
    file.write_text("one\n")
    file.chmod(0o640)
    write_block(file, LINES)
    assert file.read_text() == f"one\n{BLOCK}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [file]
