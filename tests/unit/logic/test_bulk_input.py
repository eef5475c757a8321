"""Lines out of a stream, and what a line must be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.logic.bulk_input import MOST_BYTES, MOST_CHARACTERS, BadLine, Line, Lines, parameters_of

PIECES = st.lists(st.text("ab\n\r é").map(str.encode), max_size=30)


def cut(pieces: list[bytes], number: int = 0, offset: int = 0) -> list[Line]:
    lines = Lines(number, offset)
    found = [line for piece in pieces for line in lines.feed(piece)]
    return found + list(lines.finish())


@given(PIECES)
def test_lines_are_what_splitting_the_whole_gives(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    found = cut(pieces)
    wanted = whole.split(b"\n")
    if not wanted[-1]:
        wanted.pop()
    assert [line.text for line in found] == wanted
    assert [line.number for line in found] == list(range(1, len(wanted) + 1))
    for line in found:
        assert whole[line.offset : line.end].removesuffix(b"\n") == line.text
    assert not found or found[-1].end == len(whole)


@given(PIECES, st.data())
def test_going_on_at_any_line_gives_the_rest(pieces: list[bytes], data: st.DataObject) -> None:
    found = cut(pieces)
    at = data.draw(st.integers(0, len(found)))
    start = found[at - 1].end if at else 0
    assert cut([b"".join(pieces)[start:]], at, start) == found[at:]


def test_a_line_that_is_too_long_is_counted_and_not_kept() -> None:
    lines = Lines()
    for _ in range(100):
        assert list(lines.feed(bytes(MOST_BYTES // 10))) == []
    found = list(lines.feed(b"\n{}\n"))
    assert [line.text for line in found] == [None, b"{}"]
    assert found[1].offset == found[0].end == MOST_BYTES * 10 + 1


def test_parameters() -> None:
    assert parameters_of(b'{"Name":"a","CSR":"b"}\r') == {"Name": "a", "CSR": "b"}
    assert parameters_of(b"{}") == {}
    longest = b'{"a":"' + b"x" * (MOST_CHARACTERS - 8) + b'"}'
    assert len(parameters_of(longest)["a"]) == MOST_CHARACTERS - 8


@pytest.mark.parametrize(
    "line, word",
    [
        (None, "characters"),
        (b'{"a":"' + b"x" * MOST_CHARACTERS + b'"}', "characters"),
        (b"\xff", "UTF-8"),
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[1]", "JSON object"),
        (b'"a"', "JSON object"),
        (b'{"a":1}', "'a' must be a string"),
        (b'{"a":{"b":"c"}}', "'a' must be a string"),
    ],
)
def test_what_is_no_line(line: bytes | None, word: str) -> None:
    with pytest.raises(BadLine, match=word):
        parameters_of(line)
