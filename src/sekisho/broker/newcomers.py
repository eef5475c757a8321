"""Certificates that connect without being registered, or while they wait to be activated.

The CONNECT decides, not the handshake: a client that only shakes hands leaves nothing behind (measured on AWS
IoT). The connection is refused in any case; the client comes again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cryptography import x509

from sekisho.aws.errors import AwsError
from sekisho.broker.identification import FAIL_CLOSED, Unidentified, certificate_id, place_of
from sekisho.logic.arns import arn
from sekisho.logic.certificates import BadCertificate, certificate_pem, load_certificate
from sekisho.services.api import Api
from sekisho.services.auto_registration import Verdict, judge
from sekisho.services.call import Caller, Principal, service_principal
from sekisho.services.first_connect import EVENT, PENDING
from sekisho.services.work import Document, Work
from sekisho.store.statement import StoreError

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer

SERVICE, OPERATION = "sekisho", "RegisterCertificateOnConnect"
UNKNOWN = "DEVICE_CERTIFICATE_NOT_REGISTERED"
WAITING = "DEVICE_CERTIFICATE_INACTIVE"


class Newcomers:
    """Just-in-time registration and provisioning, for the clients of one node."""

    def __init__(self, hub: Hub, api: Api) -> None:
        self._hub = hub
        self._api = api
        hub.newcomers = self

    async def meet(self, refusal: Unidentified, peer: Peer, client_id: str) -> Unidentified:
        """Do for who has just been refused what its CA's registration says, and say what came of it."""
        identity = refusal.identity
        waits = identity is not None and identity.status == PENDING
        if peer.certificate_der is None or not (waits or refusal.reason == UNKNOWN):
            return refusal
        account, region = place_of(self._hub, peer)
        work = Work(self._hub.store, account, region, self._hub.clock.now())
        try:
            certificate = load_certificate(peer.certificate_der)
            async with asyncio.timeout(FAIL_CLOSED):
                if waits:
                    # Others that wait are not a CA's: those of fleet provisioning have their token.
                    registered = await work.get("cert", certificate_id(peer))
                    if registered is None or not registered.get("caCertificateId"):
                        return refusal
                name = peer.server_name if peer.named else ""
                verdict = await judge(work, certificate, peer.chain, name, work.now)
        except BadCertificate as error:
            return _refusal(refusal, refusal.reason, f"{refusal.words}; {error}")
        except (StoreError, TimeoutError):
            return refusal
        if verdict.ca is None:
            return _refusal(refusal, verdict.reason, f"{refusal.words}, and {verdict.words}")
        return await self._register(refusal, verdict, certificate, peer, client_id)

    async def _register(
        self,
        refusal: Unidentified,
        verdict: Verdict,
        certificate: x509.Certificate,
        peer: Peer,
        client_id: str,
    ) -> Unidentified:
        account, region = place_of(self._hub, peer)
        id = certificate_id(peer)
        ca = verdict.ca or {}
        role = service_principal(account, "provisioning")
        caller = Caller(
            Principal(arn(region, account, "cert", id), account, role.policies),
            account,
            region,
            peer.address,
            certificate_id=id,
            client_id=client_id,
        )
        members = {"certificatePem": certificate_pem(certificate), "caCertificateId": ca["certificateId"]}
        try:
            made = await self._api.invoke(caller, SERVICE, OPERATION, **members)
        except AwsError as error:
            words = f"{refusal.words}, and could not be provisioned: {error.message}"
            return _refusal(refusal, refusal.reason, words)
        return _refusal(refusal, WAITING if made["status"] == PENDING else UNKNOWN, _outcome(made))


def _outcome(made: Document) -> str:
    id, ca, status = made["certificateId"], made["caCertificateId"], made["status"]
    if "thingName" in made:
        thing = f" as thing {made['thingName']}" if made["thingName"] else ""
        return (
            f"certificate {id} has now been provisioned{thing} by CA certificate {ca} and is {status}: "
            "connect again"
        )
    if status != PENDING:
        return f"certificate {id} is {status} by now: connect again"
    return (
        f"certificate {id} is registered by CA certificate {ca} and is {status}, as an event on "
        f"{EVENT.format(ca)} said: it may connect once it is ACTIVE"
    )


def _refusal(before: Unidentified, reason: str, words: str) -> Unidentified:
    return Unidentified(reason, words, before.code, before.disconnect_reason, before.identity)
