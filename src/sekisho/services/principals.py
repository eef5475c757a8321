"""Who has signed: access keys and session tokens turned into principals with their policies in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from sekisho.logic.arns import partition_of
from sekisho.logic.managed_policies import managed_document
from sekisho.logic.policy import MalformedPolicy, NamedPolicy, Policy, PolicySet, parse_policy
from sekisho.services.access import AccessKey, KeyRows, Sealer, root
from sekisho.services.call import Principal
from sekisho.services.iam import ATTACHED, GROUP, IDS, MEMBER, POLICY, ROLE, USER, read_entity
from sekisho.services.session_tokens import SESSION_KEY, Session, open_session
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.store import Store

KEPT = 10_000

RESTRICTED = PolicySet(
    [
        NamedPolicy(
            "GetSessionToken",
            "1",
            parse_policy(
                '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","sts:*"],'
                '"Resource":"*"},{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}'
            ),
        )
    ]
)
"""What credentials of GetSessionToken without a second factor can call (AWS STS API Reference)."""


class Entity(NamedTuple):
    """A user, with its groups' policies, or a role as authorization needs it; ``keys`` are a user's access
    keys with their states, and ``trust`` is a role's trust policy."""

    arn: str
    id: str
    policies: PolicySet
    tags: Mapping[str, str]
    keys: Mapping[str, str]
    trust: str = ""


