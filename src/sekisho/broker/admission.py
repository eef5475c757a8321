"""Whether a connection may be: the registry decides who it is, the policies whether it may connect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sekisho.broker import presence
from sekisho.broker.arrivals import arrive_by_mqtt
from sekisho.broker.authorizer import Authorizer
from sekisho.broker.identification import (
    Unidentified,
    certificate_id,
    domain_of,
    identify,
    place_of,
)
from sekisho.logic.arns import arn
from sekisho.mqtt.connection import Connection
from sekisho.mqtt.packets import Connect, Properties
from sekisho.mqtt.reasons import Reason
from sekisho.services.device_variables import attributes_of, variables_of
from sekisho.services.identity import Identity

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.custom_auth import Asked
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer

SILENT = (
    "the connection was closed without CONNACK (3.1.1), or with a CONNACK or DISCONNECT of that reason (5)"
)

ANSWERED = "the connection was closed with a CONNACK, or a DISCONNECT in MQTT 5, of that reason"


class Refused(Exception):
    """A connection is not to be: the MQTT 5 reason, the words, and the reason of its disconnected event."""

    def __init__(self, reason: int, words: str, disconnect_reason: str = "AUTH_ERROR") -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words
        self.disconnect_reason = disconnect_reason


class Admission:
    """Judges one connection, at CONNECT and again whenever what it rests on has changed."""

    __slots__ = ("_asked", "_context", "_hub", "_identity", "_peer", "_will", "client_id", "session")

    def __init__(self, hub: Hub, peer: Peer, client_id: str, session: str) -> None:
        self._hub = hub
        self._peer = peer
        self.client_id = client_id
        self.session = session
        self._context: dict[str, Any] = {}
        self._identity: Identity | None = None
        self._asked: Asked | None = None
        """What a custom authorizer says, if one decides."""
        self._will: tuple[str, bool] | None = None

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
            account, region = place_of(self._hub, self._peer)
            # AWS IoT Developer Guide, Connect policy examples.
            self._context["iot:LastWillTopic"] = arn(region, account, "topic", packet.will.topic)
        authorizer = await self.authorize(packet)
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
        # Not sooner: who may not connect as this client must not be able to keep it from connecting.
        connects = self._hub.connects
        identity = authorizer.identity
        who = f"{identity.account}/{identity.region}/{self.client_id}"
        if connects is not None and not connects.take(who, self._hub.clock.tick()):
            most = self._hub.limits.connects_per_second
            words = f"more than {most} CONNECT a second of client id {self.client_id}"
            raise self._refused("THROTTLED", words, Reason.QUOTA_EXCEEDED, "THROTTLED")
        if not self._hub.sessions.has_room_for(identity.account, identity.region, self.client_id, packet):
            words = f"there are {self._hub.limits.sessions} persistent sessions already"
            raise self._refused("LIMIT", words, Reason.QUOTA_EXCEEDED, "THROTTLED")
        return authorizer

    def check_size(self, connection: Connection, connack: Properties) -> None:
        """Refused if the CONNACK is larger than the client's Maximum Packet Size."""
        if not connection.takes(connack):
            words = f"a CONNACK is larger than the {connection.peer_maximum_packet_size} bytes it takes"
            raise self._refused("CLIENT_ERROR", words, Reason.PACKET_TOO_LARGE, "CLIENT_ERROR")

    def check_connect(self, authorizer: Authorizer) -> None:
        """Refused unless the policies let this client connect."""
        self._require(authorizer, "iot:Connect", "client", self.client_id, self._context)

    async def authorize(self, arriving: Connect | None = None) -> Authorizer:
        """What the registry says now; Refused when who is there may not come in (any more)."""
        hub, peer = self._hub, self._peer
        try:
            if arriving is not None:
                await arrive_by_mqtt(hub, peer, self.session)
            if arriving is not None and hub.custom is not None:
                self._asked = await hub.custom.of_connect(peer, arriving, self.session)
            if self._asked is not None:
                identity = await self._asked.identity(self.client_id)
            else:
                identity = await identify(hub, peer, self.client_id)
        except Unidentified as refusal:
            error = refusal
            if arriving is not None and self._asked is None and hub.newcomers is not None:
                error = await hub.newcomers.meet(refusal, peer, self.client_id)
            self._identity = error.identity or self._identity
            raise self._refused(error.reason, error.words, error.code, error.disconnect_reason) from None
        self._identity = identity
        attributes = attributes_of(identity, peer.certificate_der if identity.certificate_id else None)
        variables = variables_of(identity, attributes, self.client_id, peer.address, domain_of(hub, peer))
        return Authorizer(identity, variables)

    def begin(self, client: Client) -> None:
        """The connection has been accepted."""
        if self._asked is not None:
            self._asked.begin(client)

    def end(self) -> None:
        """The connection is gone."""
        if self._asked is not None:
            self._asked.end()

    def _require(
        self, authorizer: Authorizer, action: str, kind: str, name: str, context: Mapping[str, Any] = {}
    ) -> None:
        if authorizer.allows(action, kind, name, context):
            return
        words = f"not authorized to {VERBS[action]} {name}"
        self.record(reason=words, effect=self._effect, **authorizer.explain(action, kind, name, context))
        raise Refused(Reason.NOT_AUTHORIZED, words, "FORBIDDEN_ACCESS")

    def _announce_failure(self, identity: Identity) -> None:
        if presence.has_events(self.client_id):
            thing = identity.thing
            name = thing.name if thing is not None and thing.exclusive else None
            who = presence.Who(self.client_id, self.session, identity.principal_id, name)
            event = presence.connect_failed(who, self._hub.clock.now(), self._peer.address)
            self._hub.announce(identity.account, identity.region, *event)

    def _refused(self, reason: str, words: str, code: int, disconnect_reason: str) -> Refused:
        # The one refusal that a 3.1.1 client is always told.
        effect = ANSWERED if code == Reason.BAD_USER_NAME_OR_PASSWORD else self._effect
        self.record(action="iot:Connect", resource=self.client_id, reason=f"{reason}: {words}", effect=effect)
        return Refused(code, words, disconnect_reason)

    @property
    def _effect(self) -> str:
        return SILENT if self._hub.profile.silent_refusal_v3 else ANSWERED

    def record(self, **refusal: Any) -> None:
        """Keep a refusal of this connection for explain."""
        identity = self._identity
        thing = identity.thing.name if identity is not None and identity.thing else ""
        if self._asked is not None:
            refusal = {"authenticationType": self._asked.authentication, **refusal}
            if identity is not None and not identity.certificate_id:
                refusal = {"principal": identity.arn, **refusal}
        record_refusal(self._hub, self._peer, clientId=self.client_id, thingName=thing, **refusal)


def record_refusal(hub: Hub, peer: Peer, **refusal: Any) -> None:
    """Keep for explain that who is there was refused something."""
    account, region = place_of(hub, peer)
    who = {"certificateId": certificate_id(peer)}
    if peer.principal is not None:
        who = {"principal": peer.principal.arn}
    origin = {"at": hub.clock.now(), "sourceIp": peer.address, "decision": "REFUSED"}
    hub.refusals.record(account, region, {**origin, **who, **refusal})


VERBS = {
    "iot:Connect": "connect as",
    "iot:Publish": "publish the will to",
    "iot:RetainPublish": "retain the will on",
}
