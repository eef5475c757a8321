"""Members that travel as text: in a path, a query string, a header or a form."""

from __future__ import annotations

import binascii
import re
from typing import Any
from urllib.parse import parse_qsl

import orjson
from botocore.model import ListShape, Shape

from sekisho.aws.errors import SerializationException
from sekisho.aws.reader import INTEGERS, SCALARS, Read, WrongType, read_blob, read_string, read_timestamp

MAX_FIELDS = 1000
"""Of a query string or a form."""

_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_FLOAT = re.compile(r"[+-]?\d{1,310}(\.\d{0,310})?([eE][+-]?\d{1,4})?|NaN|-?Infinity", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_LIST_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))\s*(?:,|$)')


def pairs(text: str) -> list[tuple[str, str]]:
    """The decoded fields of a query string or form, empty ones included. Raises SerializationException."""
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeError:
        raise SerializationException("the query or form is not UTF-8") from None
    except ValueError:
        raise SerializationException(f"the query or form has more than {MAX_FIELDS} fields") from None


def read_text_boolean(value: str) -> bool:
    found = _BOOLEANS.get(value.lower())
    if found is None:
        raise WrongType("true or false is needed")
    return found


def read_text_float(value: str) -> float:
    if not _FLOAT.fullmatch(value):
        raise WrongType("a number is needed")
    return float(value)


def text_integer_reader(type_name: str) -> Read:
    read = SCALARS[type_name]

    def read_text_integer(value: str) -> Any:
        if not _INTEGER.fullmatch(value):
            raise WrongType("an integer is needed")
        return read(int(value))

    return read_text_integer


TEXT_SCALARS: dict[str, Read] = {
    "string": read_string,
    "character": read_string,
    "boolean": read_text_boolean,
    "float": read_text_float,
    "double": read_text_float,
    "blob": read_blob,
    "timestamp": read_timestamp,
    **{name: text_integer_reader(name) for name in INTEGERS},
}


def read_json_value(value: str) -> Any:
    """A header that holds JSON in Base64 (Smithy, "mediaType trait": ``jsonvalue`` in the models)."""
    try:
        return orjson.loads(binascii.a2b_base64(value.encode("latin-1", "replace")))
    except ValueError:
        raise WrongType("JSON in Base64 is needed") from None


def header_reader(shape: Shape) -> Read:
    """What turns a header's value into a member; it raises :class:`WrongType`."""
    if shape.serialization.get("jsonvalue"):
        return read_json_value
    if not isinstance(shape, ListShape):
        return TEXT_SCALARS[shape.type_name]
    read = TEXT_SCALARS[shape.member.type_name]
    # An HTTP date has a comma of its own (Smithy, "httpHeader trait").
    dates = shape.member.type_name == "timestamp" and (
        shape.member.serialization.get("timestampFormat", "rfc822").lower() == "rfc822"
    )
    return lambda value: [read(item) for item in _split(value, 2 if dates else 1)]


def _split(value: str, commas: int) -> list[str]:
    items = []
    at = 0
    while at < len(value) and (found := _LIST_ITEM.match(value, at)):
        quoted, plain = found.groups()
        items.append(plain.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at = found.end()
    if commas == 1:
        return items
    return [", ".join(items[i : i + commas]) for i in range(0, len(items), commas)]
