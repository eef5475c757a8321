"""The device's side of renewals: requests over MQTT, answered to the asking connection alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from sekisho.aws.errors import AwsError, InvalidRequestException, ThrottlingException
from sekisho.broker.engine import Engine, caller_of, json_members
from sekisho.mqtt.message import Message
from sekisho.services.api import Api
from sekisho.services.renewing import SHOWN

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.hub import Hub

AT_ONCE = 4
"""Requests of one connection that may be under way; one more is answered as throttled."""

SERVICE = "sekisho"

CSR_MEMBERS = ("renewalId", "certificateSigningRequest")


class Renewals(Engine):
    """``$sekisho/renewals/THING/get`` asks what there is to do, ``$sekisho/renewals/THING/csr`` sends a
    signing request. Answers are on ``…/accepted`` and ``…/rejected``, as on AWS's reserved topics.
    """

    FILTERS = ("$sekisho/renewals/+/get", "$sekisho/renewals/+/csr")

    def __init__(self, hub: Hub, api: Api) -> None:
        super().__init__(hub, self.FILTERS, AT_ONCE, ThrottlingException)
        self._api = api

    async def accept(self, client: Client, message: Message) -> bytes:
        _, _, thing, what = message.topic.split("/")
        caller = caller_of(client, message, "renewal")
        if not caller.certificate_id:
            raise InvalidRequestException("who is connected without a certificate has none to renew")
        if what == "get":
            found = await self._api.invoke(caller, SERVICE, "DescribeCertificateRenewal", thingName=thing)
            return orjson.dumps({name: found[name] for name in SHOWN if found.get(name) is not None})
        members = _members(message.payload)
        made = await self._api.invoke(caller, SERVICE, "RenewCertificate", thingName=thing, **members)
        return orjson.dumps(made)

    def reject(self, client: Client, message: Message, error: AwsError) -> bytes:
        if not message.topic.endswith("/get"):
            client.record(
                action="sekisho:RenewCertificate",
                resource=message.topic,
                reason=error.message,
                effect="answered on …/rejected",
            )
        status = self._api.error_status(SERVICE, error)
        body = {"statusCode": status, "errorCode": error.code, "errorMessage": error.message}
        return orjson.dumps(body)


def _members(payload: bytes) -> dict[str, Any]:
    members = json_members(payload, InvalidRequestException)
    for member in CSR_MEMBERS:
        if not isinstance(members.get(member), str):
            raise InvalidRequestException(f"{member} is missing, or not text")
    return {member: members[member] for member in CSR_MEMBERS}
