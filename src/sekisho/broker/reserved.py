"""Fleet provisioning on reserved topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from sekisho.aws.errors import AwsError, InvalidParameters, Throttling
from sekisho.broker.engine import Engine, caller_of, json_members
from sekisho.logic.cbor_object import BadCbor, read_cbor_object, write_cbor
from sekisho.mqtt.message import Message
from sekisho.services.api import Api

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.hub import Hub

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


class FleetProvisioning(Engine):
    """``$aws/certificates/…`` and ``$aws/provisioning-templates/…`` in JSON and CBOR, answered in the
    encoding that the topic names (AWS IoT Developer Guide, Device provisioning MQTT API).
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
        super().__init__(hub, self.FILTERS, AT_ONCE, Throttling)
        self._api = api

    async def accept(self, client: Client, message: Message) -> bytes:
        operation = operation_of(message.topic)
        members = _members(message)
        if operation == "CreateKeysAndCertificate":
            members = {}  # its payload is empty; {} is also seen
        elif operation == "RegisterThing":
            members["templateName"] = message.topic.split("/")[2]
        caller = caller_of(client, message, "provisioning")
        result = await self._api.invoke(caller, SERVICE, operation, **members)
        return _encoded(message, self._api.body(SERVICE, operation, result))

    def reject(self, client: Client, message: Message, error: AwsError) -> bytes:
        status = self._api.error_status(SERVICE, error)
        # Text of a device's own may be in it, and no encoding has lone surrogates.
        words = error.message.encode("utf-8", "replace").decode()
        code = CODES.get(error.code, error.code)
        effect = f"{message.topic}/rejected: {status} {code}"
        client.record(action=_action(message.topic), resource=message.topic, reason=words, effect=effect)
        body = {"statusCode": status, "errorCode": code, "errorMessage": words}
        return _encoded(message, orjson.dumps(body))


def operation_of(topic: str) -> str:
    levels = topic.split("/")
    return OPERATIONS[levels[2]] if levels[1] == "certificates" else "RegisterThing"


def _action(topic: str) -> str:
    return f"iot:{operation_of(topic)}"


def _encoded(message: Message, body: bytes) -> bytes:
    return write_cbor(orjson.loads(body)) if message.topic.endswith(CBOR) else body


def _members(message: Message) -> dict[str, Any]:
    payload = message.payload
    if not payload:
        return {}
    if message.topic.endswith(CBOR):
        try:
            return read_cbor_object(payload)
        except BadCbor as error:
            raise InvalidParameters(f"The payload is not a CBOR map of a request: {error}") from None
    return json_members(payload, InvalidParameters)
