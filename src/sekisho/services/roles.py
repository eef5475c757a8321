"""Roles that are passed to the platform: who may pass one, and what provisioning does in it.

Sources: IAM User Guide, "Grant a user permissions to pass a role to an AWS service" and the condition key
``iam:PassedToService``; AWS IoT Developer Guide, "Device provisioning" (the provisioning role and its trust
policy); Service Authorization Reference, AWS IoT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sekisho.aws.errors import AccessDeniedException, InvalidRequestException
from sekisho.logic.arns import parse_arn
from sekisho.logic.policy import MalformedPolicy
from sekisho.logic.templates import Plan, unnamed_policy_name
from sekisho.logic.trust import Asker, parse_trust
from sekisho.services.access import root
from sekisho.services.call import Call, Caller, Deps, Principal
from sekisho.services.iam import ROLE, read_entity
from sekisho.services.permission import require_allowed
from sekisho.services.resources import authorized_arn, resource_arn
from sekisho.services.work import Document

IOT = "iot.amazonaws.com"
CREDENTIALS = "credentials.iot.amazonaws.com"

Needed = list[tuple[str, Document]]
"""Operations of ``iot`` with the members that say what they are about."""


async def pass_role(call: Call, role_arn: str, member: str) -> str | None:
    """For whatever provisions in a role: its id, or None when the node has no such role.

    InvalidRequestException for what is no role of this account, AccessDeniedException when the caller may not
    pass it. A role that does not exist may be named by the account's root alone: provisioning is then the
    node's own, with every right, as on a node whose IAM nobody has filled. AWS refuses it.
    """
    check_passing(call, role_arn, member, IOT)
    name = role_arn.rpartition("/")[2]
    role = await read_entity(call.deps.store, call.account, ROLE, name)
    if role is not None and role["Arn"] == role_arn:
        return str(role["RoleId"])
    if call.caller.principal.arn != root(call.account).arn:
        raise InvalidRequestException(f"{member}: the role {role_arn} does not exist")
    return None


def check_passing(call: Call, role_arn: str, member: str, service: str) -> None:
    """What of `pass_role` can be said without looking for the role."""
    try:
        arn = parse_arn(role_arn)
    except ValueError as error:
        raise InvalidRequestException(f"{member}: {error}") from None
    if arn.service != "iam" or not arn.resource.startswith("role/"):
        raise InvalidRequestException(f"{role_arn} is not the ARN of a role (arn:aws:iam::…:role/…)")
    if arn.account != call.account:
        raise InvalidRequestException(f"{role_arn} is not of account {call.account}")
    require_allowed(call, "iam:PassRole", role_arn, {"iam:PassedToService": service})


async def role_at_work(
    deps: Deps, account: str, role_arn: str, role_id: str | None, session: str
) -> Principal | None:
    """A session of a role that was passed, or None for one that never existed (``role_id`` is None).

    AccessDeniedException when it is gone by now, or does not trust the platform.
    """
    name = role_arn.rpartition("/")[2]
    role = await deps.principals.entity(account, ROLE, name)
    if role is None or role.arn != role_arn:
        if role_id is None:
            return None
        raise AccessDeniedException(f"the role {role_arn} does not exist any more")
    if not _trusts(role.trust, account):
        raise AccessDeniedException(f"the role {role_arn} cannot be assumed: it does not trust {IOT}")
    found: Principal = deps.principals.session(account, name, role, session)
    return found


async def in_role(deps: Deps, caller: Caller, task: Document) -> Caller:
    """The node at work on a registration task, in the task's role."""
    role = await role_at_work(deps, caller.account, task["roleArn"], task.get("roleId"), task["taskId"])
    return replace(caller, role=role)


def _trusts(document: str, account: str) -> bool:
    asker = Asker("Service", account, (IOT,))
    try:
        judged = parse_trust(document).judge(asker, "sts:AssumeRole", {"aws:SourceAccount": account})
    except MalformedPolicy:
        return False
    return judged.decision.allowed


async def require_rights(call: Call, plan: Plan, role: Principal) -> None:
    """AccessDeniedException naming the first thing that the plan would do and the role may not."""
    acting = replace(call, caller=replace(call.caller, principal=role))
    for operation, members in await _needed(call, plan):
        resource = resource_arn(call.caller, "iot", operation, members)
        require_allowed(acting, f"iot:{operation}", authorized_arn(operation, members, resource))


async def _needed(call: Call, plan: Plan) -> Needed:
    """What has to be made, changed, looked at and attached. The ARN of a certificate that is yet to be made
    is not known: the role must be allowed any."""
    needed: Needed = []
    certificate = plan.certificate
    target = call.arn("cert", "*")
    if plan.thing is not None:
        needed += await _of_thing(call, plan)
    if certificate is not None:
        id = certificate.certificate_id
        if certificate.csr is not None:
            needed.append(("CreateCertificateFromCsr", {}))
        elif certificate.pem is not None:
            needed.append(("RegisterCertificate", {}))
        elif id is not None:
            target = call.arn("cert", id)
            found = await call.work.get("cert", id)
            same = found is not None and found["status"] == certificate.status
            needed.append(("DescribeCertificate" if same else "UpdateCertificate", {"certificateId": id}))
        if plan.thing is not None:
            needed.append(("AttachThingPrincipal", {"thingName": plan.thing.name}))
    for policy in plan.policies:
        name = policy.name or unnamed_policy_name(policy.document or "")
        there = policy.document is None or await call.work.get("policy", name) is not None
        needed.append(("GetPolicy" if there else "CreatePolicy", {"policyName": name}))
        if certificate is not None:
            needed.append(("AttachPolicy", {"policyName": name, "target": target}))
    return needed


async def _of_thing(call: Call, plan: Plan) -> Needed:
    thing = plan.thing
    assert thing is not None
    members: Mapping[str, Any] = {"thingName": thing.name}
    existing = await call.work.get("thing", thing.name)
    if existing is None:
        needed: Needed = [("CreateThing", dict(members))]
    elif thing.attributes != existing["attributes"] or thing.type_name != existing.get("thingTypeName"):
        needed = [("UpdateThing", dict(members))]
    else:
        needed = [("DescribeThing", dict(members))]
    if thing.groups:
        needed.append(("AddThingToThingGroup", dict(members)))
    if thing.billing_group:
        needed.append(("AddThingToBillingGroup", dict(members)))
    return needed
