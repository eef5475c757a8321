"""A query of fleet indexing as a tree of frozen values, and the terms of the documents that it is about.

Values are compared without regard to case, names of fields are not (AWS IoT Developer Guide, Query syntax).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

LONGEST_VALUE = 1000
"""Bytes of UTF-8 of a value that are compared; a query has no more."""

_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,3})?")
FIRST_OF_NUMBERS = frozenset("-0123456789")


class Value(NamedTuple):
    """A value as it is compared; ``number`` where it looks like one."""

    text: str
    number: float | None


Terms = Mapping[str, Sequence[Value]]
"""Field → its values: what of a document can be searched."""

UNSPOKEN = frozenset({"registry.version"})
"""Fields that a term without a field does not search: versions are only aggregated (Query syntax)."""


def lower(text: str) -> str:
    """Without case, each character by itself: the last sigma of a word is as any other, so that the beginning
    of a text is in lower case what it is within the text."""
    return text.lower() if text.isascii() else text.lower().replace("\u03c2", "\u03c3")


def fold(text: str) -> str:
    """Text as it is compared: without case, and no longer than :data:`LONGEST_VALUE`."""
    folded = lower(text)
    if len(folded) <= LONGEST_VALUE // 4 or len(folded.encode()) <= LONGEST_VALUE:
        return folded
    return folded.encode()[:LONGEST_VALUE].decode(errors="ignore")


def number_of(text: str) -> float | None:
    """The number that the text looks like, if it is finite."""
    if text[:1] not in FIRST_OF_NUMBERS or len(text) > 620 or _NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    return number if math.isfinite(number) else None


@dataclass(frozen=True, slots=True)
class Everything:
    """``*``"""


@dataclass(frozen=True, slots=True)
class Exact:
    """``field:value``, or ``value`` in any field (None)."""

    field: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """``field:va*l?e``. ``like`` is the pattern of SQL with ``\\`` as its escape, ``prefix`` what is before
    its first wildcard; ``plain``: a prefix and nothing else."""

    field: str | None
    prefix: str
    like: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Exists:
    """``field:*``"""

    field: str


@dataclass(frozen=True, slots=True)
class Range:
    """From ``low`` to ``high``, None for no end; each end is in it or not. Numbers if both ends are."""

    field: str
    low: str | float | None
    high: str | float | None
    with_low: bool
    with_high: bool

    @property
    def numeric(self) -> bool:
        return isinstance(self.low, float) or isinstance(self.high, float)


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Query


Leaf = Everything | Exact | Pattern | Exists | Range
Query = Leaf | And | Or | Not


class QueryError(ValueError):
    """What is wrong with a query, and where: ``position`` counts characters from 1."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(f"{what} (at character {position})")
        self.position = position


def leaves(query: Query) -> list[Leaf]:
    """From left to right."""
    match query:
        case And(parts) | Or(parts):
            return [leaf for part in parts for leaf in leaves(part)]
        case Not(part):
            return leaves(part)
        case _:
            return [query]


def fields(query: Query) -> set[str]:
    """The fields that a query names."""
    named = (getattr(leaf, "field", None) for leaf in leaves(query))
    return {field for field in named if field is not None}
