"""Who a device is: its certificate's registration, the policies that speak for it, and its thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography import x509

from sekisho.logic.arns import arn, parse_arn
from sekisho.logic.policy import MalformedPolicy, NamedPolicy, Policy, PolicySet, parse_policy
from sekisho.store import tables
from sekisho.store.store import Store

KEPT_POLICIES = 10_000


@dataclass(frozen=True, slots=True)
class ThingView:
    """The thing of a connection, as policy variables and events show it."""

    name: str
    type_name: str | None
    attributes: Mapping[str, str]
    exclusive: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """One certificate in one account and region, as far as a connection needs it. Times are epoch seconds."""

    account: str
    region: str
    certificate_id: str
    certificate_arn: str
    status: str
    not_before: float
    not_after: float
    policies: PolicySet
    thing: ThingView | None
    things: frozenset[str] = field(default_factory=frozenset)


class Identities:
    """Reads identities from the registry, and keeps the parsed policies that many of them share.

    ``forget_policy`` is called from the change feed, so that no kept policy outlives its change.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._policies: dict[tuple[str, str, str], NamedPolicy] = {}
        self._sets: dict[tuple[NamedPolicy, ...], PolicySet] = {}
        self._parsed: dict[str, Policy] = {}

    def forget_policy(self, account: str, region: str, name: str) -> None:
        self._policies.pop((account, region, name), None)

    async def load(self, account: str, region: str, certificate_id: str, client_id: str) -> Identity | None:
        """The identity, or None when the certificate is not registered in this account and region."""
        rows = await self._store.fetch(*tables.get_resource(account, region, "cert", certificate_id))
        if not rows:
            return None
        certificate: dict[str, Any] = orjson.loads(rows[0]["body"])
        certificate_arn = certificate["certificateArn"]
        attached = await self._store.fetch(
            *tables.links_to(account, region, "attached-policy", certificate_arn, after="", limit=250)
        )
        policies = []
        for row in attached:
            policy = await self._policy(account, region, row["source"])
            if policy is not None:
                policies.append(policy)
        links = await self._store.fetch(
            *tables.links_to(account, region, "thing-principal", certificate_arn, after="", limit=250)
        )
        things = {
            row["source"]: orjson.loads(row["body"]).get("thingPrincipalType") == "EXCLUSIVE_THING"
            for row in links
        }
        validity = certificate["validity"]
        return Identity(
            account,
            region,
            certificate_id,
            certificate_arn,
            certificate["status"],
            validity["notBefore"],
            validity["notAfter"],
            self._set(tuple(policies)),
            await self._thing(account, region, things, client_id),
            frozenset(things),
        )

    async def _thing(
        self, account: str, region: str, things: Mapping[str, bool], client_id: str
    ) -> ThingView | None:
        """The exclusive thing whatever the client id, else the one named exactly like it (AWS IoT Developer
        Guide, Thing policy variables)."""
        exclusive = [name for name, is_exclusive in things.items() if is_exclusive]
        name = exclusive[0] if exclusive else client_id
        if name not in things:
            return None
        rows = await self._store.fetch(*tables.get_resource(account, region, "thing", name))
        if not rows:
            return None
        body = orjson.loads(rows[0]["body"])
        return ThingView(name, body.get("thingTypeName"), body["attributes"], bool(exclusive))

    async def _policy(self, account: str, region: str, name: str) -> NamedPolicy | None:
        kept = self._policies.get((account, region, name))
        if kept is not None:
            return kept
        rows = await self._store.fetch(*tables.get_resource(account, region, "policy", name))
        if not rows:
            return None
        body = orjson.loads(rows[0]["body"])
        version = body["defaultVersionId"]
        policy = NamedPolicy(name, version, self._parse(body["versions"][version]["policyDocument"]))
        if len(self._policies) >= KEPT_POLICIES:
            self._policies.clear()
            self._sets.clear()
        self._policies[account, region, name] = policy
        return policy

    def _parse(self, text: str) -> Policy:
        parsed = self._parsed.get(text)
        if parsed is None:
            if len(self._parsed) >= KEPT_POLICIES:
                self._parsed.clear()
            try:
                parsed = parse_policy(text)
            except (
                MalformedPolicy
            ):  # checked when it was stored; a document that grew too strict allows nothing
                parsed = Policy(())
            self._parsed[text] = parsed
        return parsed

    def _set(self, policies: tuple[NamedPolicy, ...]) -> PolicySet:
        kept = self._sets.get(policies)
        if kept is None:
            if len(self._sets) >= KEPT_POLICIES:
                self._sets.clear()
            kept = self._sets[policies] = PolicySet(policies)
        return kept


def principal_of(identity: Identity) -> str:
    return arn(identity.region, identity.account, "cert", identity.certificate_id)


def certificate_id_of(principal: str) -> str:
    """The certificate id in a certificate's ARN, or '' when it is another principal's."""
    try:
        kind, _, id = parse_arn(principal).resource.partition("/")
    except ValueError:
        return ""
    return id if kind == "cert" else ""


def parse_der(der: bytes) -> x509.Certificate | None:
    """A certificate that came in a handshake; None when it is not one that can be read."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        return None
