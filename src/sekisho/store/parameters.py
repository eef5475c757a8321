"""``:name`` parameters, turned into PostgreSQL's ``$1`` or SQLite's ``?1``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# What may hold a colon that is no parameter comes first, to be stepped over: literals, names, comments.
_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | :: | :(?P<name>[A-Za-z_]\w*)""",
    re.VERBOSE | re.DOTALL,
)


class Numbered(NamedTuple):
    """SQL with ``$n``; ``names[n - 1]`` is the parameter that ``$n`` stands for."""

    sql: str
    names: tuple[str, ...]


@lru_cache(maxsize=256)
def positional(sql: str) -> str:
    """SQL with SQLite's ``?n``, numbered as :func:`numbered` does."""
    names = {name: number for number, name in enumerate(numbered(sql).names, start=1)}
    return _TOKEN.sub(lambda match: f"?{names[match['name']]}" if match["name"] else match[0], sql)


@lru_cache(maxsize=1024)
def numbered(sql: str) -> Numbered:
    """A name used twice gets one number."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        return f"${names.setdefault(name, len(names) + 1)}"

    return Numbered(_TOKEN.sub(number, sql), tuple(names))
