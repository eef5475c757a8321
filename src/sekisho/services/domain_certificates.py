"""The server certificate of a custom domain: whether it may be served, and how that is told."""

from __future__ import annotations

from collections.abc import Sequence

from sekisho.aws.errors import CertificateValidationException, InvalidRequestException
from sekisho.logic.endpoints import parse_host
from sekisho.logic.server_certificates import covers, is_domain, stands_under
from sekisho.logic.stapling import responder_of
from sekisho.services.call import Call
from sekisho.services.served_certificates import why_invalid
from sekisho.services.server_certificates import (
    ISSUED,
    KIND,
    certificate_arn,
    chain_of,
    leaf_of,
    public_roots,
)
from sekisho.services.work import Document


async def prove(call: Call, host: str, arns: Sequence[str], validation: str | None) -> Document:
    """The certificate of a new custom domain, if it is right for it and the domain is proved to be one's own.

    A certificate of a private CA proves nothing: it needs a validation certificate, which ACM has issued or a
    public CA has signed.

    Raises InvalidRequestException or CertificateValidationException.
    """
    _check_name(call, host)
    if not arns:
        raise InvalidRequestException(
            "Cannot provide a custom domain name for an AWS Managed Domain: a custom one needs "
            "serverCertificateArns"
        )
    certificate = await _find(call, "serverCertificateArns", arns[0])
    why_not = why_invalid(certificate, host, call.now)
    if why_not is not None:
        raise CertificateValidationException(f"The server certificate {arns[0]} is invalid: {why_not}")
    if validation is None:
        if not _proves(certificate):
            raise CertificateValidationException(
                f"The server certificate {arns[0]} is signed by a private CA, so validationCertificateArn "
                f"must name one for {host} that ACM has issued or a public CA has signed"
            )
        return certificate
    proof = await _find(call, "validationCertificateArn", validation)
    if not _proves(proof):
        raise CertificateValidationException(
            f"The validation certificate {validation} is neither issued by ACM nor signed by a public CA"
        )
    if not covers(proof["names"], host) or not proof["notBefore"] <= call.now <= proof["notAfter"]:
        raise CertificateValidationException(
            f"The validation certificate {validation} does not cover {host}, or is not valid at this time"
        )
    return certificate


def check_stapling(settings: Document, certificate: Document | None) -> None:
    """Raises InvalidRequestException where there is nothing that could be stapled."""
    if not (settings.get("serverCertificateConfig") or {}).get("enableOCSPCheck"):
        return
    why_not = None
    if certificate is None:
        why_not = "a certificate of the node's own names no OCSP responder"
    elif not certificate["chainPem"]:
        why_not = "the server certificate is self-signed, or has no chain"
    elif responder_of(leaf_of(certificate)) is None:
        why_not = "the server certificate names no OCSP responder that is asked over HTTP"
    if why_not is not None:
        raise InvalidRequestException(f"enableOCSPCheck: {why_not}")


async def certificate_of(call: Call, configuration: Document) -> Document | None:
    """The server certificate of a configuration, None for one that the node itself serves."""
    arns = configuration["serverCertificateArns"]
    return await call.work.get(KIND, arns[0].rpartition("/")[2]) if arns else None


def _check_name(call: Call, host: str) -> None:
    if not is_domain(host) or host.startswith("*"):
        raise InvalidRequestException(f"domainName {host} is not the full name of a host")
    if call.deps.places.is_own(host) or parse_host(host, call.deps.config["domain"]) is not None:
        raise InvalidRequestException(f"domainName {host} is a name of the node's own endpoints")


def _proves(certificate: Document) -> bool:
    if certificate["type"] == ISSUED:
        return True
    return stands_under(leaf_of(certificate), chain_of(certificate), public_roots())


async def _find(call: Call, member: str, arn: str) -> Document:
    id = arn.rpartition("/")[2]
    found = None
    if arn == certificate_arn(call.region, call.account, id):
        found = await call.work.get(KIND, id)
    if found is None:
        raise InvalidRequestException(
            f"{member}: there is no certificate {arn} in account {call.account}, region {call.region}"
        )
    return found


async def summary(call: Call, arn: str, configuration: Document) -> Document:
    """A server certificate as DescribeDomainConfiguration shows it."""
    found = await call.work.get(KIND, arn.rpartition("/")[2])
    why_not = "it does not exist any more"
    if found is not None:
        why_not = why_invalid(found, configuration["domainName"], call.now) or ""
    return {
        "serverCertificateArn": arn,
        "serverCertificateStatus": "INVALID" if why_not else "VALID",
        "serverCertificateStatusDetail": why_not or None,
    }
