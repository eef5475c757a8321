"""The custom authorizers of all places as the doors need them: read once, kept until the change feed says
otherwise; and which of them decides about a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sekisho.logic.domains import CUSTOM_X509, SIGV4, X509, Domain, is_custom
from sekisho.logic.token_signatures import load_signing_key
from sekisho.services.places import Place
from sekisho.services.work import Document
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.store import Store

KIND = "authorizer"
DEFAULT = "defaultauthorizer"
"""The kind of the row with the account's default, id ""."""

MOST = 100
"""Authorizers of an account and region."""

ACTIVE = "ACTIVE"
KEPT = 1000
"""Places whose authorizers are kept; past that all are read anew."""


class Authorizer(NamedTuple):
    """One authorizer; ``token`` is the name under which clients pass their token, '' for none."""

    name: str
    arn: str
    function: str
    active: bool
    signed: bool
    token: str
    keys: tuple[RSAPublicKey, ...]
    cached: bool


class Rule(NamedTuple):
    """What the endpoint that a client has come to says of custom authentication: a default that goes before
    the account's ('' for none), whether a client may name another, whether an authorizer decides about
    every client (CUSTOM_AUTH), with a certificate besides (CUSTOM_AUTH_X509), or about none."""

    default: str = ""
    override: bool = True
    always: bool = False
    certificate: bool = False
    never: bool = False


FREE = Rule()
"""Of an endpoint without a domain configuration."""


def rule_of(domain: Domain | None) -> Rule:
    """What a domain configuration says; one without an authorizer lets any be named."""
    if domain is None:
        return FREE
    return Rule(
        domain.authorizer,
        domain.override or not domain.authorizer,
        always=is_custom(domain),
        certificate=domain.authentication == CUSTOM_X509,
        never=domain.authentication in (X509, SIGV4),
    )


class Known(NamedTuple):
    """The authorizers of a place."""

    authorizers: Mapping[str, Authorizer]
    default: str

    @property
    def any_active(self) -> bool:
        return any(one.active for one in self.authorizers.values())


class AuthorizerRecords:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[Place, Known] = {}
        self._changes = 0

    def forget(self, change: Change) -> None:
        """Something has changed."""
        if change.kind in (KIND, DEFAULT):
            self._changes += 1
            self._known.pop((change.account, change.region), None)

    async def known(self, place: Place) -> Known:
        kept = self._known.get(place)
        if kept is not None:
            return kept
        seen = self._changes
        rows = await self._store.fetch(*tables.page_resources(*place, KIND, after_id=None, limit=MOST))
        default = await self._store.fetch(*tables.get_resource(*place, DEFAULT, ""))
        known = Known(
            {str(row["id"]): read_authorizer(orjson.loads(row["body"])) for row in rows},
            orjson.loads(default[0]["body"])["authorizerName"] if default else "",
        )
        if self._changes == seen:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[place] = known
        return known


def read_authorizer(body: Document) -> Authorizer:
    keys = body.get("tokenSigningPublicKeys") or {}
    return Authorizer(
        body["authorizerName"],
        body["authorizerArn"],
        body["authorizerFunctionArn"],
        body["status"] == ACTIVE,
        not body["signingDisabled"],
        body.get("tokenKeyName") or "",
        tuple(load_signing_key(pem) for pem in keys.values()),
        body["enableCachingForHttp"],
    )
