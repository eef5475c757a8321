"""What an operation returned, as the JSON that its output shape names; all else is dropped."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import orjson
from botocore.model import ListShape, MapShape, Shape, StructureShape

from sekisho.aws import timestamps

Write = Callable[[Any], Any]


class OutputError(TypeError):
    """An operation returned what its output shape does not allow: a mistake of ours, never of the client's.

    Names the member and the types, not the value.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []

    def __str__(self) -> str:
        return f"{'.'.join(reversed(self.path)) or 'the result'}: {self.reason}"


def refuse(wanted: str, value: Any) -> OutputError:
    return OutputError(f"{wanted} is needed, not {type(value).__name__}")


def write_string(value: Any) -> str:
    if not isinstance(value, str):
        raise refuse("a string", value)
    return value


def write_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise refuse("a boolean", value)
    return value


def write_integer(value: Any) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise refuse("an integer", value)
    return int(value)


def write_float(value: Any) -> float | str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refuse("a number", value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def as_bytes(value: Any) -> bytes:
    """A blob's bytes; a string stands for its UTF-8, as it does on the client."""
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise refuse("bytes", value)
    return bytes(value)


def write_blob(value: Any) -> str:
    return base64.b64encode(as_bytes(value)).decode()


def timestamp_writer(shape: Shape, default: str) -> Write:
    form = shape.serialization.get("timestampFormat", default).lower()

    def write_timestamp(value: Any) -> float | int | str:
        if isinstance(value, bool) or not isinstance(value, (int, float, datetime)):
            raise refuse("a timestamp", value)
        try:
            return timestamps.to_wire(value, form)
        except (ValueError, OverflowError) as error:
            raise OutputError(str(error)) from None

    return write_timestamp


def write_anything(value: Any) -> Any:
    return value


SCALARS: dict[str, Write] = {
    "string": write_string,
    "character": write_string,
    "boolean": write_boolean,
    "float": write_float,
    "double": write_float,
    "blob": write_blob,
    "integer": write_integer,
    "long": write_integer,
    "short": write_integer,
    "byte": write_integer,
}


def to_text(shape: Shape, value: Any, timestamp_format: str) -> str:
    """A scalar as it stands in a header or in XML."""
    if shape.type_name == "timestamp":
        return str(timestamp_writer(shape, timestamp_format)(value))
    if shape.type_name not in SCALARS:
        raise OutputError(f"a {shape.type_name} has no text")
    written = SCALARS[shape.type_name](value)
    return str(written).lower() if isinstance(written, bool) else str(written)


def header_text(shape: Shape, value: Any) -> str:
    """A header's value; never one that could start another header."""
    if shape.serialization.get("jsonvalue"):
        text = base64.b64encode(orjson.dumps(value)).decode()
    elif isinstance(shape, ListShape):
        text = ", ".join(_header_item(shape.member, item) for item in value)
    else:
        text = to_text(shape, value, "rfc822")
    if not text.isprintable() or not text.isascii():
        raise OutputError("a header holds printable ASCII only")
    return text


def _header_item(shape: Shape, item: Any) -> str:
    text = to_text(shape, item, "rfc822")
    if shape.type_name == "string" and ("," in text or '"' in text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


class StructureWriter:
    """Members by AWS's names into names on the wire."""

    __slots__ = ("_bodyless", "_fields", "_shape", "_writers")

    def __init__(
        self, shape: StructureShape, writers: Writers, bodyless: frozenset[str] = frozenset()
    ) -> None:
        self._shape = shape
        self._writers = writers
        self._bodyless = bodyless
        self._fields: list[tuple[str, str, Write]] | None = None

    def _compile(self) -> list[tuple[str, str, Write]]:
        # Not before the first use: a shape may contain itself.
        self._fields = [
            (name, member.serialization.get("name", name), self._writers.writer(member))
            for name, member in self._shape.members.items()
            if name not in self._bodyless
        ]
        return self._fields

    def __call__(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise refuse("a structure", value)
        written: dict[str, Any] = {}
        for name, wire_name, write in self._fields if self._fields is not None else self._compile():
            inner = value.get(name)
            if inner is None:
                continue
            try:
                written[wire_name] = write(inner)
            except OutputError as error:
                error.path.append(name)
                raise
        return written


class Writers:
    """The writers of one service's shapes, made when first asked for."""

    def __init__(self) -> None:
        self._structures: dict[str, StructureWriter] = {}

    def writer(self, shape: Shape) -> Write:
        """What turns a value into JSON as this shape says; it raises :class:`OutputError`."""
        match shape:
            case StructureShape():
                return write_anything if shape.is_document_type else self.structure(shape)
            case ListShape():
                return self._list(shape)
            case MapShape():
                return self._map(shape)
        if shape.type_name == "timestamp":
            return timestamp_writer(shape, "unixtimestamp")
        return SCALARS[shape.type_name]

    def structure(self, shape: StructureShape) -> StructureWriter:
        found = self._structures.get(shape.name)
        if found is None:
            found = self._structures[shape.name] = StructureWriter(shape, self)
        return found

    def _list(self, shape: ListShape) -> Write:
        write = self.writer(shape.member)

        def write_list(value: Any) -> list[Any]:
            if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
                raise refuse("a list", value)
            written = []
            for item in value:
                try:
                    written.append(write(item))
                except OutputError as error:
                    error.path.append(str(len(written)))
                    raise
            return written

        return write_list

    def _map(self, shape: MapShape) -> Write:
        write = self.writer(shape.value)

        def write_map(value: Any) -> dict[str, Any]:
            if not isinstance(value, Mapping):
                raise refuse("a map", value)
            written = {}
            for key, item in value.items():
                if item is None:
                    continue
                try:
                    written[write_string(key)] = write(item)
                except OutputError as error:
                    error.path.append(str(key))
                    raise
            return written

        return write_map


def dumps(document: Any) -> bytes:
    """JSON text; OutputError for what has none (a lone surrogate, an integer past 64 bits)."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError as error:
        raise OutputError(str(error)) from None
