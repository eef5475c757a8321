"""Server certificates as they are handed in: read, checked, and held against a domain name.

Source: AWS Certificate Manager User Guide, "Prerequisites for importing ACM certificates"; AWS IoT Developer
Guide, "Creating and configuring customer managed domains", Certificate requirements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sekisho.logic.certificates import BadCertificate, certificate_pem, check_validity, parse_certificate
from sekisho.logic.issuers import has_signed
from sekisho.logic.json_text import shown

MAX_KEY_BYTES = 5120
MAX_CHAIN = 10
"""Certificates above the server's own that are read."""

IOT_DEPTH, IOT_CHAIN_BYTES, IOT_NAMES = 5, 16_384, 4
"""Certificates of a chain with the server's own, bytes of all in PEM, names in the server's own."""

IOT_ALGORITHMS = ("RSA_2048", "EC_prime256v1")

_CURVES = {"secp256r1": "EC_prime256v1", "secp384r1": "EC_secp384r1", "secp521r1": "EC_secp521r1"}
_ACM_RSA = (2048, 3072, 4096)
_END = "-----END CERTIFICATE-----"
_LABEL = r"(?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9]"
_DOMAIN = re.compile(rf"(\*\.)?({_LABEL}\.)+{_LABEL}")


class BadServerCertificate(ValueError):
    """Not a certificate, chain or key that can be served; the words name which, and never show a key."""


class ServerCertificate(NamedTuple):
    """``chain`` are the certificates above the server's own, each of which has signed the one before."""

    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: Any

    def __repr__(self) -> str:
        return f"ServerCertificate({self.leaf.subject.rfc4514_string()!r})"

    @property
    def key_pem(self) -> str:
        return str(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode()
        )

    @property
    def chain_pem(self) -> str:
        return "".join(certificate_pem(one) for one in self.chain)


def read_server_certificate(certificate: bytes, chain: bytes, key: bytes, now: float) -> ServerCertificate:
    """What ImportCertificate was given, if it fits together and is valid at ``now``.

    Raises BadServerCertificate.
    """
    leaf = _certificate(_text(certificate, "Certificate"), "Certificate")
    why_not = check_validity(leaf, now)
    if why_not is not None:
        raise BadServerCertificate(f"Certificate: {why_not}")
    if not names_of(leaf):
        raise BadServerCertificate("Certificate: it names no domain, neither in its SANs nor as its CN")
    private = _key(key)
    if _spki(private.public_key()) != _spki(leaf.public_key()):
        raise BadServerCertificate("PrivateKey: the key is not that of the certificate")
    above = read_chain(_text(chain, "CertificateChain"))
    _check_chain(leaf, above)
    return ServerCertificate(leaf, tuple(above), private)


def read_chain(pem: str) -> list[x509.Certificate]:
    """The certificates of a chain in PEM, none for an empty one. Raises BadServerCertificate."""
    blocks = pem.split(_END)
    rest = blocks.pop()
    if len(blocks) > MAX_CHAIN:
        raise BadServerCertificate(
            f"CertificateChain: it has {len(blocks)} certificates, more than {MAX_CHAIN}"
        )
    if "-----BEGIN" in rest or (rest.strip() and not blocks):
        raise BadServerCertificate("CertificateChain: it is not PEM, or is cut off")
    return [_certificate(f"{block}{_END}\n", "CertificateChain") for block in blocks]


def key_algorithm(certificate: x509.Certificate) -> str:
    """As the `acm` model spells it."""
    match certificate.public_key():
        case rsa.RSAPublicKey(key_size=bits):
            return f"RSA_{bits}"
        case ec.EllipticCurvePublicKey(curve=curve):
            return _CURVES[curve.name]
    raise BadServerCertificate("Certificate: its key is neither an RSA nor an ECC key")


def names_of(certificate: x509.Certificate) -> list[str]:
    """The DNS names that it is for: its SANs, or without any its CN."""
    try:
        sans = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(one.value) for one in found[:1] if is_domain(str(one.value))]
    return sans.get_values_for_type(x509.DNSName)


def is_domain(text: str) -> bool:
    """Whether it is a host name, perhaps with ``*.`` before it (the pattern of the `acm` model)."""
    return len(text) <= 253 and _DOMAIN.fullmatch(text) is not None


def covers(names: Sequence[str], domain: str) -> bool:
    """Whether one of the names is the domain's, or stands for it with a wildcard (RFC 6125, 6.4.3)."""
    wanted = domain.lower()
    parent = wanted.partition(".")[2]
    return any(name.lower() in (wanted, f"*.{parent}") for name in names)


