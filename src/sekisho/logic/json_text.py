"""A JSON object out of a text from outside, or words about what is wrong with it."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class BadJson(ValueError):
    """The text is not one JSON object; the words say where and why."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadJson(f"the key {shown(key)} is there twice in one object")
        found[key] = value
    return found


def _no_constant(text: str) -> NoReturn:
    raise BadJson(f"{text} is not JSON")


# A reader of its own: json.loads would build one per call for these hooks.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def read_object(text: str) -> dict[str, Any]:
    """The one JSON object that ``text`` is; raises `BadJson`.

    Refused besides what RFC 8259 refuses: a key twice in one object (readers would disagree on which counts),
    NaN and Infinity, numbers too long to convert, nesting deeper than the interpreter's own limit.
    """
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise BadJson(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise BadJson("nested too deeply") from None
    except BadJson:
        raise
    except ValueError:
        raise BadJson("a number in it is too long") from None
    if not isinstance(value, dict):
        raise BadJson(f"expected a JSON object, not {kind_of(value)}")
    return value


def kind_of(value: object) -> str:
    """What JSON calls a value's type, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list() | tuple():
            return "a list"
    return "an object"


def shown(text: str, limit: int = 120) -> str:
    """A text from outside as it may stand in an error: quoted, cut, what cannot be printed escaped."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return f'"{cut}"'
