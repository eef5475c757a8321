"""Certificates as they go out: for devices, for a certificate authority, for the server itself.

The device profile was measured on certificates that AWS IoT issued: version 3, a 20-byte random serial
number, SHA-256, not before two minutes ago, not after 2049-12-31T23:59:59Z, and exactly four extensions:
authority key identifier, subject key identifier, basic constraints (critical, CA false), key usage (critical,
digital signature).
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOT_AFTER = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
DEFAULT_SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "AWS IoT Certificate")])

CA_YEARS = 100
"""A certificate must not outlive its issuer, and operators may choose ends long past AWS's 2049."""

_BACKDATED = timedelta(seconds=120)
_MAX_NAME = 64  # RFC 5280, appendix A: ub-common-name and ub-organizational-unit-name
_KEY_BITS = 2048

IssuerKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def issue_device_certificate(
    issuer: x509.Certificate,
    issuer_key: IssuerKey,
    public_key: CertificatePublicKeyTypes,
    subject: x509.Name,
    now: float,
    not_after: datetime = NOT_AFTER,
    serial: int | None = None,
    crl_url: str = "",
) -> x509.Certificate:
    """Sign a device certificate; ``now`` in epoch seconds, a serial number of None is a random one.

    With a ``crl_url`` it has a fifth extension, which says where the issuer's revocation list is.
    """
    builder = _builder(issuer.subject, subject, public_key, now, not_after, serial)
    builder = builder.add_extension(_authority_key(issuer), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    if crl_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def generate_rsa_key() -> tuple[str, str]:
    """A new RSA-2048 key pair: the private key as PKCS#1 PEM, the public one as SubjectPublicKeyInfo PEM.

    Takes some 50 ms of one core and more: not for an event loop.
    """
    key = _rsa_key()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode("ascii"), public.decode("ascii")


def make_ca(
    common_name: str, now: float, years: int = 30, key: rsa.RSAPrivateKey | None = None
) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """A self-signed certificate authority, with a new RSA-2048 key unless there is one.

    Its name is one RDN, an organizational unit, as that of AWS IoT's own issuer is; ``common_name`` (1 to 64
    characters, else ValueError) is what it says.
    """
    if not 1 <= len(common_name) <= _MAX_NAME:
        raise ValueError(f"the name of a certificate authority has 1 to {_MAX_NAME} characters")
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, common_name)])
    key = key or _rsa_key()
    public_key = key.public_key()
    until = datetime.fromtimestamp(now, UTC).replace(microsecond=0) + timedelta(days=round(365.25 * years))
    builder = _builder(name, name, public_key, now, until, None)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    return builder.sign(key, hashes.SHA256()), key


def new_server_key(algorithm: str) -> str:
    """A new private key in PEM: of a curve (``EC_prime256v1``, ``EC_secp384r1``), else ``RSA_<bits>``.

    RSA takes some 50 ms of one core and more: not for an event loop.
    """
    curves = {"EC_prime256v1": ec.SECP256R1(), "EC_secp384r1": ec.SECP384R1()}
    key: IssuerKey
    if algorithm in curves:
        key = ec.generate_private_key(curves[algorithm])
    else:
        bits = int(algorithm.removeprefix("RSA_"))
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def load_server_key(pem: str) -> IssuerKey:
    """A key that `new_server_key` made."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    return key


def make_server_certificate(
    ca: x509.Certificate,
    ca_key: IssuerKey,
    names: Sequence[str],
    now: float,
    days: int = 397,
    key: IssuerKey | None = None,
) -> tuple[x509.Certificate, IssuerKey]:
    """A server certificate for DNS names (``*.`` may lead) and IP addresses, with a new P-256 key unless
    there is one.

    ``days`` is how long it is valid. ValueError for no name or one that is neither an address nor ASCII.
    """
    if not names:
        raise ValueError("a server certificate needs at least one name")
    key = key or ec.generate_private_key(ec.SECP256R1())
    public_key = key.public_key()
    first = next((name for name in names if len(name) <= _MAX_NAME), None)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, first)] if first else [])
    until = datetime.fromtimestamp(now, UTC).replace(microsecond=0) + timedelta(days=days)
    builder = _builder(ca.subject, subject, public_key, now, until, None)
    builder = builder.add_extension(_authority_key(ca), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    rsa_key = isinstance(key, rsa.RSAPrivateKey)
    builder = builder.add_extension(_usage(digital_signature=True, key_encipherment=rsa_key), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(
        # RFC 5280, 4.2.1.6: critical where the subject is empty.
        x509.SubjectAlternativeName([_general_name(name) for name in names]),
        critical=not first,
    )
    return builder.sign(ca_key, hashes.SHA256()), key


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    public_key: CertificatePublicKeyTypes,
    now: float,
    not_after: datetime,
    serial: int | None,
) -> x509.CertificateBuilder:
    since = datetime.fromtimestamp(now, UTC).replace(microsecond=0) - _BACKDATED
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(_serial() if serial is None else serial)
        .not_valid_before(since)
        .not_valid_after(not_after)
    )


def _serial() -> int:
    """A random positive number of exactly 20 bytes, the most that RFC 5280, 4.1.2.2 allows."""
    return secrets.randbits(158) | 1 << 158


def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        known = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        key = issuer.public_key()
        assert isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey))
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
