"""The signatures of tokens that custom authorizers look at: RSA with SHA-256 (AWS IoT Developer Guide,
"Connecting to AWS IoT Core by using custom authentication", Signing the token)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

LEAST_BITS = 2048
"""AWS IoT Developer Guide, Creating and managing custom authorizers."""

MOST_BITS = 8192
"""So that no signature takes longer than a CONNECT may."""


def load_signing_key(pem: str) -> RSAPublicKey:
    """An RSA public key of 2048 bits or more, in PEM; ValueError says what is wrong with it."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("not a public key in PEM (-----BEGIN PUBLIC KEY-----)") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")
    if not LEAST_BITS <= key.key_size <= MOST_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits, not of {LEAST_BITS} to {MOST_BITS}")
    return key


def signature_holds(keys: Iterable[RSAPublicKey], token: str, signature: str) -> bool:
    """Whether one of the keys has signed the token; ``signature`` is in base64."""
    try:
        raw = base64.b64decode("".join(signature.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return any(_made_by(key, token.encode(), raw) for key in keys)


def _made_by(key: RSAPublicKey, token: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, token, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
