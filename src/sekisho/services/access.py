"""Access keys and sessions: whose they are, and their secrets, sealed in the database or in the token."""

from __future__ import annotations

import secrets
import string
from typing import NamedTuple, Protocol

import orjson

from sekisho.services.call import ALLOW_ALL, Principal
from sekisho.services.work import Document, dumps
from sekisho.store import tables
from sekisho.store.store import Store

ALPHABET = string.ascii_uppercase + "234567"
KIND = "accesskey"


class Sealer(Protocol):
    """The part of the keyring that is needed here."""

    def seal(self, secret: str, context: str) -> str: ...
    def open(self, sealed: str, context: str) -> str: ...


class AccessKey(NamedTuple):
    """``expires`` is civil epoch seconds, None for a key without an end."""

    id: str
    secret: str
    principal: Principal
    expires: float | None = None

    def __repr__(self) -> str:
        return f"AccessKey({self.id})"


class KeyRow(NamedTuple):
    """What the database has of a key; no user: the account's root."""

    secret: str
    account: str
    user: str | None

    def __repr__(self) -> str:
        return f"KeyRow({self.account}, {self.user})"


def new_key_id(prefix: str = "AKIA") -> str:
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(16))


def new_secret() -> str:
    return secrets.token_urlsafe(30)


def new_root_key(account: str) -> AccessKey:
    """A new access key of the account's root, to be committed."""
    return AccessKey(new_key_id(), new_secret(), root(account))


def key_document(key: AccessKey, keyring: Sealer) -> Document:
    """A key as the database has it, its secret sealed."""
    return {
        "accessKeyId": key.id,
        "account": key.principal.account,
        "principal": key.principal.arn,
        "secret": keyring.seal(key.secret, f"{KIND}/{key.id}"),
    }


async def create_root_key(store: Store, keyring: Sealer, account: str, now: float) -> AccessKey:
    """A new access key of the account's root, committed before it is returned."""
    key = new_root_key(account)
    body = dumps(key_document(key, keyring))
    await store.commit([tables.insert_resource("", "", KIND, key.id, body, now)])
    return key


def root(account: str) -> Principal:
    return Principal(f"arn:aws:iam::{account}:root", account, ALLOW_ALL, account)


class KeyRows:
    """Finds keys by id, and keeps those it has found until the change feed says otherwise."""

    MOST = 10_000

    def __init__(self, store: Store, keyring: Sealer) -> None:
        self._store = store
        self._keyring = keyring
        self._kept: dict[str, KeyRow] = {}
        self._changes = 0

    def forget(self, id: str) -> None:
        self._changes += 1
        self._kept.pop(id, None)

    async def find(self, id: str) -> KeyRow | None:
        kept = self._kept.get(id)
        if kept is not None:
            return kept
        seen = self._changes
        rows = await self._store.fetch(*tables.get_resource("", "", KIND, id))
        if not rows:
            return None
        body = orjson.loads(rows[0]["body"])
        secret = self._keyring.open(body["secret"], f"{KIND}/{id}")
        row = KeyRow(secret, body["account"], body.get("userName"))
        if self._changes == seen:
            if len(self._kept) >= self.MOST:
                self._kept.clear()
            self._kept[id] = row
        return row
