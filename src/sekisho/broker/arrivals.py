"""Who comes under a name that has a domain configuration: whether that lets it come at all.

Source: AWS IoT Developer Guide, "Device communication protocols", "Custom client certificate validation".
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from sekisho.broker.identification import Unidentified, certificate_id
from sekisho.functions.interface import FunctionError
from sekisho.logic.domains import HTTPS, MQTT, SIGV4, WSS, X509, Domain, is_custom, why_refused

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer

UNPROVED = "NOT_AUTHENTICATED"
DISABLED = "DOMAIN_CONFIGURATION_DISABLED"
"""Reasons of AWS's log event Connection.AuthNError (AWS IoT Developer Guide, "CloudWatch AWS IoT log
entries")."""


async def arrive(hub: Hub, peer: Peer, spoken: str, proof: str, connection_id: str) -> None:
    """Nothing happens if the client may go on to be identified.

    ``spoken`` and ``proof`` are as `sekisho.logic.domains` names them; ``connection_id`` is what the domain's
    function gets to see of the connection. Raises Unidentified, also when the function gives no answer.
    """
    domain = peer.domain
    if domain is None:
        return
    why_not = why_refused(domain, spoken, proof)
    if why_not is not None:
        raise _refusal(domain, why_not)
    if domain.callback and proof == X509:
        await _ask(hub, peer, domain, connection_id)


async def arrive_by_mqtt(hub: Hub, peer: Peer, connection_id: str) -> None:
    """A CONNECT, on a connection of its own or within a WebSocket."""
    if peer.domain is not None:
        signed = peer.principal is not None
        spoken = WSS if signed or peer.http is not None else MQTT
        await arrive(hub, peer, spoken, SIGV4 if signed else _proof(peer), connection_id)


async def arrive_by_https(hub: Hub, peer: Peer, signed: bool, connection_id: str) -> None:
    """A request that is no WebSocket's."""
    await arrive(hub, peer, HTTPS, SIGV4 if signed else _proof(peer), connection_id)


async def arrive_by_websocket(hub: Hub, peer: Peer, *, signed: bool) -> None:
    """An upgrade that somebody has signed, or that a custom authorizer decides about with the CONNECT within
    it, which arrives by itself: then its function is asked, if at all."""
    if peer.domain is None:
        return
    why_not = why_refused(peer.domain, WSS, SIGV4 if signed else _proof(peer))
    if why_not is not None:
        raise _refusal(peer.domain, why_not)


def _refusal(domain: Domain, why_not: str) -> Unidentified:
    return Unidentified(UNPROVED if domain.enabled else DISABLED, why_not)


def why_no_certificate(peer: Peer) -> str | None:
    """Why a certificate alone is not enough under the name that a client has given, or None if it is."""
    domain = peer.domain
    if domain is None or not is_custom(domain):
        return None
    return (
        f"domain configuration {domain.configuration} of {domain.name} has authenticationType "
        f"{domain.authentication}, and for this no custom authorizer is asked"
    )


def _proof(peer: Peer) -> str:
    return X509 if peer.certificate_der is not None else ""


async def _ask(hub: Hub, peer: Peer, domain: Domain, connection_id: str) -> None:
    der = peer.certificate_der
    event = {
        "connectionMetadata": {"id": connection_id},
        "principalId": certificate_id(peer),
        "serverName": peer.server_name,
        "clientCertificateChain": [_pem(one) for one in ((der,) if der is not None else ()) + peer.sent],
    }
    try:
        answer = await hub.functions.invoke(domain.callback, event)
    except FunctionError as error:
        raise Unidentified(
            UNPROVED, f"the clientCertificateCallbackArn of {domain.configuration} gave no answer: {error}"
        ) from None
    if answer.get("isAuthenticated") is not True:
        raise Unidentified(
            UNPROVED,
            f"{domain.callback}, the clientCertificateCallbackArn of {domain.configuration}, did not answer "
            "isAuthenticated: true",
        )


def _pem(der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])
