"""Authorizers for tests: a token's key, a signed token, and what clients pass."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from interop.wire import Wire

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:decide"
SETTINGS = (f"functions.path={Path(__file__).parent / 'functions'}", "functions.decide=deciding:decide")
NAME, SIGNATURE = "x-amz-customauthorizer-name", "x-amz-customauthorizer-signature"
KEY = rsa.generate_private_key(65537, 2048)
TOKEN = "the-token-nobody-may-see"
PASSWORD = b"the-password-nobody-may-see"
BAD_PASSWORD, NOT_AUTHORIZED = 0x86, 0x87


def public(key: Any = KEY) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signature(token: str = TOKEN, key: Any = KEY) -> str:
    return base64.b64encode(key.sign(token.encode(), PKCS1v15(), SHA256())).decode()


def create(iot: Any, name: str, *, signed: bool = False, **more: Any) -> str:
    """A new authorizer's name."""
    if signed:
        more |= {"tokenKeyName": "token", "tokenSigningPublicKeys": {"one": public()}}
    else:
        more |= {"signingDisabled": True}
    iot.create_authorizer(authorizerName=name, authorizerFunctionArn=FUNCTION, **more)
    return name


def query(**parameters: Any) -> str:
    """Parameters as a query; ``name`` and ``signature`` stand for the long ones."""
    names = {"name": NAME, "signature": SIGNATURE}
    return "&".join(f"{names.get(k, k)}={quote(str(v), safe='')}" for k, v in parameters.items())


def username(user: str = "user", **parameters: Any) -> str:
    return f"{user}?{query(**parameters)}"


def wire(node: Any, alpn: str | None = "mqtt", **more: Any) -> Wire:
    """A connection without a certificate, no CONNECT sent."""
    return Wire(node.address("https"), node.ca, alpn=[alpn] if alpn else None, **more)


def events(path: Path) -> list[dict[str, Any]]:
    """What the function was called with."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def last_refusal(node: Any, **filters: Any) -> dict[str, Any]:
    return node.client("sekisho").list_refusals(maxResults=1, **filters)["refusals"][0]
