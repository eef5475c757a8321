"""Engines behind reserved topics: requests over MQTT, answered to the asking connection alone."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from sekisho.aws.errors import AwsError, InvalidParameters, Throttling
from sekisho.logic.cbor_object import BadCbor, read_cbor_object, write_cbor
from sekisho.mqtt.message import Message
from sekisho.services.api import Api
from sekisho.services.call import Caller, Principal, service_principal

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.hub import Hub

log = structlog.get_logger("sekisho.reserved")

AT_ONCE = 16
"""Requests of one connection that may be under way; one more is answered as throttled."""

SERVICE = "iotidentity"

CBOR = "/cbor"

CODES = {
    "AccessDeniedException": "AccessDenied",
    "InternalFailureException": "InternalError",
    "ServiceUnavailableException": "InternalError",
}
"""How these topics spell what any operation may answer."""

OPERATIONS = {
    "create": "CreateKeysAndCertificate",
    "create-from-csr": "CreateCertificateFromCsr",
}


class FleetProvisioning:
    """``$aws/certificates/…`` and ``$aws/provisioning-templates/…`` in JSON and CBOR, answered in the
    encoding that the topic names (AWS IoT Developer Guide, Device provisioning MQTT API). Answers may hold
    a private key or a token: they go from memory to the connection that asked, and nowhere else.
    """

    FILTERS = tuple(
        topic + encoding
        for topic in (
            "$aws/certificates/create/",
            "$aws/certificates/create-from-csr/",
            "$aws/provisioning-templates/+/provision/",
        )
        for encoding in ("json", "cbor")
    )

    def __init__(self, hub: Hub, api: Api) -> None:
        self._hub = hub
        self._api = api
        self._under_way: dict[str, int] = {}
        for filter in self.FILTERS:
            hub.engines.add(filter, self, self)

    def offer(self, message: Message) -> Awaitable[None] | None:
        # Now, while it is the one that asked: a moment later its client id may be another's.
        client = self._hub.client(message.account, message.region, message.client_id or "")
        return self._answer(client, message) if client is not None else None

    async def _answer(self, client: Client, message: Message) -> None:
        session = client.session
        under_way = self._under_way.get(session, 0)
        self._under_way[session] = under_way + 1
        try:
            if under_way >= AT_ONCE:
                raise Throttling(f"more than {AT_ONCE} requests of one connection are under way")
            body = await self._invoke(client, message)
            topic = message.topic + "/accepted"
        except AwsError as error:
            topic = message.topic + "/rejected"
            status = self._api.error_status(SERVICE, error)
            # Text of a device's own may be in it, and no encoding has lone surrogates.
            words = error.message.encode("utf-8", "replace").decode()
            code = CODES.get(error.code, error.code)
            body = orjson.dumps({"statusCode": status, "errorCode": code, "errorMessage": words})
            effect = f"{topic}: {status} {code}"
            client.record(action=_action(message.topic), resource=message.topic, reason=words, effect=effect)
        finally:
            self._under_way[session] -= 1
            if not self._under_way[session]:
                del self._under_way[session]
        answer(
            client, message, topic, write_cbor(orjson.loads(body)) if message.topic.endswith(CBOR) else body
        )

    async def _invoke(self, client: Client, message: Message) -> bytes:
        operation = operation_of(message.topic)
        members = _members(message)
        if operation == "CreateKeysAndCertificate":
            members = {}  # its payload is empty; {} is also seen
        elif operation == "RegisterThing":
            members["templateName"] = message.topic.split("/")[2]
        caller = caller_of(client, message, "provisioning")
        result = await self._api.invoke(caller, SERVICE, operation, **members)
        return self._api.body(SERVICE, operation, result)


def caller_of(client: Client, message: Message, role: str) -> Caller:
    """Who asks an engine: the IoT policy allowed the publish; what follows is done by the node, in a role of
    its own, in the device's name."""
    identity = client.authorizer.identity
    return Caller(
        Principal(identity.arn, message.account, service_principal(message.account, role).policies),
        message.account,
        message.region,
        message.source_ip or "",
        certificate_id=identity.certificate_id,
        client_id=client.client_id,
    )


def answer(client: Client, message: Message, topic: str, payload: bytes) -> None:
    """Answer a message to the connection that it came from, and to no other."""
    now = client.hub.clock.now()
    client.delivery.answer(Message(message.account, message.region, topic, payload, qos=1, received_at=now))


def operation_of(topic: str) -> str:
    levels = topic.split("/")
    return OPERATIONS[levels[2]] if levels[1] == "certificates" else "RegisterThing"


def _action(topic: str) -> str:
    return f"iot:{operation_of(topic)}"


def _members(message: Message) -> dict[str, Any]:
    payload = message.payload
    if not payload:
        return {}
    if message.topic.endswith(CBOR):
        try:
            return read_cbor_object(payload)
        except BadCbor as error:
            raise InvalidParameters(f"The payload is not a CBOR map of a request: {error}") from None
    try:
        members = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidParameters(f"The payload is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise InvalidParameters("The payload is not a JSON object")
    return members
