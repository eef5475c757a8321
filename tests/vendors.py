"""A vendor of secure elements: chips with certificates, and the signed manifest of what was delivered."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from api.authorities import DAY, issue, name_of
from recipients import self_signed


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def number(value: int) -> str:
    return base64url(value.to_bytes(32))


class Chip:
    """Key and certificate of one delivered chip; the key is there only because a test must be the chip."""

    def __init__(self, vendor: Vendor, unique_id: str, key: Any = None) -> None:
        """``key`` may be anything with a public key, such as a request of a chip that keeps its own."""
        self.unique_id = unique_id
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.issued = issue(
            name_of(f"sn{unique_id}"), vendor.signer.subject, vendor.signer_key, self.key, ends=9999 * DAY
        )
        self.certificate = self.issued.certificate


class Vendor:
    """``certificate`` is that of the key which signs entries, not of the CA of the chips, ``signer``."""

    def __init__(self, name: str = "Vendor") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self_signed(self.key, f"{name} Manifest Signer")
        self.signer_key = ec.generate_private_key(ec.SECP256R1())
        self.signer = self_signed(self.signer_key, f"{name} Signer F600")

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def chip(self, unique_id: str, key: Any = None) -> Chip:
        return Chip(self, unique_id, key)

    def payload(self, chip: Chip) -> dict[str, Any]:
        point = chip.key.public_key().public_numbers()
        chain = [
            base64.b64encode(one.public_bytes(Encoding.DER)).decode()
            for one in (chip.certificate, self.signer)
        ]
        key = {
            "kid": "0",
            "kty": "EC",
            "crv": "P-256",
            "x": number(point.x),
            "y": number(point.y),
            "x5c": chain,
        }
        other = {"kid": "1", "kty": "EC", "crv": "P-256", "x": number(point.y), "y": number(point.x)}
        return {
            "version": 1,
            "model": "ATECC608B",
            "provisioningTimestamp": "2026-01-24T16:35:23.473Z",
            "uniqueId": chip.unique_id,
            "publicKeySet": {"keys": [key, other]},
        }

    def entry(self, chip: Chip, header: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
        return self.sign(self.payload(chip) | changed, header)

    def sign(self, payload: Any, header: dict[str, Any] | None = None) -> dict[str, Any]:
        """One JWS; ``header`` goes over the protected one."""
        print_ = base64url(self.certificate.fingerprint(hashes.SHA256()))
        protected = {"typ": "JWT", "alg": "ES256", "kid": "k", "x5t#S256": print_} | (header or {})
        parts = [base64url(json.dumps(part).encode()) for part in (protected, payload)]
        signature = self.key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(signature)
        return {
            "payload": parts[1],
            "protected": parts[0],
            "header": {"uniqueId": payload.get("uniqueId") if isinstance(payload, dict) else None},
            "signature": base64url(r.to_bytes(32) + s.to_bytes(32)),
        }

    def deliver(self, folder: Path, entries: list[Any]) -> tuple[Path, Path]:
        """The manifest and the certificate to verify it with, as files."""
        manifest, certificate = folder / "manifest.json", folder / "vendor.pem"
        manifest.write_text(json.dumps(entries))
        certificate.write_bytes(self.pem)
        return manifest, certificate
