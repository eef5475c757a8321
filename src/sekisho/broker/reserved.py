"""Engines behind reserved topics: requests over MQTT, answered to the asking connection alone."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from sekisho.aws.errors import AwsError, InvalidParameters, Throttling
from sekisho.mqtt.message import Message
from sekisho.services.api import Api
from sekisho.services.call import Caller, Principal, service_principal
from sekisho.services.identity import principal_of

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.hub import Hub

log = structlog.get_logger("sekisho.reserved")

AT_ONCE = 16
"""Requests of one connection that may be under way; one more is answered as throttled."""

SERVICE = "iotidentity"

OPERATIONS = {
    "create": "CreateKeysAndCertificate",
    "create-from-csr": "CreateCertificateFromCsr",
}


class FleetProvisioning:
    """``$aws/certificates/…`` and ``$aws/provisioning-templates/…`` in JSON (AWS IoT Developer Guide, Device
    provisioning MQTT API). Answers may hold a private key or a token: they go from memory to the connection
    that asked, and nowhere else.
    """

    FILTERS = (
        "$aws/certificates/create/json",
        "$aws/certificates/create-from-csr/json",
        "$aws/provisioning-templates/+/provision/json",
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
        hub = self._hub
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
            body = orjson.dumps(
                {
                    "statusCode": self._api.error_status(SERVICE, error),
                    "errorCode": error.code,
                    "errorMessage": error.message,
                }
            )
        finally:
            self._under_way[session] -= 1
            if not self._under_way[session]:
                del self._under_way[session]
        client.delivery.answer(
            Message(
                message.account,
                message.region,
                topic,
                body,
                qos=1,
                received_at=hub.clock.now(),
            )
        )

    async def _invoke(self, client: Client, message: Message) -> bytes:
        members = _members(message.payload)
        levels = message.topic.split("/")
        if levels[1] == "certificates":
            operation = OPERATIONS[levels[2]]
            if operation == "CreateKeysAndCertificate":
                members = {}  # its payload is empty; {} is also seen
        else:
            operation = "RegisterThing"
            members["templateName"] = levels[2]
        identity = client.authorizer.identity
        # The IoT policy allowed the publish; what follows is done by the node in the device's name.
        role = service_principal(message.account, "provisioning")
        caller = Caller(
            Principal(principal_of(identity), message.account, role.policies),
            message.account,
            message.region,
            message.source_ip or "",
            certificate_id=identity.certificate_id,
            client_id=client.client_id,
        )
        result = await self._api.invoke(caller, SERVICE, operation, **members)
        return self._api.body(SERVICE, operation, result)


def _members(payload: bytes) -> dict[str, Any]:
    if not payload:
        return {}
    try:
        members = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidParameters(f"The payload is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise InvalidParameters("The payload is not a JSON object")
    return members
