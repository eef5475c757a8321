"""iot-data: connections as the API sees and ends them, and messages to one client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from sekisho.aws.errors import (
    AwsError,
    ForbiddenException,
    GatewayTimeoutException,
    InvalidRequestException,
    RequestEntityTooLargeException,
    ResourceNotFoundException,
    ThrottlingException,
)
from sekisho.mqtt.message import Message
from sekisho.mqtt.topics import check_topic
from sekisho.services.call import Call
from sekisho.services.live import Presence, Sent
from sekisho.services.message_properties import check_encodable, properties_of
from sekisho.services.paging import key, token
from sekisho.services.work import Document
from sekisho.store import connections as rows
from sekisho.store.statement import Row

REMEMBERED = 1800.0
"""Seconds that a connection can be asked about after its end (botocore, GetConnection, disconnectedSince)."""

SUBSCRIPTIONS = 20
"""Subscriptions of a page unless told (botocore, ListSubscriptions, maxResults)."""

TIMEOUT = 5
LONGEST_TIMEOUT = 15
"""Seconds (botocore, SendDirectMessage, timeout)."""


def _absent(client_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Client {client_id} has neither a connection nor a persistent session")


def _presence(call: Call, client_id: str) -> Presence | None:
    return call.deps.connections.find(call.account, call.region, client_id)


async def delete_connection(
    call: Call, clientId: str, cleanSession: bool | None = None, preventWillMessage: bool | None = None
) -> None:
    found = await call.deps.connections.end(
        call.account,
        call.region,
        clientId,
        clean_session=bool(cleanSession),
        prevent_will=bool(preventWillMessage),
    )
    if not found:
        raise _absent(clientId)


async def get_connection(call: Call, clientId: str, includeSocketInformation: bool | None = None) -> Document:
    presence = _presence(call, clientId)
    if presence is not None and presence.link is not None:
        link = presence.link
        shown: Document = {
            "connected": True,
            "clientId": clientId,
            "thingName": link.thing_name or None,
            "cleanSession": link.clean_session,
            "keepAliveDuration": link.keep_alive,
            "connectedSince": int(link.connected_at * 1000),
            "sessionExpiry": presence.session_expiry,
        }
        if includeSocketInformation:
            (shown["sourceIp"], shown["sourcePort"]) = link.peer
            (shown["targetIp"], shown["targetPort"]) = link.local
        return shown
    last = await _last(call, clientId)
    if presence is None and last is None:
        raise _absent(clientId)
    shown = {"connected": False, "clientId": clientId, "cleanSession": presence is None}
    if last is not None:
        detail = orjson.loads(last["detail"])
        shown |= {
            "thingName": detail["thingName"] or None,
            "cleanSession": detail["cleanSession"],
            "keepAliveDuration": detail["keepAlive"],
            "sessionExpiry": detail["sessionExpiry"],
            "disconnectedSince": int(last["disconnected"] * 1000),
            "disconnectReason": last["reason"],
        }
    if presence is not None:
        shown["sessionExpiry"] = presence.session_expiry
    return shown


async def _last(call: Call, client_id: str) -> Row | None:
    """The client id's newest connection, if it ended not long ago."""
    await call.deps.connections.settle()
    filters = {"account": call.account, "region": call.region, "client_id": client_id}
    found = await call.deps.store.fetch(*rows.page_connections(filters, "", 1))
    if not found or not found[0]["disconnected"] or call.now - found[0]["disconnected"] > REMEMBERED:
        return None
    return found[0]


async def list_subscriptions(
    call: Call, clientId: str, nextToken: str | None = None, maxResults: int | None = None
) -> Document:
    presence = _presence(call, clientId)
    if presence is None:
        raise _absent(clientId)
    limit = maxResults or SUBSCRIPTIONS
    after = key(nextToken)
    left = sorted(item for item in presence.subscriptions.items() if item[0] > after)
    more = left[limit - 1][0] if len(left) > limit else ""
    return {
        "subscriptions": [{"topicFilter": filter, "qos": qos} for filter, qos in left[:limit]],
        "nextToken": token(more),
    }


FAILURES: Mapping[Sent, tuple[type[AwsError], str]] = {
    Sent.ABSENT: (ResourceNotFoundException, "Client {} is not connected"),
    Sent.FORBIDDEN: (ForbiddenException, "Client {} is not authorized to receive from topic {}"),
    Sent.FULL: (ThrottlingException, "Client {} has not taken the messages that it was sent before"),
    Sent.TOO_LARGE: (RequestEntityTooLargeException, "The message is larger than client {} takes"),
    Sent.SILENT: (GatewayTimeoutException, "Client {} did not acknowledge the message in time"),
}


async def send_direct_message(
    call: Call,
    clientId: str,
    topic: str,
    contentType: str | None = None,
    responseTopic: str | None = None,
    confirmation: bool | None = None,
    timeout: int | None = None,
    payload: bytes | None = None,
    userProperties: Any = None,
    payloadFormatIndicator: str | None = None,
    correlationData: str | None = None,
) -> Document:
    limits = call.deps.config.group("mqtt.limits.")
    wrong = check_topic(topic, limits["topic_bytes"], limits["topic_slashes"])
    if wrong:
        raise InvalidRequestException(f"topic: {wrong}")
    if topic.startswith("$"):
        raise InvalidRequestException(f"topic {topic} is reserved")
    wait = TIMEOUT if timeout is None else timeout
    if confirmation and not 1 <= wait <= LONGEST_TIMEOUT:
        raise InvalidRequestException(f"timeout {wait}: 1 to {LONGEST_TIMEOUT} seconds")
    body = payload or b""
    if len(body) > limits["payload"]:
        raise RequestEntityTooLargeException(f"payload of {len(body)} bytes; at most {limits['payload']}")
    message = Message(
        call.account,
        call.region,
        topic,
        body,
        qos=1 if confirmation else 0,
        properties=properties_of(
            limits,
            userProperties=userProperties,
            payloadFormatIndicator=payloadFormatIndicator,
            contentType=contentType,
            responseTopic=responseTopic,
            correlationData=correlationData,
        ),
        principal=call.caller.principal.arn,
        source_ip=call.caller.source_ip,
        received_at=call.now,
        trace=call.caller.request_id,
    )
    sent = await call.deps.connections.send(
        check_encodable(message), clientId, float(wait) if confirmation else None
    )
    if sent is not Sent.DONE:
        error, words = FAILURES[sent]
        raise error(words.format(clientId, topic))
    return {"message": "OK", "traceId": call.caller.request_id}
