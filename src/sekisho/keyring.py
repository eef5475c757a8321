"""The node's own secrets: the CA's key, and a master key that seals what must be recoverable."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class KeyringError(Exception):
    """The keyring cannot be used; the text says why and never shows what is in it."""


class Keyring:
    """A CA certificate with its key, and AES-256-GCM sealing under the master key."""

    def __init__(self, ca: x509.Certificate, ca_key: rsa.RSAPrivateKey, master: bytes) -> None:
        self.ca = ca
        self.ca_key = ca_key
        self._aead = AESGCM(master)

    def __repr__(self) -> str:
        return f"Keyring(ca={self.ca.subject.rfc4514_string()!r})"

    @property
    def ca_pem(self) -> str:
        return self.ca.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def ca_key_der(self) -> bytes:
        """The CA's key for a worker process, which gets it through a pipe and never through a file."""
        return self.ca_key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def seal(self, secret: str, context: str) -> str:
        """Seal a secret so that only this keyring opens it, and only for the same ``context``."""
        nonce = os.urandom(12)
        sealed = self._aead.encrypt(nonce, secret.encode(), context.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, context: str) -> str:
        raw = base64.b64decode(sealed)
        try:
            return self._aead.decrypt(raw[:12], raw[12:], context.encode()).decode()
        except Exception:
            raise KeyringError(f"what was sealed for {context} does not open with this keyring") from None


def open_keyring(url: str, make_ca: Callable[[], tuple[x509.Certificate, rsa.RSAPrivateKey]]) -> Keyring:
    """Open ``file:PATH``, making it with a new CA when there is none.

    Two nodes that start at once agree: the file is written whole under another name and linked into place,
    and the loser reads the winner's.
    """
    scheme, _, rest = url.partition(":")
    if scheme != "file" or not rest:
        raise KeyringError(f"keyring {url!r}: expected file:PATH")
    path = Path(rest)
    if not path.exists():
        _create(path, make_ca)
    return _read(path)


def _create(path: Path, make_ca: Callable[[], tuple[x509.Certificate, rsa.RSAPrivateKey]]) -> None:
    ca, key = make_ca()
    content = {
        "ca": ca.public_bytes(serialization.Encoding.PEM).decode(),
        "caKey": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        "master": base64.b64encode(os.urandom(32)).decode(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    write_private(draft, json.dumps(content, indent=1))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(path: Path) -> Keyring:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise KeyringError(f"{path} is readable by others (mode {mode:04o}): chmod 600 it")
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        ca = x509.load_pem_x509_certificate(content["ca"].encode())
        key = serialization.load_pem_private_key(content["caKey"].encode(), password=None)
        master = base64.b64decode(content["master"])
    except (ValueError, KeyError, TypeError):
        raise KeyringError(f"{path} is not a keyring of this program, or is damaged") from None
    return Keyring(ca, cast(rsa.RSAPrivateKey, key), master)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, durably."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
