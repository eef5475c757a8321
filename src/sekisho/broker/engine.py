"""What engines behind reserved topics share: requests over MQTT, answered to the asking connection alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import orjson

from sekisho.aws.errors import AwsError
from sekisho.mqtt.message import Message
from sekisho.services.call import Caller, Principal, service_principal

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.hub import Hub


class Engine(ABC):
    """Answers what comes to its filters, on ``…/accepted`` or ``…/rejected``. Answers may hold a private key
    or a token: they go from memory to the connection that asked, and nowhere else.

    ``at_once``: requests of one connection that may be under way; one more is answered with ``throttled``.
    """

    def __init__(self, hub: Hub, filters: tuple[str, ...], at_once: int, throttled: type[AwsError]) -> None:
        self._hub = hub
        self._at_once = at_once
        self._throttled = throttled
        self._under_way: dict[str, int] = {}
        for filter in filters:
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
            if under_way >= self._at_once:
                raise self._throttled(f"more than {self._at_once} requests of one connection are under way")
            topic, payload = message.topic + "/accepted", await self.accept(client, message)
        except AwsError as error:
            topic, payload = message.topic + "/rejected", self.reject(client, message, error)
        finally:
            self._under_way[session] -= 1
            if not self._under_way[session]:
                del self._under_way[session]
        now = self._hub.clock.now()
        answer = Message(message.account, message.region, topic, payload, qos=1, received_at=now)
        client.delivery.answer(answer)

    @abstractmethod
    async def accept(self, client: Client, message: Message) -> bytes:
        """Do what is asked; the payload of the answer, or an AwsError."""

    @abstractmethod
    def reject(self, client: Client, message: Message, error: AwsError) -> bytes:
        """The payload of the answer when something is wrong, which is recorded, too."""


def json_members(payload: bytes, wrong: type[AwsError]) -> dict[str, Any]:
    """The members of a request in JSON; :raises wrong: if it is none"""
    try:
        members = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise wrong(f"The payload is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise wrong("The payload is not a JSON object")
    return members


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
