"""iot-data: messages from the API into the broker, and retained ones out of it."""

from __future__ import annotations

from typing import Any

import orjson

from sekisho.aws.errors import (
    InvalidRequestException,
    NotImplementedException,
    ResourceNotFoundException,
    ThrottlingException,
)
from sekisho.mqtt.message import Message
from sekisho.mqtt.topics import check_topic
from sekisho.services.call import Call
from sekisho.services.message_properties import check_encodable, properties_of
from sekisho.services.paging import key, token
from sekisho.services.work import Document
from sekisho.store import retained as rows

INGEST = "$aws/rules/"
PAGE = 200
"""Retained messages of a page unless told; the most that the model allows."""

NEVER = 0.0


async def publish(
    call: Call,
    topic: str,
    qos: int | None = None,
    retain: bool | None = None,
    payload: bytes | None = None,
    userProperties: Any = None,
    payloadFormatIndicator: str | None = None,
    contentType: str | None = None,
    responseTopic: str | None = None,
    correlationData: str | None = None,
    messageExpiry: int | None = None,
) -> Document:
    limits = call.deps.config.group("mqtt.limits.")
    if topic.startswith(INGEST):
        raise NotImplementedException(f"Basic Ingest ({INGEST}…) is not implemented by this node")
    _check_topic(topic, limits)
    body = payload or b""
    if len(body) > limits["payload"]:
        raise InvalidRequestException(f"payload of {len(body)} bytes; at most {limits['payload']}")
    full = call.deps.connections.why_not_retained(call.account, call.region, body) if retain else None
    if full is not None:
        raise ThrottlingException(full)
    properties = properties_of(
        limits,
        userProperties=userProperties,
        payloadFormatIndicator=payloadFormatIndicator,
        contentType=contentType,
        responseTopic=responseTopic,
        correlationData=correlationData,
        messageExpiry=messageExpiry,
    )
    message = Message(
        call.account,
        call.region,
        topic,
        body,
        qos=qos or 0,
        retain=bool(retain),
        properties=properties,
        principal=call.caller.certificate_id or call.caller.principal.arn,
        source_ip=call.caller.source_ip,
        received_at=call.now,
        trace=call.caller.request_id,
    )
    call.work.messages.append(check_encodable(message))
    return {"message": "OK", "traceId": call.caller.request_id}


def _check_topic(topic: str, limits: dict[str, Any]) -> None:
    wrong = check_topic(topic, limits["topic_bytes"], limits["topic_slashes"])
    if wrong:
        raise InvalidRequestException(f"topic: {wrong}")
    if topic.startswith("$"):
        # Devices and back ends cannot forge events (AWS IoT Developer Guide, Reserved topics).
        raise InvalidRequestException(f"topic {topic} is reserved")


async def get_retained_message(call: Call, topic: str) -> Document:
    limits = call.deps.config.group("mqtt.limits.")
    wrong = check_topic(topic, limits["topic_bytes"], limits["topic_slashes"])
    if wrong:
        raise InvalidRequestException(f"topic: {wrong}")
    found = await call.deps.store.fetch(*rows.get_retained(call.account, call.region, topic))
    if not found or _is_over(found[0], call.now):
        raise ResourceNotFoundException(f"No message is retained for topic {topic}")
    row = found[0]
    pairs = orjson.loads(row["properties"]).get("user_property")
    return {
        "topic": row["topic"],
        "payload": row["payload"],
        "qos": row["qos"],
        "lastModifiedTime": int(row["updated"] * 1000),
        "userProperties": orjson.dumps([{name: value} for name, value in pairs]) if pairs else None,
    }


async def list_retained_messages(
    call: Call, nextToken: str | None = None, maxResults: int | None = None
) -> Document:
    """By topic; a page may be short of messages that have expired and still have a next one."""
    limit = maxResults or PAGE
    page = await call.deps.store.fetch(
        *rows.page_retained(call.account, call.region, key(nextToken), limit + 1)
    )
    shown = [
        {
            "topic": row["topic"],
            "payloadSize": row["size"],
            "qos": row["qos"],
            "lastModifiedTime": int(row["updated"] * 1000),
        }
        for row in page[:limit]
        if not _is_over(row, call.now)
    ]
    more = page[limit - 1]["topic"] if len(page) > limit else ""
    return {"retainedTopics": shown, "nextToken": token(more)}


def _is_over(row: Any, now: float) -> bool:
    return bool(row["expires"] != NEVER and row["expires"] <= now)
