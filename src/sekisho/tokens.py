"""A CA's key that stays in a PKCS#11 token: the token signs, and the key is nowhere else.

A key is named by a URI (RFC 7512): ``pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=FILE``.
"""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SCHEME = "pkcs11:"
KEY_BITS = 2048

FORM = "pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=FILE"
MOST = 1024
"""Bytes of a PIN's file."""


class TokenError(Exception):
    """The token cannot be used; the text says why and never shows the PIN."""


class Place(NamedTuple):
    token: str
    object: str
    module: str
    pin_file: Path


def parse_uri(uri: str) -> Place:
    """Where a key is; TokenError for what is missing or not understood."""
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    found: dict[str, str] = {}
    for part in [*path.split(";"), *query.split("&")]:
        name, equals, value = part.partition("=")
        if not equals or name in found or name not in ("token", "object", "module-path", "pin-source"):
            # The value is not repeated: it may be a PIN.
            raise TokenError(f"the key's URI has {name!r} where it should not; expected {FORM}")
        found[name] = unquote(value)
    missing = {"token", "object", "module-path", "pin-source"} - {name for name in found if found[name]}
    if missing:
        raise TokenError(f"the key's URI has no {', '.join(sorted(missing))}; expected {FORM}")
    pin = Path(found["pin-source"].removeprefix("file:"))
    return Place(found["token"], found["object"], found["module-path"], pin)


class TokenKey(rsa.RSAPrivateKey):
    """An RSA key in a token, as `cryptography` signs certificates with it: PKCS#1 v1.5 with SHA-256 alone."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._place = parse_uri(uri)
        self._lock = threading.Lock()
        self._key: Any = None
        with self._lock:
            self._open()
            self._public = self._read_public()

    def _open(self) -> None:
        pkcs11 = _library()
        session = _session(self._place)
        try:
            self._session = session
            self._key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._place.object)
        except pkcs11.PKCS11Error as error:
            session.close()
            raise _said(self._place, error) from None

    def _read_public(self) -> rsa.RSAPublicKey:
        pkcs11 = _library()
        try:
            key = self._session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=self._place.object)
            modulus = int.from_bytes(key[pkcs11.Attribute.MODULUS])
            exponent = int.from_bytes(key[pkcs11.Attribute.PUBLIC_EXPONENT])
        except pkcs11.PKCS11Error as error:
            raise _said(self._place, error) from None
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        if not isinstance(padding, _PADDING) or not isinstance(algorithm, hashes.SHA256):
            raise TokenError("the token signs with SHA-256 and PKCS#1 v1.5")
        pkcs11 = _library()
        mechanism = pkcs11.Mechanism.SHA256_RSA_PKCS
        with self._lock:
            try:
                return bytes(self._key.sign(bytes(data), mechanism=mechanism))
            except pkcs11.PKCS11Error:
                self._open()  # the token was away: once more, with a new session
            try:
                return bytes(self._key.sign(bytes(data), mechanism=mechanism))
            except pkcs11.PKCS11Error as error:
                raise _said(self._place, error) from None

    def decrypt(self, ciphertext: bytes, padding: Any) -> bytes:
        raise TokenError("the CA's key signs, and does nothing else")

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        raise TokenError("the key does not leave its token")

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> bytes:
        raise TokenError("the key does not leave its token")

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> TokenKey:
        return self


_PADDING = padding.PKCS1v15


def make_token_key(uri: str) -> TokenKey:
    """A new RSA-2048 key, made in the token and not to be had from it; TokenError if the name is taken."""
    pkcs11, place = _library(), parse_uri(uri)
    session = _session(place, write=True)
    try:
        if any(True for _ in session.get_objects({pkcs11.Attribute.LABEL: place.object})):
            raise TokenError(f"token {place.token} has an object {place.object} already")
        session.generate_keypair(
            pkcs11.KeyType.RSA,
            KEY_BITS,
            store=True,
            label=place.object,
            private_template={
                pkcs11.Attribute.SENSITIVE: True,
                pkcs11.Attribute.EXTRACTABLE: False,
                pkcs11.Attribute.SIGN: True,
            },
        )
    except pkcs11.PKCS11Error as error:
        raise _said(place, error) from None
    finally:
        session.close()
    return TokenKey(uri)


def _session(place: Place, *, write: bool = False) -> Any:
    pkcs11 = _library()
    try:
        token = pkcs11.lib(place.module).get_token(token_label=place.token)
        try:
            return token.open(rw=write, user_pin=_pin(place.pin_file))
        except pkcs11.UserAlreadyLoggedIn:  # a login is the process's, not the session's
            return token.open(rw=write)
    except pkcs11.PKCS11Error as error:
        raise _said(place, error) from None


def _pin(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise TokenError(f"{path} is readable by others: chmod 600 it")
        with path.open() as file:
            return file.read(MOST).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"the PIN's file {path}: {type(error).__name__}") from None


def _said(place: Place, error: Exception) -> TokenError:
    return TokenError(f"token {place.token}, object {place.object}: {type(error).__name__}")


def _library() -> Any:
    try:
        return importlib.import_module("pkcs11")
    except ModuleNotFoundError:
        raise TokenError("a key in a token needs python-pkcs11: pip install 'sekisho[token]'") from None
