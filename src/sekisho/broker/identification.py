"""Who is at the door: an IAM principal that has signed, or the certificate that TLS has proved."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sekisho.logic.endpoints import why_not_here
from sekisho.logic.lifecycle import may_connect
from sekisho.mqtt.reasons import Reason
from sekisho.services.call import Principal
from sekisho.services.identity import Identity
from sekisho.services.within import within
from sekisho.store.statement import StoreError

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer

FAIL_CLOSED = 1.0
"""Seconds within which the registry must have answered, else the answer is no."""


class Unidentified(Exception):
    """Who is there may not come in: AWS's name for why, the words, what MQTT 5 and the event call it."""

    def __init__(
        self,
        reason: str,
        words: str,
        code: int = Reason.NOT_AUTHORIZED,
        disconnect_reason: str = "AUTH_ERROR",
        identity: Identity | None = None,
    ) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words
        self.code = code
        self.disconnect_reason = disconnect_reason
        self.identity = identity


def place_of(hub: Hub, peer: Peer) -> tuple[str, str]:
    """The account and region that a connection has come to."""
    return (peer.account, peer.region) if peer.account else hub.place


def domain_of(hub: Hub, peer: Peer) -> str:
    """The full name of the endpoint that a connection has come to."""
    return peer.server_name.lower() if peer.named else hub.domain


def certificate_id(peer: Peer) -> str:
    """The id of the certificate that was presented, '' for none."""
    return hashlib.sha256(peer.certificate_der).hexdigest() if peer.certificate_der is not None else ""


async def identify(hub: Hub, peer: Peer, client_id: str) -> Identity:
    """What the registry says now of who is there, with the thing that goes with the client id.

    Raises Unidentified when a certificate may not be used (any more), or when the registry cannot be asked.
    """
    account, region = place_of(hub, peer)
    if peer.principal is not None:
        return await _signed(hub, peer.principal, region)
    id = certificate_id(peer)
    if not id:
        raise Unidentified("NOT_AUTHENTICATED", "no client certificate was presented")
    try:
        identity = await within(FAIL_CLOSED, hub.identities.load(account, region, id, client_id))
    except (StoreError, TimeoutError):
        raise unanswered() from None
    if identity is None:
        raise Unidentified(
            "DEVICE_CERTIFICATE_NOT_REGISTERED",
            f"certificate {id} is not registered in account {account}, region {region}",
        )
    rule = hub.multi_account_certificates
    misused = why_not_here(identity.mode, peer.endpoint, peer.named, rule)
    if misused is not None:
        reason, words = misused
        words = (
            f"certificate {id} cannot be used at {peer.server_name or 'an address without a name'}: {words}"
        )
        raise Unidentified(reason, words, identity=identity)
    why_not = may_connect(identity.status)
    if why_not is not None:
        raise Unidentified(why_not, f"certificate {id} is {identity.status}", identity=identity)
    if identity.revoked:
        raise Unidentified(
            "DEVICE_CERTIFICATE_REVOKED",
            f"certificate {id} is on the revocation list of CA certificate {identity.ca_id}",
            identity=identity,
        )
    if not identity.not_before <= hub.clock.now() <= identity.not_after:
        raise Unidentified(
            "NOT_AUTHENTICATED", f"certificate {id} is not valid at this time", identity=identity
        )
    return identity


async def _signed(hub: Hub, principal: Principal, region: str) -> Identity:
    """Who has signed, as IAM has it now, and while the credentials last."""
    if principal.expires is not None and principal.expires <= hub.clock.now():
        raise Unidentified(
            "SECURITY_TOKEN_EXPIRED",
            f"the temporary credentials of {principal.arn} have ended",
            Reason.ADMINISTRATIVE_ACTION,
            "WEBSOCKET_TTL_EXPIRATION",
        )
    try:
        identity = await within(FAIL_CLOSED, hub.identities.signed(principal, region))
    except (StoreError, TimeoutError):
        raise unanswered() from None
    if identity is None:
        words = f"{principal.arn} does not exist any more, or its access key is not active"
        raise Unidentified("NOT_AUTHENTICATED", words)
    return identity


def unanswered() -> Unidentified:
    return Unidentified(
        "INTERNAL_SERVER_ERROR",
        "the registry did not answer in time, so the connection was refused",
        Reason.SERVER_UNAVAILABLE,
        "SERVER_ERROR",
    )
