"""What a device may do in a request of its own, judged as at CONNECT but without a connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sekisho.aws.errors import ForbiddenException, ServiceUnavailableException
from sekisho.broker.admission import record_refusal
from sekisho.broker.authorizer import Authorizer
from sekisho.broker.identification import Unidentified, domain_of, identify
from sekisho.logic.custom_auth import Http
from sekisho.logic.endpoints import JOBS
from sekisho.mqtt.reasons import Reason
from sekisho.services.device_variables import attributes_of, request_variables
from sekisho.services.identity import Identity

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer

ACTIONS = {"iot:Publish": "publish to", "iot:RetainPublish": "retain a message on"}

DENIED = "the request was answered 403 (Forbidden)"
UNAVAILABLE = "the request was answered 503 (Service Unavailable)"


def is_at_jobs(peer: Peer) -> bool:
    """Whether a client has come to a jobs endpoint."""
    return peer.endpoint == JOBS


class Told(NamedTuple):
    """What a request by HTTPS tells a custom authorizer; ``kept`` is what is kept of its connection."""

    headers: Mapping[str, str]
    query: str
    kept: dict[str, Any]


async def identify_request(
    hub: Hub, peer: Peer, action: str, resource: str, told: Told | None = None
) -> Identity:
    """Who asks by HTTPS with a certificate; with ``told``, or who a custom authorizer says it is.

    Raises ForbiddenException, or ServiceUnavailableException when the registry cannot be asked; explain
    tells why.
    """
    try:
        asked = None
        if told is not None and hub.custom is not None:
            asked = await hub.custom.of_request(peer, Http(told.headers, told.query), told.kept)
        return await (identify(hub, peer, "") if asked is None else asked.identity(""))
    except Unidentified as error:
        away = error.code == Reason.SERVER_UNAVAILABLE
        why = f"{error.reason}: {error.words}"
        effect = UNAVAILABLE if away else DENIED
        record_refusal(hub, peer, action=action, resource=resource, reason=why, effect=effect)
        raise ServiceUnavailableException(error.words) if away else ForbiddenException(why) from None


async def authorize_publish(
    hub: Hub, peer: Peer, topic: str, retain: bool, told: Told | None = None
) -> Identity:
    """Who publishes to a topic by HTTPS; as `identify_request`, and raises as it does."""
    identity = await identify_request(hub, peer, "iot:Publish", topic, told)
    attributes = attributes_of(identity, peer.certificate_der if identity.certificate_id else None)
    domain = domain_of(hub, peer)
    authorizer = Authorizer(identity, request_variables(identity, attributes, peer.address, domain))
    for action, verb in ACTIONS.items():
        if action == "iot:RetainPublish" and not retain:
            continue
        if not authorizer.allows(action, "topic", topic):
            words = f"not authorized to {verb} {topic}"
            evidence = authorizer.explain(action, "topic", topic)
            if not identity.certificate_id:
                evidence["principal"] = identity.arn
            record_refusal(hub, peer, reason=words, effect=DENIED, **evidence)
            raise ForbiddenException(words)
    return identity
