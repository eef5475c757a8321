"""Whether a document is what a query asks for; the same as :mod:`sekisho.logic.query_sql` finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from sekisho.logic.query import (
    UNSPOKEN,
    And,
    Everything,
    Exact,
    Exists,
    Not,
    Or,
    Pattern,
    Query,
    Range,
    Terms,
    Value,
)


def matches(query: Query, document: Terms) -> bool:
    match query:
        case And(parts):
            return all(matches(part, document) for part in parts)
        case Or(parts):
            return any(matches(part, document) for part in parts)
        case Not(part):
            return not matches(part, document)
        case Everything():
            return True
        case Exists(field):
            return bool(document.get(field))
        case Exact(field, text):
            return any(value.text == text for value in _values(document, field))
        case Pattern(field, _, like, _):
            wanted = _matcher(like)
            return any(wanted(value.text) for value in _values(document, field))
        case Range(field):
            return any(_within(query, value) for value in _values(document, field))


def _values(document: Terms, field: str | None) -> Iterable[Value]:
    """A field's values, or all that a term without a field searches."""
    if field is not None:
        return document.get(field, ())
    return (value for name, values in document.items() if name not in UNSPOKEN for value in values)


def _within(asked: Range, value: Value) -> bool:
    if asked.numeric:
        if value.number is None:
            return False
        return _between(asked, value.number)
    return _between(asked, value.text)


def _between(asked: Range, found: str | float) -> bool:
    low, high = asked.low, asked.high
    # Text is ordered by its UTF-8 bytes, which is the order of its code points.
    if low is not None and not (found > low or (asked.with_low and found == low)):  # type: ignore[operator]
        return False
    return high is None or bool(found < high or (asked.with_high and found == high))  # type: ignore[operator]


@lru_cache(maxsize=1024)
def _matcher(like: str) -> Callable[[str], object]:
    """A pattern of SQL's LIKE as a regular expression; it has at most two ``%``."""
    parts: list[str] = []
    escaped = False
    for char in like:
        if escaped:
            parts.append(re.escape(char))
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            parts.append({"%": ".*", "_": "."}.get(char) or re.escape(char))
    return re.compile("".join(parts), re.DOTALL).fullmatch
