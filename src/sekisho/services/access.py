"""Access keys: whose they are, and their secrets, sealed in the database."""

from __future__ import annotations

import secrets
import string
from typing import NamedTuple

import orjson

from sekisho.services.call import ALLOW_ALL, Principal
from sekisho.services.work import Document, dumps
from sekisho.store import tables
from sekisho.store.store import Store

ALPHABET = string.ascii_uppercase + "234567"
KIND = "accesskey"


class AccessKey(NamedTuple):
    id: str
    secret: str
    principal: Principal

    def __repr__(self) -> str:
        return f"AccessKey({self.id})"


def new_key_id() -> str:
    return "AKIA" + "".join(secrets.choice(ALPHABET) for _ in range(16))


def new_root_key(account: str) -> AccessKey:
    """A new access key of the account's root, to be committed."""
    return AccessKey(new_key_id(), secrets.token_urlsafe(30), root(account))


def key_document(key: AccessKey, keyring: object) -> Document:
    """A key as the database has it, its secret sealed."""
    return {
        "accessKeyId": key.id,
        "account": key.principal.account,
        "principal": key.principal.arn,
        "secret": keyring.seal(key.secret, f"{KIND}/{key.id}"),  # type: ignore[attr-defined]
    }


async def create_root_key(store: Store, keyring: object, account: str, now: float) -> AccessKey:
    """A new access key of the account's root, committed before it is returned."""
    key = new_root_key(account)
    body = dumps(key_document(key, keyring))
    await store.commit([tables.insert_resource("", "", KIND, key.id, body, now)])
    return key


def root(account: str) -> Principal:
    return Principal(f"arn:aws:iam::{account}:root", account, ALLOW_ALL, account)


class AccessKeys:
    """Finds keys by id, and keeps those it has found until the change feed says otherwise."""

    MOST = 10_000

    def __init__(self, store: Store, keyring: object) -> None:
        self._store = store
        self._keyring = keyring
        self._kept: dict[str, AccessKey] = {}

    def forget(self, id: str) -> None:
        self._kept.pop(id, None)

    async def find(self, id: str) -> AccessKey | None:
        kept = self._kept.get(id)
        if kept is not None:
            return kept
        rows = await self._store.fetch(*tables.get_resource("", "", KIND, id))
        if not rows:
            return None
        body = orjson.loads(rows[0]["body"])
        secret = self._keyring.open(body["secret"], f"{KIND}/{id}")  # type: ignore[attr-defined]
        if len(self._kept) >= self.MOST:
            self._kept.clear()
        key = self._kept[id] = AccessKey(id, secret, root(body["account"]))
        return key
