"""The MQTT 5 properties of a message that comes through the API, from members to what the broker carries."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from sekisho.aws.errors import InvalidRequestException
from sekisho.mqtt.message import Message, in_range
from sekisho.mqtt.packets import NO_PROPERTIES, Properties
from sekisho.mqtt.topics import check_topic

FORMATS = {"UNSPECIFIED_BYTES": 0, "UTF8_DATA": 1}

USER_PROPERTIES = 'userProperties: a JSON array of objects of one name and its text, [{"name": "text"}]'


def text(name: str, value: Any) -> str:
    """Text as MQTT has it: without U+0000 [MQTT-1.5.4-2], at most 65,535 bytes (section 1.5.4)."""
    if not isinstance(value, str) or "\0" in value or len(value.encode(errors="surrogatepass")) > 0xFFFF:
        raise InvalidRequestException(f"{name}: text without U+0000 of at most 65535 bytes")
    return value


def user_properties(value: Any) -> tuple[tuple[str, str], ...]:
    """SDKs take a string of JSON and put JSON around it, so it comes as an array or as a string of one."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise InvalidRequestException(USER_PROPERTIES) from None
    if not isinstance(value, list) or not all(isinstance(pair, dict) and len(pair) == 1 for pair in value):
        raise InvalidRequestException(USER_PROPERTIES)
    pairs = [next(iter(pair.items())) for pair in value]
    if not all(isinstance(content, str) for _, content in pairs):
        raise InvalidRequestException(USER_PROPERTIES)
    return tuple((text("userProperties", key), text("userProperties", content)) for key, content in pairs)


def correlation_data(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequestException("correlationData: this is not Base64") from None


def message_expiry(value: int) -> int:
    if value < 0:
        raise InvalidRequestException(f"messageExpiry {value}: seconds, not negative")
    return value


def format_indicator(value: str) -> int:
    return FORMATS[value]


READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "contentType": ("content_type", lambda value: text("contentType", value)),
    "correlationData": ("correlation_data", correlation_data),
    "messageExpiry": ("message_expiry_interval", message_expiry),
    "payloadFormatIndicator": ("payload_format_indicator", format_indicator),
    "responseTopic": ("response_topic", lambda value: text("responseTopic", value)),
    "userProperties": ("user_property", user_properties),
}
"""Member → property (MQTT 5, section 3.3.2.3) and how it is read."""


def properties_of(limits: Mapping[str, Any], **members: Any) -> Properties:
    """The properties that the members name; None is not given. Raises InvalidRequestException."""
    found = {}
    for member, value in members.items():
        if value is not None:
            name, read = READERS[member]
            found[name] = read(value)
    response = found.get("response_topic")
    if response is not None:
        wrong = check_topic(response, limits["topic_bytes"], limits["topic_slashes"])
        if wrong:
            raise InvalidRequestException(f"responseTopic: {wrong}")
    return in_range(found) if found else NO_PROPERTIES


def check_encodable(message: Message) -> Message:
    """The message, or InvalidRequestException when no PUBLISH can hold it."""
    try:
        message.wire(5)
    except ValueError as error:
        raise InvalidRequestException(f"the message cannot be sent: {error}") from None
    return message
