"""What an operation of a query service returned, as XML.

Source: Smithy, "AWS query protocol", "Response serialization" and "Operation error serialization".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sekisho.aws.writer import OutputError, refuse, to_text

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_ESCAPED = re.compile(r"[&<>\r\n\t]")
# Extensible Markup Language 1.0, section 2.2: characters that no document may hold, escaped or not.
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape(text: str) -> str:
    """Text for an element; characters that XML has not become U+FFFD."""
    return _ESCAPED.sub(lambda found: _ESCAPES[found.group()], _FORBIDDEN.sub("\ufffd", text))


def element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def response(
    operation: str, namespace: str, shape: StructureShape | None, result: Mapping[str, Any], request_id: str
) -> bytes:
    """The answer of a query operation; ``shape`` is its output shape. Raises :class:`OutputError`."""
    body: list[str] = []
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation}Result")
        body.append(f"<{wrapper}>")
        _structure(shape, result, body)
        body.append(f"</{wrapper}>")
    metadata = f"<ResponseMetadata>{element('RequestId', request_id)}</ResponseMetadata>"
    root = f"{operation}Response"
    return f'<{root} xmlns="{escape(namespace)}">{"".join(body)}{metadata}</{root}>\n'.encode()


def error_response(
    namespace: str, fault: str, code: str, message: str, members: Mapping[str, str], request_id: str
) -> bytes:
    """``fault`` is Sender or Receiver; ``members`` are what the error has beside its message."""
    inner = [element("Type", fault), element("Code", code), element("Message", message)]
    inner.extend(element(name, text) for name, text in members.items() if name.isidentifier())
    error = f"<Error>{''.join(inner)}</Error>"
    request = element("RequestId", request_id)
    return f'<ErrorResponse xmlns="{escape(namespace)}">{error}{request}</ErrorResponse>\n'.encode()


def _write(shape: Shape, name: str, value: Any, out: list[str]) -> None:
    match shape:
        case StructureShape():
            out.append(f"<{name}>")
            _structure(shape, value, out)
            out.append(f"</{name}>")
        case ListShape():
            _list(shape, name, value, out)
        case MapShape():
            _map(shape, name, value, out)
        case _:
            out.append(element(name, to_text(shape, value, "iso8601")))


def _structure(shape: StructureShape, value: Any, out: list[str]) -> None:
    if not isinstance(value, Mapping):
        raise refuse("a structure", value)
    for key, member in shape.members.items():
        inner = value.get(key)
        if inner is None:
            continue
        name = member.serialization.get("name", key)
        if isinstance(member, ListShape) and member.serialization.get("flattened"):
            # A flattened list goes by its member's name.
            name = member.member.serialization.get("name", name)
        try:
            _write(member, name, inner, out)
        except OutputError as error:
            error.path.append(key)
            raise


def _list(shape: ListShape, name: str, value: Any, out: list[str]) -> None:
    if isinstance(value, (str, bytes, Mapping)):
        raise refuse("a list", value)
    if shape.serialization.get("flattened"):
        for item in value:
            _write(shape.member, name, item, out)
        return
    out.append(f"<{name}>")
    for item in value:
        _write(shape.member, shape.member.serialization.get("name", "member"), item, out)
    out.append(f"</{name}>")


def _map(shape: MapShape, name: str, value: Any, out: list[str]) -> None:
    if not isinstance(value, Mapping):
        raise refuse("a map", value)
    flattened = bool(shape.serialization.get("flattened"))
    entry = name if flattened else "entry"
    if not flattened:
        out.append(f"<{name}>")
    for key, item in value.items():
        out.append(f"<{entry}>")
        _write(shape.key, shape.key.serialization.get("name", "key"), key, out)
        _write(shape.value, shape.value.serialization.get("name", "value"), item, out)
        out.append(f"</{entry}>")
    if not flattened:
        out.append(f"</{name}>")
