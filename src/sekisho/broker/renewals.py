"""The device's side of renewals: requests over MQTT, answered to the asking connection alone."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import orjson

from sekisho.aws.errors import AwsError, InvalidRequestException, ThrottlingException
from sekisho.broker.reserved import answer, caller_of
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


class Renewals:
    """``$sekisho/renewals/THING/get`` asks what there is to do, ``$sekisho/renewals/THING/csr`` sends a
    signing request. Answers are on ``…/accepted`` and ``…/rejected``, as on AWS's reserved topics.
    """

    FILTERS = ("$sekisho/renewals/+/get", "$sekisho/renewals/+/csr")

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
        body: dict[str, Any]
        try:
            if under_way >= AT_ONCE:
                raise ThrottlingException(f"more than {AT_ONCE} requests of one connection are under way")
            body = await self._invoke(client, message)
            topic = message.topic + "/accepted"
        except AwsError as error:
            topic = message.topic + "/rejected"
            status = self._api.error_status(SERVICE, error)
            body = {"statusCode": status, "errorCode": error.code, "errorMessage": error.message}
            if not message.topic.endswith("/get"):
                self._explain(client, message, error)
        finally:
            self._under_way[session] -= 1
            if not self._under_way[session]:
                del self._under_way[session]
        answer(client, message, topic, orjson.dumps(body))

    async def _invoke(self, client: Client, message: Message) -> dict[str, Any]:
        _, _, thing, what = message.topic.split("/")
        caller = caller_of(client, message, "renewal")
        if not caller.certificate_id:
            raise InvalidRequestException("who is connected without a certificate has none to renew")
        if what == "get":
            found = await self._api.invoke(caller, SERVICE, "DescribeCertificateRenewal", thingName=thing)
            return {member: found[member] for member in SHOWN if found.get(member) is not None}
        members = _members(message.payload)
        return await self._api.invoke(caller, SERVICE, "RenewCertificate", thingName=thing, **members)

    def _explain(self, client: Client, message: Message, error: AwsError) -> None:
        client.record(
            action="sekisho:RenewCertificate",
            resource=message.topic,
            reason=error.message,
            effect="answered on …/rejected",
        )


def _members(payload: bytes) -> dict[str, Any]:
    try:
        members = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestException(f"The payload is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise InvalidRequestException("The payload is not a JSON object")
    for member in CSR_MEMBERS:
        if not isinstance(members.get(member), str):
            raise InvalidRequestException(f"{member} is missing, or not text")
    return {member: members[member] for member in CSR_MEMBERS}
