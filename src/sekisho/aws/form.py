"""The query protocol's input: nested members flattened into the fields of a form.

Source: Smithy, "AWS query protocol", "Query key resolution".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sekisho.aws.reader import WrongType
from sekisho.aws.text import TEXT_SCALARS

MAX_DEPTH = 32
"""Dots in one field's name."""

VALUE = ""
Node = dict[str, Any]
"""Field names split at their dots; a node's own text is under the empty name."""


def read_form(shape: StructureShape, fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The members that a form holds; unknown fields are ignored. Raises :class:`WrongType`."""
    root: Node = {}
    for name, value in fields:
        parts = name.split(".")
        if len(parts) > MAX_DEPTH:
            raise WrongType("a field's name is nested too deeply")
        node = root
        for part in parts:
            node = node.setdefault(part + ".", {})
        node.setdefault(VALUE, value)
    found: dict[str, Any] = _structure(shape, root)
    return found


def _read(shape: Shape, node: Node) -> Any:
    match shape:
        case StructureShape():
            return _structure(shape, node)
        case ListShape():
            return _list(shape, node)
        case MapShape():
            return _map(shape, node)
    if VALUE not in node:
        raise WrongType("a value is needed")
    return TEXT_SCALARS[shape.type_name](node[VALUE])


def _named(shape: Shape, node: Node, name: str, found: dict[str, Any], key: str) -> None:
    inner = node.get(name + ".")
    if inner is None:
        return
    try:
        found[key] = _read(shape, inner)
    except WrongType as error:
        error.path.append(key)
        raise


def _structure(shape: StructureShape, node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, member in shape.members.items():
        name = member.serialization.get("name", key)
        if isinstance(member, ListShape) and member.serialization.get("flattened"):
            # A flattened list goes by its member's name.
            name = member.member.serialization.get("name", name)
        _named(member, node, name, found, key)
    return found


def _numbered(node: Node) -> list[Node]:
    numbers = [
        (int(name[:-1]), inner)
        for name, inner in node.items()
        if name != VALUE and len(name) <= 7 and name[:-1].isascii() and name[:-1].isdigit()
    ]
    return [inner for _, inner in sorted(numbers, key=lambda pair: pair[0])]


def _list(shape: ListShape, node: Node) -> list[Any]:
    if not shape.serialization.get("flattened"):
        node = node.get(shape.member.serialization.get("name", "member") + ".", {})
    found: list[Any] = []
    for inner in _numbered(node):
        try:
            found.append(_read(shape.member, inner))
        except WrongType as error:
            error.path.append(f"{len(found) + 1}.member")
            raise
    return found


def _map(shape: MapShape, node: Node) -> dict[str, Any]:
    if not shape.serialization.get("flattened"):
        node = node.get("entry.", {})
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    found: dict[str, Any] = {}
    for inner in _numbered(node):
        entry: dict[str, Any] = {}
        _named(shape.key, inner, key_name, entry, "key")
        _named(shape.value, inner, value_name, entry, "value")
        if "key" not in entry:
            raise WrongType("a map's entry has no key")
        found[entry["key"]] = entry.get("value")
    return found
