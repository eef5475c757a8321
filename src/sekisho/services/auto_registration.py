"""Which certificates become registered by connecting, and why others do not.

Source: AWS IoT Developer Guide, "Automatic/Just-in-Time registration".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from cryptography import x509

from sekisho.logic.certificates import BadCertificate
from sekisho.logic.issuers import check_for_registration
from sekisho.services.issuers import signed_by, why_not_now, with_issuers_name
from sekisho.services.work import Document, Work


class Verdict(NamedTuple):
    """Which CA a newcomer may be registered under; without one, why not, as ``reason`` of the log event
    Connection.AuthNError and in words."""

    ca: Document | None
    reason: str = ""
    words: str = ""


async def judge(
    work: Work, certificate: x509.Certificate, sent: Collection[str], server_name: str, now: float
) -> Verdict:
    """Whether a certificate that is not registered may become so by connecting.

    ``server_name`` is the full name of an endpoint, if the client has given one by SNI; ``sent`` has the ids
    of what it has sent above its certificate. A client that has not sent its CA must name its endpoint, and
    so must the clients of a CA in mode SNI_ONLY.
    """
    known = await with_issuers_name(work, certificate)
    if not known:
        return _stranger("its issuer is no CA that is registered there")
    signers = [ca for ca in known if signed_by(ca, certificate)]
    if not signers:
        names = ", ".join(ca["certificateId"] for ca in known)
        return _stranger(f"CA certificate {names} has its issuer's name, but has not signed it")
    # Several with one name and one key: any that would take it.
    reasons = [(why_not_register(ca, certificate, now), ca) for ca in signers]
    why_not, ca = next((one for one in reasons if one[0] is None), reasons[0])
    if why_not is not None:
        return _stranger(why_not)
    if not server_name and ca["certificateMode"] == "SNI_ONLY":
        return Verdict(
            None, "SNI_MISUSED", f"{shown(ca)} is SNI_ONLY: the client must send the server name (SNI)"
        )
    if not server_name and ca["certificateId"] not in sent:
        words = (
            f"{shown(ca)} was not sent with the client's certificate, so it must send the server name (SNI)"
        )
        return Verdict(None, "SNI_MISUSED", words)
    return Verdict(ca)


def why_not_register(ca: Document, certificate: x509.Certificate, now: float) -> str | None:
    """Why a CA does not register what it has signed at its first connect, or None if it does."""
    why_not = why_not_now(ca, now)
    if why_not is None and ca["autoRegistrationStatus"] != "ENABLE":
        why_not = (
            f"{shown(ca)} does not register by itself (autoRegistrationStatus {ca['autoRegistrationStatus']})"
        )
    if why_not is not None:
        return why_not
    try:
        check_for_registration(certificate, now)
    except BadCertificate as error:
        return str(error)
    return None


def shown(ca: Document) -> str:
    return f"CA certificate {ca['certificateId']}"


def _stranger(words: str) -> Verdict:
    return Verdict(None, "DEVICE_CERTIFICATE_NOT_REGISTERED", words)
