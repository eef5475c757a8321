"""Which certificate a custom domain serves: the last one that was right for it.

Source: AWS IoT Developer Guide, "Creating and configuring customer managed domains", Troubleshooting: one
that is imported again under the same ARN is picked up, and while it is invalid the last valid one is served.
"""

from __future__ import annotations

from sekisho.logic.server_certificates import why_not_for
from sekisho.services.server_certificates import chain_of, leaf_of, users_of
from sekisho.services.work import Document, Work

KIND = "servedcertificate"
"""The kind of a row, by the configuration's name: certificate, chain and sealed key as they are served."""

CONFIGURATION = "domainconfiguration"


def why_invalid(certificate: Document, domain: str, now: float) -> str | None:
    """Why a certificate cannot be served for a domain, or None if it can."""
    return why_not_for(domain, leaf_of(certificate), chain_of(certificate), now)


async def serve(work: Work, configuration: str, certificate: Document) -> None:
    await work.put(
        KIND,
        configuration,
        {name: certificate[name] for name in ("certificateArn", "certificatePem", "chainPem", "key")},
    )


async def renew(work: Work, certificate: Document) -> None:
    """Have every domain that a certificate is for serve it, where it is right for it."""
    arn = certificate["certificateArn"]
    for name in await users_of(work, arn):
        configuration = await work.get(CONFIGURATION, name)
        if configuration is None or arn not in configuration["serverCertificateArns"]:
            continue
        if why_invalid(certificate, configuration["domainName"], work.now) is None:
            await serve(work, name, certificate)
