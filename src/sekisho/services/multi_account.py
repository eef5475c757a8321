"""The rules of certificates in several accounts: whose a CA is, and so whose is what it has issued.

A CA that is registered by proof (``certificateMode`` DEFAULT) belongs to one account of a region (AWS IoT API
Reference, RegisterCACertificate, certificateMode), and so does every certificate that it issued; one that is
registered without its CA may be in as many accounts and regions as like (AWS IoT Developer Guide of 2020,
Multi-account registration). With ``multi_account_certificates = all`` the second half of the first rule is
gone, as at AWS today.

Whose a CA is, is a document of the region and of no account, one for each subject. The commit proves that it
is still as it was read: of two accounts that claim a CA at once, or one that claims it while another
registers what it issued, one is told.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509

from sekisho.aws.errors import ResourceAlreadyExistsException, TransferConflictException
from sekisho.logic.certificates import certificate_id, certificate_pem, parse_certificate
from sekisho.logic.endpoints import EVERYWHERE, SNI_ONLY
from sekisho.logic.issuers import has_signed, issuer_digest, subject_digest
from sekisho.services.call import Call
from sekisho.services.work import Work

KIND = "caowner"

Owners = Mapping[str, Mapping[str, str]]
"""CA certificate id → ``account`` and ``certificatePem``."""


async def check_ca(call: Call, ca: x509.Certificate, mode: str) -> None:
    """For RegisterCACertificate: ResourceAlreadyExistsException when another account of this region has
    proved that the CA is its own. By proof (DEFAULT) it becomes this account's, until `release_ca`.

    Where AWS is silent: without proof (SNI_ONLY) a CA that another account has proved may be registered
    under ``all`` only.
    """
    work, subject, owners = await _owners(call, subject_digest(ca))
    id = certificate_id(ca)
    owner = owners.get(id)
    if owner is not None and owner["account"] != call.account and (mode != SNI_ONLY or not _open(call)):
        raise ResourceAlreadyExistsException(
            f"CA certificate {id} is registered in another account of {call.region}, which has proved that "
            "it has the key; it belongs to one account in each region"
        )
    if mode != SNI_ONLY:
        claim = {"account": call.account, "certificatePem": certificate_pem(ca)}
        await work.put(KIND, subject, {"owners": {**owners, id: claim}})


async def release_ca(call: Call, ca: x509.Certificate) -> None:
    """For DeleteCACertificate: the CA, and what it issued, is no account's own any more."""
    work, subject, owners = await _owners(call, subject_digest(ca))
    id = certificate_id(ca)
    if owners.get(id, {}).get("account") != call.account:
        return
    left = {other: owner for other, owner in owners.items() if other != id}
    if left:
        await work.put(KIND, subject, {"owners": left})
    else:
        await work.delete(KIND, subject)


async def check_certificate(call: Call, certificate: x509.Certificate) -> None:
    """For RegisterCertificateWithoutCA: ResourceAlreadyExistsException when another account of this region
    has proved that the certificate's issuer is its own."""
    if await _may_belong(call, certificate, call.account):
        return
    id = certificate_id(certificate)
    raise ResourceAlreadyExistsException(
        f"certificate {id} was issued by a CA that another account of {call.region} has registered "
        "with a proof of its key; what that CA issued belongs to the same account",
        resourceId=id,
        resourceArn=call.arn("cert", id),
    )


async def check_new_owner(call: Call, certificate: x509.Certificate, account: str) -> None:
    """For TransferCertificate: TransferConflictException when an account other than the one that is to have
    the certificate has proved that its issuer is its own. AWS is silent about it."""
    if not await _may_belong(call, certificate, account):
        raise TransferConflictException(
            f"certificate {certificate_id(certificate)} was issued by a CA that an account of {call.region} "
            f"other than {account} has registered with a proof of its key; what that CA issued belongs to "
            "the same account"
        )


async def _may_belong(call: Call, certificate: x509.Certificate, account: str) -> bool:
    """Whether no other account has proved that the certificate's issuer is its own, or anything goes."""
    if _open(call):
        return True
    _, _, owners = await _owners(call, issuer_digest(certificate))
    return not any(
        owner["account"] != account and has_signed(parse_certificate(owner["certificatePem"]), certificate)
        for owner in owners.values()
    )


async def _owners(call: Call, subject: str) -> tuple[Work, str, Owners]:
    """Who owns the CAs of a subject, of which there may be several, and where that is kept."""
    work = call.work.elsewhere("", call.region)
    found = await work.get_unlikely(KIND, subject)
    return work, subject, found["owners"] if found is not None else {}


def _open(call: Call) -> bool:
    return bool(call.deps.config["multi_account_certificates"] == EVERYWHERE)
