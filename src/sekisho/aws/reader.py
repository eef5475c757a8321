"""Parsed JSON turned into members as their shapes say: types checked, blobs and times decoded."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sekisho.aws import timestamps

Read = Callable[[Any], Any]

INTEGERS = {"integer": 2**31, "long": 2**63, "short": 2**15, "byte": 2**7}
SPECIAL_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
KINDS = {
    dict: "a structure",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class WrongType(ValueError):
    """What was sent is not what the shape asks for. ``path`` collects member names, innermost first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []

    def told(self) -> str:
        """One sentence naming the member; never the value."""
        where = ".".join(reversed(self.path)) or "the body"
        return f"{where}: {self.reason}"[:400]


def refuse(wanted: str, value: Any) -> WrongType:
    return WrongType(f"{wanted} is needed, not {KINDS.get(type(value), 'this')}")


def read_string(value: Any) -> str:
    if type(value) is not str:
        raise refuse("a string", value)
    return value


def read_boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise refuse("a boolean", value)
    return value


def integer_reader(type_name: str) -> Read:
    bound = INTEGERS[type_name]

    def read_integer(value: Any) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise refuse("an integer", value)
        if not -bound <= value < bound:
            raise WrongType(f"a number that does not fit the type {type_name}")
        return value

    return read_integer


def read_float(value: Any) -> float:
    if type(value) is int or type(value) is float:
        return float(value)
    if type(value) is str and value in SPECIAL_FLOATS:
        return SPECIAL_FLOATS[value]
    raise refuse("a number", value)


def read_blob(value: Any) -> bytes:
    if type(value) is not str:
        raise refuse("a Base64 string", value)
    try:
        return binascii.a2b_base64(value.encode("ascii"), strict_mode=True) if value else b""
    except (binascii.Error, UnicodeEncodeError):
        raise WrongType("this is not Base64") from None


def read_timestamp(value: Any) -> float:
    try:
        if type(value) is int or type(value) is float:
            return timestamps.from_number(value)
        if type(value) is str:
            return timestamps.from_text(value)
    except ValueError as error:
        raise WrongType(str(error)) from None
    raise refuse("a timestamp", value)


def read_anything(value: Any) -> Any:
    return value


SCALARS: dict[str, Read] = {
    "string": read_string,
    "character": read_string,
    "boolean": read_boolean,
    "float": read_float,
    "double": read_float,
    "blob": read_blob,
    "timestamp": read_timestamp,
    **{name: integer_reader(name) for name in INTEGERS},
}


class StructureReader:
    """Members by their names on the wire; unknown ones and nulls are left out, as AWS does."""

    __slots__ = ("_bodyless", "_fields", "_readers", "_shape")

    def __init__(
        self, shape: StructureShape, readers: Readers, bodyless: frozenset[str] = frozenset()
    ) -> None:
        self._shape = shape
        self._readers = readers
        self._bodyless = bodyless
        self._fields: dict[str, tuple[str, Read]] | None = None

    def _compile(self) -> dict[str, tuple[str, Read]]:
        # Not before the first use: a shape may contain itself.
        self._fields = {
            member.serialization.get("name", name): (name, self._readers.reader(member))
            for name, member in self._shape.members.items()
            if name not in self._bodyless
        }
        return self._fields

    def __call__(self, value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise refuse("a structure", value)
        fields = self._fields if self._fields is not None else self._compile()
        found: dict[str, Any] = {}
        for key, inner in value.items():
            field = fields.get(key)
            if field is None or inner is None:
                continue
            try:
                found[field[0]] = field[1](inner)
            except WrongType as error:
                error.path.append(field[0])
                raise
        return found


class Readers:
    """The readers of one service's shapes, made when first asked for."""

    def __init__(self) -> None:
        self._structures: dict[str, StructureReader] = {}

    def reader(self, shape: Shape) -> Read:
        """What turns parsed JSON into a value of this shape; it raises :class:`WrongType`."""
        match shape:
            case StructureShape():
                return read_anything if shape.is_document_type else self.structure(shape)
            case ListShape():
                return self._list(shape)
            case MapShape():
                return self._map(shape)
        return SCALARS[shape.type_name]

    def structure(self, shape: StructureShape) -> StructureReader:
        found = self._structures.get(shape.name)
        if found is None:
            found = self._structures[shape.name] = StructureReader(shape, self)
        return found

    def _list(self, shape: ListShape) -> Read:
        read = self.reader(shape.member)

        def read_list(value: Any) -> list[Any]:
            if type(value) is not list:
                raise refuse("a list", value)
            found = []
            for inner in value:
                try:
                    # A null stays, for the constraints to refuse it by its place.
                    found.append(None if inner is None else read(inner))
                except WrongType as error:
                    error.path.append(f"{len(found) + 1}.member")
                    raise
            return found

        return read_list

    def _map(self, shape: MapShape) -> Read:
        read = self.reader(shape.value)

        def read_map(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise refuse("a map", value)
            found = {}
            for key, inner in value.items():
                try:
                    found[key] = None if inner is None else read(inner)
                except WrongType as error:
                    error.path.append(f"{key[:64]}.member")
                    raise
            return found

        return read_map
