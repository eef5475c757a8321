"""Who a device is: its certificate's registration, the policies that speak for it, and its thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

import orjson

from sekisho.logic.arns import parse_arn
from sekisho.logic.claims import claim_policy
from sekisho.logic.policy import MalformedPolicy, NamedPolicy, Policy, PolicySet, parse_policy
from sekisho.services.call import NO_CONTEXT, Principal
from sekisho.services.kept import MOST, Kept
from sekisho.services.principals import Principals
from sekisho.services.revoked import RevokedSerials
from sekisho.services.thing_views import ThingView, ThingViews
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.store import Store

CLAIM = "claim"
"""The kind of a row: the certificate of a trusted user's claim (`sekisho.services.provisioning_claims`)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a connection is in one account and region: a certificate, or an IAM principal, which has a
    ``user_id`` and no certificate id, and may have a session's policy and variables (call.Principal). Times
    are epoch seconds."""

    account: str
    region: str
    certificate_id: str
    arn: str
    status: str
    not_before: float
    not_after: float
    policies: PolicySet
    thing: ThingView | None
    things: frozenset[str] = field(default_factory=frozenset)
    user_id: str = ""
    mode: str = "DEFAULT"
    """The certificateMode: SNI_ONLY for one that is registered without its CA."""
    limit: PolicySet | None = None
    context: Mapping[str, str] = field(default_factory=lambda: NO_CONTEXT)
    ca_id: str = ""
    """The registered CA that the certificate is under, '' for none."""
    revoked: bool = False
    """Whether it is on the revocation list of that CA."""

    @property
    def principal_id(self) -> str:
        """What events call ``principalIdentifier`` (AWS IoT Developer Guide, Lifecycle events)."""
        return self.certificate_id or self.user_id


class Registration(NamedTuple):
    """What the registry has of one certificate: its document, its policies' names, and its things, each with
    whether it is attached exclusively."""

    certificate: Mapping[str, Any]
    policies: tuple[str, ...]
    things: Mapping[str, bool]


class Identities:
    """Reads identities from the registry, and keeps what it has read until the change feed says otherwise.

    ``forget`` is called for every change, so that nothing kept outlives it; what was read while a change
    came is used once and not kept.
    """

    def __init__(self, store: Store, principals: Principals | None = None) -> None:
        self._store = store
        self._principals = principals
        self._kept = Kept()
        self.views = ThingViews(store, self._kept)
        self._registrations: dict[tuple[str, str, str], Registration] = {}
        self._policies: dict[tuple[str, str, str], NamedPolicy] = {}
        self._sets: dict[tuple[NamedPolicy, ...], PolicySet] = {}
        self._parsed: dict[str, Policy] = {}
        self._revoked = RevokedSerials(store)

    def forget(self, change: Change) -> None:
        """Something in the registry has changed."""
        self._kept.changes += 1
        account, region, id = change.account, change.region, change.id
        self._revoked.forget(change)
        self.views.forget(change)
        match change.kind:
            case "revocationlist":
                self._registrations.clear()
            case "cert" | "claim":
                self._registrations.pop((account, region, id), None)
            case "attached-policy" | "thing-principal":
                self._registrations.pop((account, region, certificate_id_of(id)), None)
            case "policy":
                self._policies.pop((account, region, id), None)

    async def signed(self, principal: Principal, region: str) -> Identity | None:
        """The identity of who has signed, with its policies as they are now; None when it is gone."""
        found = await self._principals.renewed(principal) if self._principals is not None else principal
        return iam_identity(found, region) if found is not None else None

    async def load(self, account: str, region: str, certificate_id: str, client_id: str) -> Identity | None:
        """The identity, or None when the certificate is not registered in this account and region."""
        registration = await self._registration(account, region, certificate_id)
        if registration is None:
            return None
        thing = await self._thing(account, region, registration.things, client_id)
        names = speaking(registration, thing)
        found = [await self.policy(account, region, name) for name in names]
        certificate = registration.certificate
        validity = certificate["validity"]
        return Identity(
            account,
            region,
            certificate_id,
            certificate["certificateArn"],
            certificate["status"],
            validity["notBefore"],
            validity["notAfter"],
            self.policy_set((*_implied(certificate), *(policy for policy in found if policy is not None))),
            thing,
            frozenset(registration.things),
            mode=certificate.get("certificateMode", "DEFAULT"),
            ca_id=certificate.get("caCertificateId") or "",
            revoked=certificate.get("onRevocationList", False),
        )

    async def _registration(self, account: str, region: str, id: str) -> Registration | None:
        key = (account, region, id)
        kept = self._registrations.get(key)
        if kept is not None:
            return kept
        seen = self._kept.changes
        rows = await self._store.fetch(*tables.get_resource(account, region, "cert", id))
        if not rows:
            return await self._claim(key, seen)
        certificate: dict[str, Any] = orjson.loads(rows[0]["body"])
        pem = certificate.pop("certificatePem")  # nobody else needs it, and it is the largest part
        ca = certificate.get("caCertificateId")
        if ca is not None:
            certificate["onRevocationList"] = await self._revoked.lists(account, region, ca, pem)
        arn = certificate["certificateArn"]
        attached = await self._store.fetch(
            *tables.links_to(account, region, "attached-policy", arn, after="", limit=250)
        )
        links = await self._store.fetch(
            *tables.links_to(account, region, "thing-principal", arn, after="", limit=250)
        )
        things = {
            row["source"]: orjson.loads(row["body"]).get("thingPrincipalType") == "EXCLUSIVE_THING"
            for row in links
        }
        found = Registration(certificate, tuple(row["source"] for row in attached), things)
        return self._kept.keep(self._registrations, key, found, seen)

    async def _claim(self, key: tuple[str, str, str], seen: int) -> Registration | None:
        """A trusted user's claim: its policy follows from its template, and no thing is its own."""
        account, region, id = key
        rows = await self._store.fetch(*tables.get_resource(account, region, CLAIM, id))
        if not rows:
            return None
        claim: dict[str, Any] = orjson.loads(rows[0]["body"])
        name = claim["templateName"]
        policy = self._parse(claim_policy(region, account, name))
        claim["implied"] = NamedPolicy(f"(claim of template {name})", "1", policy)
        return self._kept.keep(self._registrations, key, Registration(claim, (), {}), seen)

    async def _thing(
        self, account: str, region: str, things: Mapping[str, bool], client_id: str
    ) -> ThingView | None:
        """The exclusive thing whatever the client id, else the one named exactly like it (AWS IoT Developer
        Guide, Thing policy variables)."""
        exclusive = [name for name, is_exclusive in things.items() if is_exclusive]
        name = exclusive[0] if exclusive else client_id
        if name not in things:
            return None
        return await self.views.load(account, region, name, bool(exclusive), client_id)

    async def policy(self, account: str, region: str, name: str) -> NamedPolicy | None:
        """The version of a policy that is in force; None when there is no such policy."""
        key = (account, region, name)
        kept = self._policies.get(key)
        if kept is not None:
            return kept
        seen = self._kept.changes
        rows = await self._store.fetch(*tables.get_resource(account, region, "policy", name))
        if not rows:
            return None
        body = orjson.loads(rows[0]["body"])
        version = body["defaultVersionId"]
        policy = NamedPolicy(name, version, self._parse(body["versions"][version]["policyDocument"]))
        return self._kept.keep(self._policies, key, policy, seen)

    def _parse(self, text: str) -> Policy:
        parsed = self._parsed.get(text)
        if parsed is None:
            if len(self._parsed) >= MOST:
                self._parsed.clear()
            try:
                parsed = parse_policy(text)
            except (
                MalformedPolicy
            ):  # checked when it was stored; a document that grew too strict allows nothing
                parsed = Policy(())
            self._parsed[text] = parsed
        return parsed

    def policy_set(self, policies: tuple[NamedPolicy, ...]) -> PolicySet:
        """The set of these policies, which is the same one for all who have equal ones."""
        kept = self._sets.get(policies)
        if kept is None:
            if len(self._sets) >= MOST:
                self._sets.clear()
            kept = self._sets[policies] = PolicySet(policies)
        return kept


