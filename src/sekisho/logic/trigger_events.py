"""What a topic trigger's function is given, and what it may answer."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

import orjson

from sekisho.logic.json_text import kind_of, shown

PUBLICATIONS = 10
"""Messages that one answer may have."""

_MEMBERS = ("topic", "payload", "payloadBase64", "qos", "retain", "clientId")


class BadAnswer(ValueError):
    """The answer is not of the documented form; the words say where."""


class Publication(NamedTuple):
    """A message to publish; with a ``client_id`` it is for that client alone, and never stored."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    client_id: str | None


def trigger_event(
    *,
    topic: str,
    payload: bytes,
    qos: int,
    client_id: str | None,
    principal: str | None,
    source_ip: str | None,
    at: float,
) -> dict[str, Any]:
    """``payload`` is the message's JSON; what is none, is ``payloadBase64``. ``timestamp`` is in
    milliseconds; the names are those of lifecycle events."""
    event: dict[str, Any] = {
        "topic": topic,
        "qos": qos,
        "clientId": client_id,
        "principalIdentifier": principal,
        "sourceIp": source_ip,
        "timestamp": int(at * 1000),
    }
    try:
        event["payload"] = orjson.loads(payload)
    except orjson.JSONDecodeError:
        event["payloadBase64"] = base64.b64encode(payload).decode()
    return event


def publications_of(answer: dict[str, Any]) -> list[Publication]:
    """What ``{"publish": [{"topic", "payload" | "payloadBase64", "qos", "retain", "clientId"}]}`` asks for;
    nothing when it has no ``publish``. Raises `BadAnswer`."""
    entries = answer.get("publish")
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise BadAnswer(f"publish is {kind_of(entries)}, not a list")
    if len(entries) > PUBLICATIONS:
        raise BadAnswer(f"publish has {len(entries)} messages, more than {PUBLICATIONS}")
    return [_publication(entry, f"publish[{index}]") for index, entry in enumerate(entries)]


def _publication(entry: Any, path: str) -> Publication:
    if not isinstance(entry, dict):
        raise BadAnswer(f"{path} is {kind_of(entry)}, not an object")
    for name in entry:
        if name not in _MEMBERS:
            raise BadAnswer(f"{path} has {shown(name)}; known are {', '.join(_MEMBERS)}")
    topic, client_id = entry.get("topic"), entry.get("clientId")
    if not isinstance(topic, str):
        raise BadAnswer(f"{path}.topic is {kind_of(topic)}, not a string")
    if client_id is not None and not isinstance(client_id, str):
        raise BadAnswer(f"{path}.clientId is {kind_of(client_id)}, not a string")
    qos = entry.get("qos", 0)
    if isinstance(qos, bool) or qos not in (0, 1):
        raise BadAnswer(f"{path}.qos must be 0 or 1")
    retain = entry.get("retain", False)
    if not isinstance(retain, bool):
        raise BadAnswer(f"{path}.retain is {kind_of(retain)}, not a boolean")
    if retain and client_id is not None:
        raise BadAnswer(f"{path}: a message to one client cannot be retained")
    return Publication(topic, _payload(entry, path), int(qos), retain, client_id)


def _payload(entry: dict[str, Any], path: str) -> bytes:
    """A string is sent as it is, anything else as JSON."""
    if "payload" in entry and "payloadBase64" in entry:
        raise BadAnswer(f"{path} has payload and payloadBase64")
    if "payloadBase64" in entry:
        try:
            return base64.b64decode(entry["payloadBase64"], validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise BadAnswer(f"{path}.payloadBase64 is not base64") from None
    payload = entry.get("payload", "")
    text = (
        payload
        if isinstance(payload, str)
        else json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    )
    return text.encode("utf-8", "replace")
