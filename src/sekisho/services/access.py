"""Access keys and sessions: whose they are, and their secrets, sealed in the database or in the token."""

from __future__ import annotations

import secrets
import string
from typing import NamedTuple, Protocol

import orjson

from sekisho.services.call import ALLOW_ALL, Principal
from sekisho.services.work import dumps
from sekisho.store import tables
from sekisho.store.statement import Statement
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


async def create_root_key(store: Store, keyring: Sealer, account: str, now: float) -> AccessKey:
    """A new access key of the account's root, committed before it is returned."""
    key = AccessKey(new_key_id(), new_secret(), root(account))
    await store.commit([_row(keyring, account, key.principal.arn, None, key.id, key.secret, now)])
    return key


def user_key_row(keyring: Sealer, account: str, user: str, id: str, secret: str, now: float) -> Statement:
    return _row(keyring, account, "", user, id, secret, now)


def _row(
    keyring: Sealer, account: str, principal: str, user: str | None, id: str, secret: str, now: float
) -> Statement:
    body = {
        "accessKeyId": id,
        "account": account,
        "principal": principal,
        "userName": user,
        "secret": keyring.seal(secret, f"{KIND}/{id}"),
    }
    return tables.insert_resource("", "", KIND, id, dumps(body), now)


def delete_key_row(id: str, now: float) -> tuple[Statement, Statement]:
    """Keys are never changed, so that theirs is version 1."""
    return (
        tables.delete_resource("", "", KIND, id, 1),
        tables.append_change("", "", KIND, id, "deleted", now),
    )


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
