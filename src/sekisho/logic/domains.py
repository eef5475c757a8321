"""Domain configurations: what an endpoint's host name demands of who comes to it.

Source: AWS IoT Developer Guide, "Domain configurations", "Transport security in AWS IoT Core" (the table of
security policies) and "Device communication protocols".
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from sekisho.logic.arns import arn
from sekisho.logic.endpoints import CREDENTIALS, DATA, JOBS

DEFAULT = "DEFAULT"

X509, SIGV4, CUSTOM, CUSTOM_X509 = "AWS_X509", "AWS_SIGV4", "CUSTOM_AUTH", "CUSTOM_AUTH_X509"
"""``authenticationType``; the first two are also what a client can have proved who it is with."""

MQTT, WSS, HTTPS = "SECURE_MQTT", "MQTT_WSS", "HTTPS"
"""``applicationProtocol``, and what a client can speak."""

TOGETHER = {
    DEFAULT: (DEFAULT, MQTT, WSS, HTTPS),
    X509: (MQTT, HTTPS),
    SIGV4: (WSS, HTTPS),
    CUSTOM: (MQTT, WSS, HTTPS),
    CUSTOM_X509: (MQTT, HTTPS),
}
"""authenticationType → the protocols that a domain can have with it."""

PROOFS = {
    X509: (X509, "a client certificate"),
    SIGV4: (SIGV4, "Signature Version 4"),
    CUSTOM_X509: (X509, "a client certificate and a custom authorizer"),
}
"""authenticationType → what a client must have proved who it is with, in words as well."""

BUILT_IN = {
    "iot:CredentialProvider": ("CREDENTIAL_PROVIDER", CREDENTIALS),
    "iot:Data-ATS": ("DATA", DATA),
    "iot:Jobs": ("JOBS", JOBS),
}
"""The configurations that every account has, of the default endpoints: serviceType, and what they are for."""

DATA_ENDPOINT = "iot:Data-ATS"

DAYS_DISABLED = 7
"""How long a configuration of an AWS-managed domain must have been disabled before it can be deleted."""


class SecurityPolicy(NamedTuple):
    """Versions of TLS, and the cipher suites of version 1.2, by OpenSSL's names."""

    oldest: str
    newest: str
    ciphers: str


_EITHER = (
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES128-SHA",
    "AES256-GCM-SHA384",
    "AES256-SHA384",
    "AES256-SHA",
)
_PLAIN = (
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES128-SHA",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
    "AES256-SHA",
)
_CIPHERS = ":".join(
    [f"ECDHE-{key}-{cipher}" for key in ("ECDSA", "RSA") for cipher in _EITHER] + list(_PLAIN)
)

DEFAULT_POLICY = "IoTSecurityPolicy_TLS13_1_2_2022_10"
POLICIES = {
    "IoTSecurityPolicy_TLS13_1_3_2022_10": SecurityPolicy("1.3", "1.3", _CIPHERS),
    DEFAULT_POLICY: SecurityPolicy("1.2", "1.3", _CIPHERS),
    "IoTSecurityPolicy_TLS12_1_2_2022_10": SecurityPolicy("1.2", "1.2", _CIPHERS),
    "IoTSecurityPolicy_TLS12_1_0_2016_01": SecurityPolicy("1.2", "1.2", _CIPHERS),
    "IoTSecurityPolicy_TLS12_1_0_2015_01": SecurityPolicy("1.2", "1.2", _CIPHERS),
}


@dataclass(frozen=True, slots=True)
class Domain:
    """A host name that has a configuration: whose, what it is for, and what it demands."""

    name: str
    """In lower case."""
    account: str
    region: str
    configuration: str
    kind: str = DATA
    enabled: bool = True
    policy: str = DEFAULT_POLICY
    authentication: str = DEFAULT
    protocol: str = DEFAULT
    callback: str = ""
    """The function that is asked about every client certificate, by its ARN; '' for none."""
    authorizer: str = ""
    """The custom authorizer of who names none, '' for none."""
    override: bool = False
    """Whether a client may name another authorizer."""
    stapling: bool = False
    """Whether an OCSP answer about its certificate goes with it."""


def domain_arn(region: str, account: str, name: str) -> str:
    """The ARN of a configuration. AWS's ends with five characters of chance; these are always the same, so
    that a policy can name them before there is a configuration."""
    return arn(region, account, "domainconfiguration", name + suffix(region, account, name))


def suffix(region: str, account: str, name: str) -> str:
    return "" if name in BUILT_IN else f"/{_letters(f'{account}/{region}/{name}', 5)}"


def managed_name(region: str, account: str, name: str, domain: str) -> str:
    """The host name of a configuration that brings none: of the form of AWS's, and always the same."""
    return f"d{_letters(f'domain/{account}/{region}/{name}', 20)}-ats.iot.{region}.{domain}"


def _letters(text: str, count: int) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode("ascii").lower()[:count]


def why_not_together(authentication: str, protocol: str) -> str | None:
    """Why a domain cannot have both, or None if it can."""
    known = TOGETHER[authentication]
    if protocol in known:
        return None
    return (
        f"the domain must have an applicationProtocol that goes with authenticationType {authentication}: "
        f"{', '.join(known)}, not {protocol}"
    )


def why_refused(domain: Domain, spoken: str, proof: str) -> str | None:
    """Why a client that speaks a protocol and has proved who it is in one way ('' for none) may not come in
    under a domain's name, or None if it may. What a custom authorizer says of it comes after this."""
    who = f"domain configuration {domain.configuration}"
    if not domain.enabled:
        return f"{who} of {domain.name} is DISABLED"
    if domain.protocol not in (DEFAULT, spoken):
        return f"{who} of {domain.name} has applicationProtocol {domain.protocol}, and this is {spoken}"
    wanted, words = PROOFS.get(domain.authentication, (proof, "a custom authorizer"))
    if proof != wanted or (domain.authentication == CUSTOM and proof == SIGV4):
        return f"{who} of {domain.name} has authenticationType {domain.authentication}: it asks for {words}"
    return None


def is_custom(domain: Domain) -> bool:
    """Whether clients are a custom authorizer's to judge."""
    return domain.authentication in (CUSTOM, CUSTOM_X509)
