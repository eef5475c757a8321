"""How the protocols lay an operation's input out in a request: rest-json, json and query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from botocore.model import ListShape, MapShape, StructureShape

from sekisho.aws.errors import SerializationException
from sekisho.aws.form import read_form
from sekisho.aws.reader import Read, Readers, StructureReader, WrongType
from sekisho.aws.request import Request
from sekisho.aws.text import TEXT_SCALARS, header_reader, pairs

Bind = Callable[[Request, Mapping[str, str]], dict[str, Any]]
"""From a request and its path labels to the members. Raises SerializationException."""

LOCATIONS = frozenset({"uri", "querystring", "header", "headers"})
FORM = "application/x-www-form-urlencoded"


def parse_json(body: bytes) -> Any:
    """The body's JSON; an empty one is an empty object."""
    try:
        return orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        raise SerializationException("the body is not JSON") from None


def in_body(shape: StructureShape) -> frozenset[str]:
    """The members of an input that have no place of their own."""
    return frozenset(
        name for name, m in shape.members.items() if m.serialization.get("location") not in LOCATIONS
    )


def bind_nothing(request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
    """An operation without input looks at nothing."""
    return {}


class Json:
    """json 1.0 and 1.1: everything is in the body."""

    def __init__(self, shape: StructureShape, readers: Readers) -> None:
        self._read = readers.structure(shape)

    def __call__(self, request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
        return self._read(parse_json(request.body))


class Query:
    """The query protocol: a form, in the body or in the URL."""

    def __init__(self, shape: StructureShape) -> None:
        self._shape = shape

    def __call__(self, request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
        return read_form(self._shape, form_fields(request))


def form_fields(request: Request) -> list[tuple[str, str]]:
    """The fields of the URL and, of a POST, of the body."""
    fields = pairs(request.query) if request.query else []
    if request.body and request.method == "POST":
        try:
            fields += pairs(request.body.decode())
        except UnicodeDecodeError:
            raise SerializationException("the form is not UTF-8") from None
    return fields


class RestJson:
    """rest-json: labels, query string, headers, and a body that is JSON or one member's bytes.

    Source: Smithy, "AWS restJson1 protocol".
    """

    def __init__(self, shape: StructureShape, readers: Readers) -> None:
        self._labels: list[tuple[str, str, Read]] = []
        self._query: dict[str, tuple[str, Read, bool]] = {}
        self._query_map: tuple[str, bool] | None = None
        self._headers: list[tuple[str, str, Read]] = []
        self._prefixes: list[tuple[str, str]] = []
        self._payload: tuple[str, str, Read] | None = None
        self._body: StructureReader | None = None
        for name, member in shape.members.items():
            self._place(name, member)
        body = in_body(shape)
        payload = shape.serialization.get("payload")
        if payload is not None:
            member = shape.members[payload]
            self._payload = (payload, member.type_name, readers.reader(member))
        elif body:
            self._body = StructureReader(shape, readers, frozenset(shape.members) - body)

    def _place(self, name: str, member: Any) -> None:
        wire_name = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                self._labels.append((name, wire_name, TEXT_SCALARS[member.type_name]))
            case "querystring" if isinstance(member, MapShape):
                self._query_map = (name, isinstance(member.value, ListShape))
            case "querystring" if isinstance(member, ListShape):
                self._query[wire_name] = (name, TEXT_SCALARS[member.member.type_name], True)
            case "querystring":
                self._query[wire_name] = (name, TEXT_SCALARS[member.type_name], False)
            case "header":
                self._headers.append((name, wire_name.lower(), header_reader(member)))
            case "headers":
                self._prefixes.append((name, member.serialization.get("name", "").lower()))

    def __call__(self, request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        name = ""
        try:
            for name, wire_name, read in self._labels:
                if wire_name in labels:
                    found[name] = read(labels[wire_name])
            for name, wire_name, read in self._headers:
                if wire_name in request.headers:
                    found[name] = read(request.headers[wire_name])
            if request.query and (self._query or self._query_map):
                for key, text in pairs(request.query):
                    name = self._query[key][0] if key in self._query else ""
                    self._field(key, text, found)
        except WrongType as error:
            error.path.append(name)
            raise
        for name, prefix in self._prefixes:
            values = {key[len(prefix) :]: v for key, v in request.headers.items() if key.startswith(prefix)}
            if values:
                found[name] = values
        if self._payload is not None:
            self._read_payload(request.body, found)
        elif self._body is not None and request.body:
            found |= self._body(parse_json(request.body))
        return found

    def _field(self, key: str, text: str, found: dict[str, Any]) -> None:
        field = self._query.get(key)
        if field is not None:
            name, read, many = field
            if many:
                found.setdefault(name, []).append(read(text))
            else:
                found.setdefault(name, read(text))
        if self._query_map is not None:
            # The map has all fields, also those with a member of their own (Smithy, "httpQueryParams trait").
            name, many = self._query_map
            values = found.setdefault(name, {})
            if many:
                values.setdefault(key, []).append(text)
            else:
                values.setdefault(key, text)

    def _read_payload(self, body: bytes, found: dict[str, Any]) -> None:
        assert self._payload is not None
        name, kind, read = self._payload
        if not body:
            return
        try:
            if kind == "blob":
                found[name] = bytes(body)
            elif kind == "string":
                found[name] = body.decode()
            else:
                found[name] = read(parse_json(body))
        except UnicodeDecodeError:
            raise SerializationException(f"{name}: this is not UTF-8") from None
        except WrongType as error:
            error.path.append(name)
            raise
