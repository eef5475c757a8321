"""The host names of endpoints: one for each kind in each account and region, and what a name may be used for.

The forms are AWS's (AWS IoT API Reference, DescribeEndpoint), with a domain of the operator's own:
``<prefix>-ats.iot.<region>.<domain>`` and so on.
"""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

DATA, JOBS, CREDENTIALS = "data", "jobs", "credentials"
"""What an endpoint is for."""

TYPES = {
    "iot:Data": ("{}.iot", DATA),
    "iot:Data-ATS": ("{}-ats.iot", DATA),
    "iot:Jobs": ("{}.jobs.iot", JOBS),
    "iot:CredentialProvider": ("{}.credentials.iot", CREDENTIALS),
}
"""``endpointType`` of DescribeEndpoint → how the name begins, and what the endpoint is for."""

ATS = "-ats"
SNI_ONLY = "SNI_ONLY"
"""``certificateMode`` of a certificate that is registered without its CA, or under one that nobody proved."""

DATA_ALONE, EVERYWHERE = "data", "all"
"""The setting ``multi_account_certificates``: where such a certificate may be used."""

_KINDS = {"jobs": JOBS, "credentials": CREDENTIALS}


class Name(NamedTuple):
    """A host name, taken apart."""

    prefix: str
    region: str
    kind: str


def prefix(account: str, region: str) -> str:
    """The first label of an account's names in a region: always the same, and 14 letters and digits as AWS's
    are. It is a hash, for a name travels in clear and need not tell the account."""
    digest = hashlib.sha256(f"{account}/{region}".encode()).digest()
    return "a" + base64.b32encode(digest).decode("ascii").lower()[:13]


def host_name(account: str, region: str, endpoint_type: str, domain: str) -> str:
    """The full name of an endpoint; ``endpoint_type`` is a key of `TYPES`."""
    form, _ = TYPES[endpoint_type]
    return f"{form.format(prefix(account, region))}.{region}.{domain}"


def parse_host(host: str, domain: str) -> Name | None:
    """Whose name this is, as far as its form tells; None for one of another form or domain. Letters of either
    case are the same (RFC 4343)."""
    rest, dot, none = host.lower().rpartition(f".{domain.lower()}")
    if not dot or none:
        return None
    match rest.split("."):
        case [first, "iot", region]:
            return Name(first.removesuffix(ATS), region, DATA)
        case [first, kind, "iot", region] if kind in _KINDS:
            return Name(first, region, _KINDS[kind])
    return None


def wildcards(region: str, domain: str) -> list[str]:
    """What a server certificate names to be valid for every account of a region, also those to come."""
    return [f"*.{middle}iot.{region}.{domain}" for middle in ("", "jobs.", "credentials.")]


def why_not_here(mode: str, kind: str, named: bool, rule: str) -> tuple[str, str] | None:
    """Why a certificate cannot be used where it was presented: AWS's name for it, and words; None if it can.

    ``mode`` is its certificateMode, ``kind`` that of the endpoint, ``named`` whether the client gave the full
    name of an endpoint by SNI, ``rule`` the setting ``multi_account_certificates``. AWS has no name for the
    second refusal, which it made in 2020 (AWS IoT Developer Guide of that year, Multi-account registration).
    """
    if mode != SNI_ONLY:
        return None
    if not named:
        return (
            "SNI_MISUSED",
            "it is registered without a proof of its CA, so the client must name its endpoint in full by SNI",
        )
    if kind != DATA and rule == DATA_ALONE:
        return (
            "MULTI_ACCOUNT_CERTIFICATE",
            "it is registered without a proof of its CA, and is for the data endpoint, not for "
            f"{kind} (multi_account_certificates = {rule}); use one that the platform or a registered CA has "
            "issued",
        )
    return None
