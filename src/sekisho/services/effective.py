"""Which policies are in effect for a principal, read as the broker reads them but past its memory, so that
what was attached a moment ago is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sekisho.aws.errors import InvalidRequestException, LimitExceededException, ResourceNotFoundException
from sekisho.logic.policy import Bound, PolicySet
from sekisho.services.call import Call
from sekisho.services.device_variables import OF_CONNECTIONS, attributes_of, variables_of
from sekisho.services.identity import Identities, Identity
from sekisho.services.policy_attachments import ATTACHED
from sekisho.services.targets import require_target
from sekisho.services.thing_views import group_name_of

MOST_NAMES = 10
"""Policies that may be added, or skipped, in one call: as many as a certificate can have."""

IS_ATTACHED = "iot:Connection.Thing.IsAttached"


class Assumed(NamedTuple):
    """What a caller supposes of the connection; what it leaves out has no value."""

    client_id: str | None = None
    address: str = ""
    domain: str = ""


class Device(NamedTuple):
    """A principal as it would connect: who, with which policies, and the values of their variables."""

    identity: Identity
    groups: frozenset[str]
    """Those of the thing, or those that were asked about, with all of their ancestors."""
    origins: dict[str, list[str]]
    """Policy → the ARNs that it is attached to, or none for one that is only supposed to be."""
    variables: dict[str, Any]

    def bound(self) -> Bound:
        return self.identity.policies.bind(self.variables)


async def read_device(
    call: Call,
    principal: str | None,
    assumed: Assumed,
    add: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
) -> Device:
    """A certificate or thing group, with some policies added to what is attached to it, others left out.

    Raises ResourceNotFoundException for what does not exist, also a policy; InvalidRequestException.
    """
    if not principal:
        raise InvalidRequestException("principal is missing: the ARN of a certificate or of a thing group")
    found = await require_target(call, principal)
    identities = Identities(call.deps.store)
    client_id = assumed.client_id or ""
    group, der = group_name_of(principal), None
    if group:
        identity, groups = await _of_group(call, identities, principal, client_id)
    else:
        loaded = await identities.load(call.account, call.region, found["certificateId"], client_id)
        if loaded is None:
            raise ResourceNotFoundException(f"{principal} does not exist")
        identity = loaded
        groups = identity.thing.groups if identity.thing is not None else frozenset()
        der = _der(found["certificatePem"])
    origins = await read_origins(call, None if group else principal, groups)
    identity = replace(
        identity, policies=await _chosen(call, identities, identity.policies, add or (), skip or ())
    )
    attributes = attributes_of(identity, der)
    variables = variables_of(identity, attributes, client_id, assumed.address, assumed.domain)
    return Device(identity, groups, origins, _known(variables, identity, bool(group), assumed))


async def read_origins(call: Call, certificate: str | None, groups: Iterable[str]) -> dict[str, list[str]]:
    """Policy → the ARNs by way of which it is in effect: the certificate's first, then the groups'."""
    found: dict[str, list[str]] = {}
    targets = [certificate] if certificate is not None else []
    targets += [call.arn("thinggroup", name) for name in sorted(groups)]
    for target in targets:
        for link in await call.work.links_to(ATTACHED, target):
            found.setdefault(link.source, []).append(target)
    return found


async def _of_group(
    call: Call, identities: Identities, arn: str, client_id: str
) -> tuple[Identity, frozenset[str]]:
    """A group in the place of a device: its policies and those above it; the thing is the one that the client
    id names, if it is in the group. Also the names of these groups."""
    place, name = (call.account, call.region), group_name_of(arn)
    groups, names = await identities.views.over(*place, [name])
    thing = await identities.views.load(*place, client_id, False, client_id) if client_id else None
    if thing is not None and name not in thing.groups:
        thing = None
    found = [await identities.policy(*place, one) for one in names]
    policies = PolicySet(policy for policy in found if policy is not None)
    return Identity(*place, "", arn, "ACTIVE", -inf, inf, policies, thing), groups


async def _chosen(
    call: Call, identities: Identities, policies: PolicySet, add: Sequence[str], skip: Sequence[str]
) -> PolicySet:
    for names, member in ((add, "policyNamesToAdd"), (skip, "policyNamesToSkip")):
        if len(names) > MOST_NAMES:
            raise LimitExceededException(f"{member} has {len(names)} names, more than {MOST_NAMES}")
        for name in names:
            await call.require("policy", name)
    kept = {policy.name: policy for policy in policies.policies}
    for name in add:
        policy = await identities.policy(call.account, call.region, name)
        if policy is not None:
            kept[name] = policy
    return PolicySet(policy for name, policy in kept.items() if name not in skip)


def _known(variables: dict[str, Any], identity: Identity, of_group: bool, assumed: Assumed) -> dict[str, Any]:
    """The variables without those that nobody has said anything of."""
    without: tuple[str, ...] = ()
    if assumed.client_id is None:
        without = OF_CONNECTIONS[:1] if identity.thing is not None else OF_CONNECTIONS
    if of_group and identity.thing is None:
        without = (*without, IS_ATTACHED)
    return {name: value for name, value in variables.items() if not (without and name.startswith(without))}


def _der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