class Principals:
    """Reads users and roles with their policies, and keeps what it has read until any of IAM changes."""

    def __init__(self, store: Store, keyring: Sealer, region: str) -> None:
        self._store = store
        self._keyring = keyring
        self._region = region
        self._rows = KeyRows(store, keyring)
        self._entities: dict[tuple[str, str, str], Entity | None] = {}
        self._changes = 0

    def forget(self, change: Change) -> None:
        """Something has changed."""
        if change.kind == "accesskey":
            self._rows.forget(change.id)
        elif change.kind.startswith("iam"):
            self._changes += 1
            self._entities.clear()

    async def find(self, id: str, token: str | None) -> AccessKey | None:
        """Whose credentials these are, or None; whether they have ended is for the caller to see."""
        if token is not None or id.startswith(SESSION_KEY):
            session = open_session(self._keyring, id, token or "")
            principal = await self._of_session(session) if session is not None else None
            if session is None or principal is None:
                return None
            signer = principal._replace(key=id, expires=session.expires)
            return AccessKey(id, session.secret, signer, session.expires)
        row = await self._rows.find(id)
        if row is None:
            return None
        if row.user is None:
            return AccessKey(id, row.secret, root(row.account)._replace(key=id))
        entity = await self.entity(row.account, USER, row.user)
        if entity is None or entity.keys.get(id) != "Active":
            return None
        return AccessKey(id, row.secret, self._user(row.account, row.user, entity)._replace(key=id))

    async def _of_session(self, session: Session) -> Principal | None:
        if session.kind == USER:
            if not session.name:
                return root(session.account)._replace(temporary=True, limit=RESTRICTED)
            entity = await self.entity(session.account, USER, session.name)
            if entity is None or entity.id != session.entity_id:
                return None
            user = self._user(session.account, session.name, entity)
            return user._replace(temporary=True, limit=RESTRICTED)
        entity = await self.entity(session.account, ROLE, session.name)
        if entity is None or entity.id != session.entity_id:
            return None  # the role is gone, even if there is another of its name
        limit = None
        if session.policy is not None:
            limit = PolicySet([NamedPolicy("session policy", "", _parsed(session.policy))])
        principal = self.session(session.account, session.name, entity, session.session)
        context = {**principal.context, **session.context}
        return principal._replace(limit=limit, context=context, temporary=True)

    def session(self, account: str, name: str, role: Entity, session: str) -> Principal:
        """A role at work, under the name of the session."""
        return Principal(
            f"arn:{partition_of(self._region)}:sts::{account}:assumed-role/{name}/{session}",
            account,
            role.policies,
            f"{role.id}:{session}",
            context=_context(role, "AssumedRole"),
        )

    async def renewed(self, principal: Principal) -> Principal | None:
        """The same with its policies as they are now, or None when its user or role is gone, or the access
        key that has signed is deleted or not active any more."""
        key = "" if principal.temporary else principal.key
        if key and await self._rows.find(key) is None:
            return None
        kind, _, rest = principal.arn.rpartition(":")[2].partition("/")
        user = principal.context.get("aws:username")
        if user is not None:
            entity = await self.entity(principal.account, USER, user)
        elif kind == "assumed-role":
            entity = await self.entity(principal.account, ROLE, rest.partition("/")[0])
        else:
            return principal
        if entity is None or entity.id != principal.user_id.partition(":")[0]:
            return None
        if key and entity.keys.get(key) != "Active":
            return None
        return principal._replace(policies=entity.policies)

    def _user(self, account: str, name: str, entity: Entity) -> Principal:
        context = _context(entity, "User") | {"aws:username": name}
        return Principal(entity.arn, account, entity.policies, entity.id, context=context)

    async def entity(self, account: str, kind: str, name: str) -> Entity | None:
        """A user or role with all of its policies."""
        place = (account, kind, name)
        if place in self._entities:
            return self._entities[place]
        seen = self._changes
        body = await read_entity(self._store, account, kind, name)
        if body is None:
            return self._keep(place, None, seen)
        policies = await self._policies(account, body)
        for group in await self._sources(account, MEMBER, body["Arn"]) if kind == USER else ():
            found = await read_entity(self._store, account, GROUP, group.rpartition("/")[2])
            policies += await self._policies(account, found) if found is not None else []
        keys = {id: key["Status"] for id, key in body.get("AccessKeys", {}).items()}
        trust = body.get("AssumeRolePolicyDocument", "")
        entity = Entity(body["Arn"], body[IDS[kind]], PolicySet(policies), body["Tags"], keys, trust)
        return self._keep(place, entity, seen)

    async def _policies(self, account: str, body: Mapping[str, Any]) -> list[NamedPolicy]:
        """The inline policies of a role, user or group, and those that are attached to it."""
        found = [NamedPolicy(name, "", _parsed(document)) for name, document in body["Policies"].items()]
        for arn in await self._sources(account, ATTACHED, body["Arn"]):
            found += await self._managed(account, arn)
        return found

    async def _sources(self, account: str, kind: str, target: str) -> list[str]:
        rows = await self._store.fetch(*tables.links_to(account, "", kind, target, after="", limit=250))
        return [str(row["source"]) for row in rows]

    def _keep(self, place: tuple[str, str, str], found: Entity | None, seen: int) -> Entity | None:
        """Also that there is none, unless something has changed while it was read."""
        if self._changes == seen:
            if len(self._entities) >= KEPT:
                self._entities.clear()
            self._entities[place] = found
        return found

    async def _managed(self, account: str, arn: str) -> list[NamedPolicy]:
        name = arn.rpartition("/")[2]
        document = managed_document(arn)
        if document is not None:
            return [NamedPolicy(name, "v1", _parsed(document))]
        row = await tables.fetch_one(self._store, tables.get_resource(account, "", POLICY, name.lower()))
        if row is None:
            return []
        body = orjson.loads(row["body"])
        version = body["DefaultVersionId"]
        return [NamedPolicy(name, version, _parsed(body["versions"][version]["Document"]))]


def _context(entity: Entity, kind: str) -> dict[str, str]:
    """The condition keys that come with a user or role (IAM User Guide, global condition context keys)."""
    tags = {f"aws:PrincipalTag/{key}": value for key, value in entity.tags.items()}
    return {"aws:PrincipalArn": entity.arn, "aws:PrincipalType": kind, **tags}


def _parsed(document: str) -> Policy:
    try:
        return parse_policy(document, max_chars=None)
    except MalformedPolicy:
        # It was checked when it was stored: a document that this version cannot read allows nothing.
        return parse_policy(DENY_ALL)


DENY_ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'
