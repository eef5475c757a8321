"""iot-data Publish: a message from the API into the broker."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException, NotImplementedException
from sekisho.mqtt.message import Message
from sekisho.mqtt.topics import check_topic
from sekisho.services.call import Call


async def publish(
    call: Call,
    topic: str,
    qos: int | None = None,
    retain: bool | None = None,
    payload: bytes | None = None,
) -> None:
    limits = call.deps.config.group("mqtt.limits.")
    wrong = check_topic(topic, limits["topic_bytes"], limits["topic_slashes"])
    if wrong:
        raise InvalidRequestException(f"topic: {wrong}")
    if topic.startswith("$"):
        # Devices and back ends cannot forge events (AWS IoT Developer Guide, Reserved topics).
        raise InvalidRequestException(f"topic {topic} is reserved")
    if qos not in (None, 0, 1):
        raise InvalidRequestException(f"qos {qos}: AWS IoT knows 0 and 1")
    if retain:
        raise NotImplementedException("retained messages are not implemented by this node")
    body = payload or b""
    if len(body) > limits["payload"]:
        raise InvalidRequestException(f"payload of {len(body)} bytes; at most {limits['payload']}")
    call.work.messages.append(
        Message(
            call.account,
            call.region,
            topic,
            body,
            qos=qos or 0,
            principal=call.caller.principal.arn,
            source_ip=call.caller.source_ip,
            received_at=call.now,
            trace=call.caller.request_id,
        )
    )
