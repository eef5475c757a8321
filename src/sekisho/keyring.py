"""The node's own secrets: the CA's key, and a master key that seals what must be recoverable."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekisho.tokens import SCHEME, TokenError, TokenKey

MakeCa = Callable[[], tuple[x509.Certificate, rsa.RSAPrivateKey]]


class KeyringError(Exception):
    """The keyring cannot be used; the text says why and never shows what is in it."""


class Authority(NamedTuple):
    """A CA certificate with its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_der(self) -> bytes | None:
        """The key for a worker process, which gets it through a pipe and never through a file; None for one
        that is in a token."""
        if isinstance(self.key, TokenKey):
            return None
        return self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


class Keyring:
    """The CA that issues, those before it, and AES-256-GCM sealing under the master key.

    ``changing`` says that clients are not known yet to trust the newest CA: the server's certificate is from
    the one before.
    """

    def __init__(self, authorities: Sequence[Authority], master: bytes, changing: bool = False) -> None:
        self.authorities = tuple(authorities)
        """Newest first."""
        self.ca, self.ca_key = self.authorities[0]
        self.changing = changing
        self.server = self.authorities[1 if changing else 0]
        """What signs the server's certificate."""
        self._aead = AESGCM(master)

    def __repr__(self) -> str:
        return f"Keyring(ca={self.ca.subject.rfc4514_string()!r})"

    @property
    def ca_pem(self) -> str:
        """What clients are to trust: the newest CA, and while it is being changed the one before."""
        return "".join(authority.pem for authority in self.authorities[: 2 if self.changing else 1])

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


def open_keyring(url: str, make_ca: MakeCa) -> Keyring:
    """Open ``file:PATH``, making it with a new CA when there is none.

    Two nodes that start at once agree: the file is written whole under another name and linked into place,
    and the loser reads the winner's.
    """
    path = _path(url)
    if not path.exists():
        _create(path, make_ca)
    return _parse(path, _read(path))


def rotate_ca(url: str, make_ca: MakeCa) -> Keyring:
    """Put a new CA before the one there is, which goes on signing the server's certificate until
    `finish_rotation`. Nodes follow when they start."""
    path = _path(url)

    def changed(content: dict[str, Any]) -> dict[str, Any]:
        if content.get("changing"):
            raise KeyringError(f"{path}: the CA is being changed already; finish that first")
        former = [{"ca": content["ca"], "caKey": content["caKey"]}, *content.get("former", [])]
        return content | _pair(*make_ca()) | {"former": former, "changing": True}

    return _rewrite(path, changed)


def finish_rotation(url: str) -> Keyring:
    """All clients trust the new CA: from now on it signs the server's certificate as well."""
    path = _path(url)

    def changed(content: dict[str, Any]) -> dict[str, Any]:
        if not content.get("changing"):
            raise KeyringError(f"{path}: the CA is not being changed")
        return content | {"changing": False}

    return _rewrite(path, changed)


def _path(url: str) -> Path:
    scheme, _, rest = url.partition(":")
    if scheme != "file" or not rest:
        raise KeyringError(f"keyring {url!r}: expected file:PATH")
    return Path(rest)


def _rewrite(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Keyring:
    """Change the file whole; whoever else changes it at the same time is refused."""
    content = _read(path)
    _parse(path, content)
    draft = path.with_name(f".{path.name}.changing")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise KeyringError(
            f"{draft} is there: the keyring is being changed, or that was interrupted"
        ) from None
    try:
        # Read again now that nobody else can change it.
        content = change(_read(path))
        write_private(draft, json.dumps(content, indent=1))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return _parse(path, content)


def _pair(ca: x509.Certificate, key: rsa.RSAPrivateKey) -> dict[str, str]:
    if isinstance(key, TokenKey):
        text = key.uri
    else:
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
    return {"ca": ca.public_bytes(serialization.Encoding.PEM).decode(), "caKey": text}


def _create(path: Path, make_ca: MakeCa) -> None:
    content = _pair(*make_ca()) | {"master": base64.b64encode(os.urandom(32)).decode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    write_private(draft, json.dumps(content, indent=1))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise KeyringError(f"{path} is not there; a node makes it when it first starts")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise KeyringError(f"{path} is readable by others (mode {mode:04o}): chmod 600 it")
    try:
        content = json.loads(path.read_text())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise _damaged(path)
    return content


def _parse(path: Path, content: dict[str, Any]) -> Keyring:
    try:
        authorities = [_authority(pair) for pair in (content, *content.get("former", []))]
        master = base64.b64decode(content["master"])
        return Keyring(authorities, master, bool(content.get("changing")))
    except TokenError as error:
        raise KeyringError(f"{path}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise _damaged(path) from None


def _authority(pair: dict[str, Any]) -> Authority:
    ca = x509.load_pem_x509_certificate(pair["ca"].encode())
    if pair["caKey"].startswith(SCHEME):
        held = TokenKey(pair["caKey"])
        if held.public_key() != ca.public_key():
            raise TokenError("the key in the token is not that of the CA's certificate")
        return Authority(ca, held)
    key = serialization.load_pem_private_key(pair["caKey"].encode(), password=None)
    return Authority(ca, cast(rsa.RSAPrivateKey, key))


def _damaged(path: Path) -> KeyringError:
    return KeyringError(f"{path} is not a keyring of this program, or is damaged")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, durably."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
