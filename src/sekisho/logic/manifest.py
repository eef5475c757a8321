"""A secure element vendor's manifest: which chips were delivered, each entry signed by the vendor.

The form is Microchip's ("Trust Platform Manifest File Format"): an array of JWS objects in JSON (RFC 7515,
section 7.2.2), ES256. The payload has ``uniqueId`` and, under ``publicKeySet.keys``, JWKs; the first with an
``x5c`` has the chain of the device's certificate. Nothing is believed before its signature has been verified.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from sekisho.logic.certificates import BadCertificate, certificate_pem, load_certificate
from sekisho.logic.json_text import BadJson, read_object, shown

MAX_MANIFEST = 512 * 1024 * 1024
"""Bytes of a whole manifest; an entry has some three thousand."""
MAX_ENTRY = 64 * 1024
MAX_KEYS = 16
MAX_ID = 128
_INTEGER = 32
"""Bytes of each of the two numbers of an ES256 signature (RFC 7518, section 3.4)."""


class BadManifest(ValueError):
    """The file is not a manifest; the words say why."""


class BadEntry(ValueError):
    """An entry that must not be believed, or that cannot be used; the words say why."""


class Chip(NamedTuple):
    """``unique_id`` as the vendor writes it; ``certificate`` is the device's, PEM."""

    unique_id: str
    certificate: str


def read_manifest(content: bytes) -> list[Any]:
    """The entries of a manifest, none of them verified; raises `BadManifest`."""
    if len(content) > MAX_MANIFEST:
        raise BadManifest(f"the manifest has {len(content)} bytes, more than {MAX_MANIFEST}")
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        words = str(error) if isinstance(error, json.JSONDecodeError) else "not UTF-8, or nested too deeply"
        raise BadManifest(f"the manifest is not JSON: {words}") from None
    if not isinstance(entries, list):
        raise BadManifest("the manifest is not a JSON array")
    return entries


def vendor_keys(certificates: list[x509.Certificate]) -> list[ec.EllipticCurvePublicKey]:
    """The keys that may have signed; raises `BadManifest` unless all are of P-256, as ES256 has it."""
    keys = []
    for certificate in certificates:
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise BadManifest(f"the key of {certificate.subject.rfc4514_string()} is not of P-256")
        keys.append(key)
    if not keys:
        raise BadManifest("there is no certificate to verify the manifest with")
    return keys


def read_entry(entry: Any, keys: list[ec.EllipticCurvePublicKey]) -> Chip:
    """Verify an entry against any of the vendor's keys and read it; raises `BadEntry`."""
    match entry:
        case {"protected": str(protected), "payload": str(payload), "signature": str(signature)}:
            pass
        case _:
            raise BadEntry("it is not a JWS: protected, payload and signature must be strings")
    if len(protected) + len(payload) + len(signature) > MAX_ENTRY:
        raise BadEntry(f"it has more than {MAX_ENTRY} characters")
    header = _object(protected, "the protected header")
    if header.get("alg") != "ES256":
        raise BadEntry(f"its algorithm is {shown(str(header.get('alg')))}, not ES256")
    if "crit" in header:
        raise BadEntry("its header has a crit that is not understood")
    _verify(f"{protected}.{payload}", _decoded(signature, "the signature"), keys)
    return _chip(_object(payload, "the payload"))


def _verify(signed: str, signature: bytes, keys: list[ec.EllipticCurvePublicKey]) -> None:
    if len(signature) != 2 * _INTEGER:
        raise BadEntry(f"its signature has {len(signature)} bytes, not {2 * _INTEGER}")
    r, s = int.from_bytes(signature[:_INTEGER]), int.from_bytes(signature[_INTEGER:])
    for key in keys:
        try:
            key.verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            continue
        return
    raise BadEntry("its signature is not the vendor's")


def _chip(payload: dict[str, Any]) -> Chip:
    unique_id = payload.get("uniqueId")
    if not isinstance(unique_id, str) or not 1 <= len(unique_id) <= MAX_ID:
        raise BadEntry(f"its uniqueId is not a string of 1 to {MAX_ID} characters")
    match payload:
        case {"publicKeySet": {"keys": [*found]}} if len(found) <= MAX_KEYS:
            chains = [key["x5c"] for key in found if isinstance(key, dict) and "x5c" in key]
        case _:
            raise BadEntry(f"{unique_id}: publicKeySet.keys is not a list of at most {MAX_KEYS} keys")
    match chains:
        case []:
            raise BadEntry(f"{unique_id}: none of its keys has an x5c, so there is no certificate")
        case [[str(first), *_], *_]:
            pass
        case _:
            raise BadEntry(f"{unique_id}: x5c is not a list that begins with a certificate")
    try:
        # Base64 with + and /, unlike everything else in a JWS (RFC 7515, section 4.1.6).
        der = base64.b64decode(first, validate=True)
        return Chip(unique_id, certificate_pem(load_certificate(der)))
    except binascii.Error:
        raise BadEntry(f"{unique_id}: x5c[0] is not base64") from None
    except BadCertificate as error:
        raise BadEntry(f"{unique_id}: {error}") from None


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        return read_object(_decoded(text, what).decode())
    except (BadJson, UnicodeDecodeError) as error:
        raise BadEntry(f"{what} is not a JSON object: {error}") from None


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadEntry(f"{what} is not base64url") from None
