"""Whether a connection may be: the registry decides who it is, the policies whether it may connect."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cryptography import x509

from sekisho.broker import presence
from sekisho.broker.authorizer import Authorizer, variables_of
from sekisho.logic.arns import arn
from sekisho.logic.lifecycle import may_connect
from sekisho.logic.variables import certificate_attributes
from sekisho.mqtt.packets import Connect
from sekisho.mqtt.reasons import Reason
from sekisho.services.identity import Identity
from sekisho.store.statement import StoreError

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer

FAIL_CLOSED = 1.0
"""Seconds within which the registry must have answered, else the connection is refused."""

SILENT = (
    "the connection was closed without CONNACK (3.1.1), or with a CONNACK or DISCONNECT of that reason (5)"
)


class Refused(Exception):
    """A connection is not to be: the MQTT 5 reason, the words, and the reason of its disconnected event."""

    def __init__(self, reason: int, words: str, disconnect_reason: str = "AUTH_ERROR") -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words
        self.disconnect_reason = disconnect_reason


class Admission:
    """Judges one connection, at CONNECT and again whenever what it rests on has changed."""

    __slots__ = ("_attributes", "_context", "_hub", "_identity", "_peer", "_will", "client_id", "session")

    def __init__(self, hub: Hub, peer: Peer, client_id: str, session: str) -> None:
        self._hub = hub
        self._peer = peer
        self.client_id = client_id
        self.session = session
        self._attributes: Mapping[str, Any] | None = None
        self._context: dict[str, Any] = {}
        self._identity: Identity | None = None
        self._will: tuple[str, bool] | None = None

    @property
    def certificate_id(self) -> str:
        der = self._peer.certificate_der
        return hashlib.sha256(der).hexdigest() if der is not None else ""

    async def admit(self, packet: Connect) -> Authorizer:
        """Judge a CONNECT, in the documented order: certificate, registration, state, then policy."""
        attributes = [
            name
            for name, present in (
                ("PersistentConnect", not packet.clean_start),
                ("LastWill", packet.will is not None),
            )
            if present
        ]
        if attributes:
            self._context["iot:ConnectAttributes"] = attributes
        if packet.will is not None:
            self._will = (packet.will.topic, packet.will.retain)
            account, region = self._hub.place
            # AWS IoT Developer Guide, Connect policy examples.
            self._context["iot:LastWillTopic"] = arn(region, account, "topic", packet.will.topic)
        authorizer = await self.authorize()
        try:
            self.check_connect(authorizer)
            if self._will is not None:
                topic, retain = self._will
                self._require(authorizer, "iot:Publish", "topic", topic)
                if retain:
                    self._require(authorizer, "iot:RetainPublish", "topic", topic)
        except Refused:
            self._announce_failure(authorizer.identity)
            raise
        return authorizer

    def check_connect(self, authorizer: Authorizer) -> None:
        """Refused unless the policies let this client connect."""
        self._require(authorizer, "iot:Connect", "client", self.client_id, self._context)

    async def authorize(self) -> Authorizer:
        """What the registry says now; Refused when the certificate may not be used (any more)."""
        hub = self._hub
        der = self._peer.certificate_der
        if der is None:
            raise self._refused("NOT_AUTHENTICATED", "no client certificate was presented")
        certificate_id = self.certificate_id
        account, region = hub.place
        try:
            async with asyncio.timeout(FAIL_CLOSED):
                identity = await hub.identities.load(account, region, certificate_id, self.client_id)
        except (StoreError, TimeoutError):
            raise self._refused(
                "INTERNAL_SERVER_ERROR",
                "the registry did not answer in time, so the connection was refused",
                Reason.SERVER_UNAVAILABLE,
                "SERVER_ERROR",
            ) from None
        if identity is None:
            raise self._refused(
                "DEVICE_CERTIFICATE_NOT_REGISTERED",
                f"certificate {certificate_id} is not registered in account {account}, region {region}",
            )
        self._identity = identity
        why_not = may_connect(identity.status)
        if why_not is not None:
            raise self._refused(why_not, f"certificate {certificate_id} is {identity.status}")
        now = hub.clock.now()
        if not identity.not_before <= now <= identity.not_after:
            raise self._refused(
                "NOT_AUTHENTICATED", f"certificate {certificate_id} is not valid at this time"
            )
        if self._attributes is None:
            self._attributes = attributes_of(der)
        variables = variables_of(identity, self._attributes, self.client_id, self._peer.address, hub.domain)
        return Authorizer(identity, variables)

    def _require(
        self, authorizer: Authorizer, action: str, kind: str, name: str, context: Mapping[str, Any] = {}
    ) -> None:
        if authorizer.allows(action, kind, name, context):
            return
        words = f"not authorized to {VERBS[action]} {name}"
        self.record(reason=words, effect=SILENT, **authorizer.explain(action, kind, name, context))
        raise Refused(Reason.NOT_AUTHORIZED, words, "FORBIDDEN_ACCESS")

    def _announce_failure(self, identity: Identity) -> None:
        if presence.has_events(self.client_id):
            thing = identity.thing
            event = presence.connect_failed(
                self.client_id,
                self._hub.clock.now(),
                self.session,
                identity.certificate_id,
                self._peer.address,
                thing.name if thing is not None and thing.exclusive else None,
            )
            self._hub.announce(identity.account, identity.region, *event)

    def _refused(
        self,
        reason: str,
        words: str,
        code: int = Reason.NOT_AUTHORIZED,
        disconnect_reason: str = "AUTH_ERROR",
    ) -> Refused:
        self.record(action="iot:Connect", resource=self.client_id, reason=f"{reason}: {words}", effect=SILENT)
        return Refused(code, words, disconnect_reason)

    def record(self, **refusal: Any) -> None:
        """Keep a refusal of this connection for explain."""
        identity = self._identity
        account, region = self._hub.place
        self._hub.refusals.record(
            account,
            region,
            {
                "at": self._hub.clock.now(),
                "clientId": self.client_id,
                "certificateId": self.certificate_id,
                "thingName": identity.thing.name if identity is not None and identity.thing else "",
                "sourceIp": self._peer.address,
                "decision": "REFUSED",
                **refusal,
            },
        )


def attributes_of(der: bytes) -> Mapping[str, Any]:
    """A certificate's policy variables; none when there is something in it that cannot be read."""
    try:
        return certificate_attributes(x509.load_der_x509_certificate(der))
    except (
        ValueError,
        TypeError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        return {}


VERBS = {
    "iot:Connect": "connect as",
    "iot:Publish": "publish the will to",
    "iot:RetainPublish": "retain the will on",
}
