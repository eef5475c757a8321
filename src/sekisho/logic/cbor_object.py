"""A map out of CBOR from outside, or words about what is wrong with it (RFC 8949)."""

from __future__ import annotations

from typing import Any

import cbor2

MAX_DEPTH = 16

_BREAK = 0xFF
_KINDS = ("a number", "a number", "a byte string", "a string", "a list", "a map", "a tag", "a simple value")
_MAP = 5
_LENGTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_FLOATS = (25, 26, 27)
_SIMPLE = (20, 21, 22)  # false, true, null


class BadCbor(ValueError):
    """The bytes are not one CBOR map as JSON could say it; the words say where and why."""


def read_cbor_object(data: bytes) -> dict[str, Any]:
    """The one map that ``data`` is; raises `BadCbor`.

    Taken is what has a counterpart in JSON: numbers, text, lists, maps with text as keys, true, false, null;
    of definite or indefinite length, nested no deeper than `MAX_DEPTH`. Tags are refused, as they would have
    values built that nobody here reads.
    """
    if not data:
        raise BadCbor("nothing is there")
    if data[0] >> 5 != _MAP:
        raise BadCbor(f"expected a map, not {_KINDS[data[0] >> 5]}")
    _check(data)
    try:
        found = cbor2.loads(data)
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError) as error:
        raise BadCbor(f"it cannot be read: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise BadCbor("expected a map")
    return found


def write_cbor(document: dict[str, Any]) -> bytes:
    return bytes(cbor2.dumps(document))


class _Open:
    """A list, a map or a text in pieces that has begun: how many items are to come, None until a break."""

    __slots__ = ("is_map", "is_text", "key_next", "left")

    def __init__(self, major: int, left: int | None) -> None:
        self.is_map = major == _MAP
        self.is_text = major == 3
        self.left = left
        self.key_next = self.is_map


def _check(data: bytes) -> None:
    """Walk over the items without building anything, so that no length that is only claimed costs memory."""
    stack: list[_Open] = []
    at = 0
    while True:
        at = _item(data, at, stack)
        while stack and stack[-1].left == 0:
            stack.pop()
        if not stack:
            break
    if at != len(data):
        raise BadCbor(f"{len(data) - at} bytes follow the map")


def _item(data: bytes, at: int, stack: list[_Open]) -> int:
    """The place behind the item at ``at``; what it opens is on the stack."""
    if at >= len(data):
        raise BadCbor("it is cut off")
    first = data[at]
    within = stack[-1] if stack else None
    if first == _BREAK:
        if within is None or within.left is not None or (within.is_map and not within.key_next):
            raise BadCbor(f"a break at byte {at} ends nothing")
        within.left = 0
        return at + 1
    major, information = first >> 5, first & 31
    if within is not None:
        _take(within, major, information, at)
    start, at = at, at + 1
    if major in (6, 2):
        raise BadCbor(f"{_KINDS[major]} at byte {start}, which nothing here takes")
    if major == 7:
        if information not in _SIMPLE and information not in _FLOATS:
            raise BadCbor(f"a simple value at byte {start} that JSON has not")
        return _behind(data, at, _LENGTHS.get(information, 0))
    if information == 31 and major >= 3:
        return _open(stack, _Open(major, None), at)
    if information > 27:
        raise BadCbor(f"a length at byte {start} that CBOR has not")
    size = _LENGTHS.get(information, 0)
    end = _behind(data, at, size)
    count = int.from_bytes(data[at:end], "big") if size else information
    if major < 2:
        return end
    if major == 3:
        return _behind(data, end, count)
    return _open(stack, _Open(major, count * 2 if major == _MAP else count), end)


def _take(within: _Open, major: int, information: int, at: int) -> None:
    if within.is_text and (major != 3 or information == 31):
        raise BadCbor(f"{_KINDS[major]} at byte {at} within a string")
    if within.key_next and (major != 3 or information == 31):
        raise BadCbor(f"{_KINDS[major]} at byte {at}, where a name is expected")
    if within.is_map:
        within.key_next = not within.key_next
    if within.left is not None:
        within.left -= 1


def _open(stack: list[_Open], opened: _Open, at: int) -> int:
    if len(stack) >= MAX_DEPTH:
        raise BadCbor(f"nested deeper than {MAX_DEPTH}")
    stack.append(opened)
    return at


def _behind(data: bytes, at: int, size: int) -> int:
    if size > len(data) - at:
        raise BadCbor("it is cut off")
    return at + size