def speaking(registration: Registration, thing: ThingView | None) -> tuple[str, ...]:
    """The names of all policies that speak for a certificate with this thing: its own, then those of the
    thing's groups and their ancestors, each once.

    Which thing that is, if any, :meth:`Identities.load` decides: group policies count for a client id that is
    the thing's name, and for a thing that is attached exclusively (AWS IoT Developer Guide, Thing groups).
    """
    return tuple(dict.fromkeys((*registration.policies, *(thing.policies if thing is not None else ()))))


def _implied(certificate: Mapping[str, Any]) -> tuple[NamedPolicy, ...]:
    """The policy that a claim has without any being attached."""
    implied = certificate.get("implied")
    return () if implied is None else (implied,)


def iam_identity(principal: Principal, region: str) -> Identity:
    """An IAM principal as a connection's identity; no thing belongs to it."""
    return Identity(
        principal.account,
        region,
        "",
        principal.arn,
        "ACTIVE",
        -inf,
        inf,
        principal.policies,
        None,
        user_id=principal.user_id or principal.arn,
        limit=principal.limit,
        context=principal.context,
    )


def certificate_id_of(principal: str) -> str:
    """The certificate id in a certificate's ARN, or '' when it is another principal's."""
    try:
        kind, _, id = parse_arn(principal).resource.partition("/")
    except ValueError:
        return ""
    return id if kind == "cert" else ""
