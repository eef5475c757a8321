"""OCSP as a server asks about its own certificate, to staple the answer to its handshakes.

Source: RFC 6960; AWS IoT Developer Guide, "Server certificate configuration for OCSP stapling": answers are
signed by the CA that has signed the certificate, and have 4 KiB at most.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

MOST = 4096
"""Bytes of an answer."""


EC2_METADATA = ip_address("fd00:ec2::254")


class BadStaple(ValueError):
    """An answer that cannot be stapled; the words say why."""


class Responder(NamedTuple):
    """Where to ask, over plain HTTP, as its answers are signed."""

    host: str
    port: int
    target: str


def responder_of(certificate: x509.Certificate) -> Responder | None:
    """The responder that a certificate names, if it names one that is asked over HTTP."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return None
    for one in access:
        place = one.access_location
        named = one.access_method == AuthorityInformationAccessOID.OCSP
        if not named or not isinstance(place, x509.UniformResourceIdentifier):
            continue
        try:
            parts = urlsplit(place.value)
            port = parts.port or 80
        except ValueError:
            continue
        if parts.scheme == "http" and parts.hostname and place.value.isascii() and place.value.isprintable():
            query = f"?{parts.query}" if parts.query else ""
            return Responder(parts.hostname, port, f"{parts.path or '/'}{query}")
    return None


def is_askable(address: str) -> bool:
    """Whether an IP address may be a responder's. A certificate is its account's, the network is the node's:
    at link-local addresses nobody answers OCSP, but in clouds who gives a machine its secrets."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return not (mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified or found == EC2_METADATA)


def request_for(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """The request, in DER; responders know SHA-1 for the names in it, which protects nothing (RFC 5019)."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303
    return builder.build().public_bytes(serialization.Encoding.DER)


def end_of(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate, now: float) -> float:
    """Until when an answer can be stapled (epoch seconds). One that says that the certificate is revoked can
    be, too: that is what clients are to hear. Raises BadStaple."""
    if len(der) > MOST:
        raise BadStaple(f"the answer has {len(der)} bytes, more than {MOST}")
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise BadStaple(f"the responder answered {answer.response_status.name}")
        if answer.serial_number != certificate.serial_number:
            raise BadStaple("the answer is about another certificate")
        _check_signature(answer, issuer)
        begins, ends = answer.this_update_utc, answer.next_update_utc
    except BadStaple:
        raise
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise BadStaple("the answer cannot be read, or the certificate's issuer has not signed it") from None
    if ends is None or not begins.timestamp() <= now < ends.timestamp():
        raise BadStaple("the answer is not of this time")
    return ends.timestamp()


def _check_signature(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> None:
    algorithm = answer.signature_hash_algorithm
    match issuer.public_key():
        case rsa.RSAPublicKey() as key if algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        case ec.EllipticCurvePublicKey() as key if algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        case _:
            raise BadStaple("the issuer's key is of a kind that signs no answers")
