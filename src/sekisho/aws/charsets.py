"""Sets of code points, for the character classes of Java's regular expressions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

LAST = 0x10FFFF

CharSet = tuple[tuple[int, int], ...]
"""Sorted, disjoint, non-adjacent ranges, both ends included."""


def of(*ranges: tuple[int, int]) -> CharSet:
    """The set of what any of the ranges holds."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def chars(text: str) -> CharSet:
    return of(*((ord(char), ord(char)) for char in text))


def union(sets: Iterable[CharSet]) -> CharSet:
    return of(*(pair for members in sets for pair in members))


def invert(members: CharSet) -> CharSet:
    gaps = []
    start = 0
    for low, high in members:
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= LAST:
        gaps.append((start, LAST))
    return tuple(gaps)


def intersect(one: CharSet, other: CharSet) -> CharSet:
    return invert(union((invert(one), invert(other))))


def to_class(members: CharSet) -> str:
    """The set as a class of Python's ``re``, every character spelled by its number."""
    if not members:
        return "(?!)"
    return f"[{''.join(_number(low) + ('-' + _number(high) if high > low else '') for low, high in members)}]"


def _number(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


DIGIT = of((0x30, 0x39))
UPPER = of((0x41, 0x5A))
LOWER = of((0x61, 0x7A))
ALPHA = union((UPPER, LOWER))
ALNUM = union((ALPHA, DIGIT))
PUNCT = chars("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
GRAPH = union((ALNUM, PUNCT))
SPACE = chars(" \t\n\x0b\f\r")
WORD = union((ALNUM, chars("_")))
LINE_ENDS = chars("\n\r\x85\u2028\u2029")

POSIX: dict[str, CharSet] = {
    "ASCII": of((0, 0x7F)),
    "Alnum": ALNUM,
    "Alpha": ALPHA,
    "Blank": chars(" \t"),
    "Cntrl": of((0, 0x1F), (0x7F, 0x7F)),
    "Digit": DIGIT,
    "Graph": GRAPH,
    "Lower": LOWER,
    "Print": union((GRAPH, chars(" "))),
    "Punct": PUNCT,
    "Space": SPACE,
    "Upper": UPPER,
    "XDigit": of((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}
"""US-ASCII only, as ``\\p{Alpha}`` is in java.util.regex.Pattern without UNICODE_CHARACTER_CLASS."""


@lru_cache(maxsize=1)
def _categories() -> dict[str, list[tuple[int, int]]]:
    # Planes 4 to 13 are unassigned and 15 and 16 private (The Unicode Standard, chapter 2.8): not walked.
    found: dict[str, list[tuple[int, int]]] = {}
    for start, stop in ((0, 0x40000), (0xE0000, 0xF0000)):
        names = map(unicodedata.category, map(chr, range(start, stop)))
        at = start
        for name, same in groupby(names):
            length = sum(1 for _ in same)
            found.setdefault(name, []).append((at, at + length - 1))
            at += length
    found.setdefault("Cn", []).extend([(0x40000, 0xDFFFF), (0xFFFFE, 0xFFFFF), (0x10FFFE, LAST)])
    found.setdefault("Co", []).extend([(0xF0000, 0xFFFFD), (0x100000, 0x10FFFD)])
    return found


@lru_cache(maxsize=64)
def category(name: str) -> CharSet:
    """A general category of Unicode, ``L`` or ``Lu``; KeyError if there is none of that name."""
    found = [ranges for full, ranges in _categories().items() if full == name or full[0] == name]
    if not found:
        raise KeyError(name)
    return of(*(pair for ranges in found for pair in ranges))