def why_not_for(
    domain: str, leaf: x509.Certificate, chain: Sequence[x509.Certificate], now: float
) -> str | None:
    """Why AWS IoT would not serve a certificate for a domain, or None if it would."""
    names = names_of(leaf)
    if not covers(names, domain):
        return f"it does not cover {domain}, but {', '.join(names[:5])}"
    if len(names) > IOT_NAMES:
        return f"it has {len(names)} domain names, more than {IOT_NAMES}"
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is None or ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        return "its Extended Key Usage does not have serverAuth"
    if key_algorithm(leaf) not in IOT_ALGORITHMS:
        return f"its key is {key_algorithm(leaf)}, not one of {', '.join(IOT_ALGORITHMS)}"
    if 1 + len(chain) > IOT_DEPTH:
        return f"its chain has {1 + len(chain)} certificates, more than {IOT_DEPTH}"
    if sum(len(certificate_pem(one)) for one in (leaf, *chain)) > IOT_CHAIN_BYTES:
        return f"its chain has more than {IOT_CHAIN_BYTES} bytes"
    return check_validity(leaf, now)


def stands_under(
    leaf: x509.Certificate, chain: Sequence[x509.Certificate], roots: Mapping[bytes, x509.Certificate]
) -> bool:
    """Whether one of the roots, given by their subjects in DER, has signed it or its chain, of which each has
    signed the one before. Only an authority vouches for what it has signed: else whoever has a public
    certificate of some name could make one of any other under it (RFC 5280, 6.1.4)."""
    for number, one in enumerate((leaf, *chain)):
        if number and not _may_sign(one, number - 1):
            return False
        root = roots.get(one.issuer.public_bytes())
        if root is not None and (one == root or has_signed(root, one)):
            return True
    return False


def _may_sign(authority: x509.Certificate, between: int) -> bool:
    """Whether a certificate is an authority's that may have ``between`` others below it before the leaf. One
    that is for some names only may not: nobody here compares them."""
    try:
        extensions = {type(one.value): one.value for one in authority.extensions}
    except (ValueError, x509.DuplicateExtension):
        return False
    constraints = extensions.get(x509.BasicConstraints)
    usage = extensions.get(x509.KeyUsage)
    if not isinstance(constraints, x509.BasicConstraints) or not constraints.ca:
        return False
    if isinstance(usage, x509.KeyUsage) and not usage.key_cert_sign:
        return False
    most = constraints.path_length
    return x509.NameConstraints not in extensions and (most is None or between <= most)


def _check_chain(leaf: x509.Certificate, chain: Sequence[x509.Certificate]) -> None:
    if not chain and leaf.issuer != leaf.subject:
        raise BadServerCertificate("CertificateChain: a certificate that is not self-signed needs its chain")
    below = leaf
    for number, above in enumerate(chain, 1):
        if above == leaf:
            raise BadServerCertificate("CertificateChain: it must not have the certificate itself")
        if not has_signed(above, below):
            what = "the certificate" if number == 1 else f"number {number - 1}"
            raise BadServerCertificate(
                f"CertificateChain: its order is wrong, or one is missing: number {number} "
                f"({shown(above.subject.rfc4514_string())}) has not signed {what}"
            )
        below = above


def _text(pem: bytes, member: str) -> str:
    try:
        return pem.decode("ascii")
    except UnicodeDecodeError:
        raise BadServerCertificate(f"{member}: it is not PEM") from None


def _certificate(pem: str, member: str) -> x509.Certificate:
    try:
        return parse_certificate(pem)
    except BadCertificate as error:
        raise BadServerCertificate(f"{member}: {error}") from None


def _key(pem: bytes) -> Any:
    if len(pem) > MAX_KEY_BYTES:
        raise BadServerCertificate(f"PrivateKey: it has {len(pem)} bytes, more than {MAX_KEY_BYTES}")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise BadServerCertificate("PrivateKey: it is encrypted; an unencrypted one is needed") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadServerCertificate("PrivateKey: it is not a private key in PEM, or is damaged") from None
    match key:
        case rsa.RSAPrivateKey(key_size=bits) if bits in _ACM_RSA:
            return key
        case ec.EllipticCurvePrivateKey(curve=curve) if curve.name in _CURVES:
            return key
    raise BadServerCertificate(
        "PrivateKey: supported are RSA keys of 2048, 3072 and 4096 bits and the curves P-256, P-384, P-521"
    )


def _spki(key: Any) -> bytes:
    found: bytes = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found
