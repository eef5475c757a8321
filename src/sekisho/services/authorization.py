"""What a device may do, told without one: by the evaluator that guards the broker.

Source: API Reference, TestAuthorization and GetEffectivePolicies; AWS IoT Developer Guide, "Static thing
groups".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.aws.errors import InvalidRequestException, LimitExceededException
from sekisho.logic.arns import parse_arn
from sekisho.logic.policy import Bound, Explanation
from sekisho.services.call import Call
from sekisho.services.effective import Assumed, read_device, read_origins
from sekisho.services.identity import Identities
from sekisho.services.targets import require_target
from sekisho.services.thing_views import group_name_of
from sekisho.services.work import Document

ACTIONS = {
    "CONNECT": "iot:Connect",
    "PUBLISH": "iot:Publish",
    "SUBSCRIBE": "iot:Subscribe",
    "RECEIVE": "iot:Receive",
}
MOST_RESOURCES = 100
"""In one call of TestAuthorization; each is held against every statement."""


async def test_authorization(
    call: Call,
    authInfos: Sequence[Mapping[str, Any]],
    principal: str | None = None,
    clientId: str | None = None,
    policyNamesToAdd: Sequence[str] | None = None,
    policyNamesToSkip: Sequence[str] | None = None,
) -> Document:
    asked = sum(len(info["resources"]) for info in authInfos)
    if asked > MOST_RESOURCES:
        raise LimitExceededException(f"authInfos have {asked} resources, more than {MOST_RESOURCES}")
    for number, info in enumerate(authInfos):
        _check(info, f"authInfos {number}")
    device = await read_device(call, principal, Assumed(clientId), policyNamesToAdd, policyNamesToSkip)
    bound = device.bound()
    results = []
    for info in authInfos:
        results.append(_result(call, bound, info))
        await asyncio.sleep(0)  # devices wait for this loop
    return {"authResults": results}


def _check(info: Mapping[str, Any], where: str) -> None:
    if "actionType" not in info:
        raise InvalidRequestException(f"{where}: actionType is missing; it is one of {', '.join(ACTIONS)}")
    if not info["resources"]:
        raise InvalidRequestException(f"{where}: resources is an empty list")
    for resource in info["resources"]:
        try:
            parse_arn(resource)
        except ValueError as error:
            raise InvalidRequestException(f"{where}: resources: {error}") from None


def _result(call: Call, bound: Bound, info: Mapping[str, Any]) -> Document:
    """One action on all of its resources: allowed where each is."""
    action = ACTIONS[info["actionType"]]
    outcomes = [bound.decide(action, resource).outcome for resource in info["resources"]]
    found = [bound.explain(action, resource) for resource in info["resources"]]
    if "EXPLICIT_DENY" in outcomes:
        decision = "EXPLICIT_DENY"
    else:
        decision = "ALLOWED" if set(outcomes) == {"ALLOWED"} else "IMPLICIT_DENY"
    said = _policies(found)
    return {
        "authInfo": info,
        "allowed": {"policies": _shown(call, said["Allow"])},
        "denied": {
            "implicitDeny": {"policies": _shown(call, said[""])},
            "explicitDeny": {"policies": _shown(call, said["Deny"])},
        },
        "authDecision": decision,
        "missingContextValues": list(dict.fromkeys(name for one in found for name in one.absent)),
    }


def _policies(found: Sequence[Explanation]) -> dict[str, list[str]]:
    """The names of the policies by what they say of any of the resources: allow, deny, or nothing."""
    said: dict[str, dict[str, None]] = {"Allow": {}, "Deny": {}, "": {}}
    for one in found:
        for policy in one.policies:
            effects = {statement.effect for statement in policy.statements if statement.verdict == "matches"}
            for effect in effects or {""}:
                said[effect][policy.name] = None
    return {effect: list(names) for effect, names in said.items()}


def _shown(call: Call, names: Sequence[str]) -> list[Document]:
    return [{"policyName": name, "policyArn": call.arn("policy", name)} for name in names]


async def get_effective_policies(
    call: Call, principal: str | None = None, thingName: str | None = None
) -> Document:
    if not principal and thingName is None:
        raise InvalidRequestException("principal, thingName or both are needed")
    views = Identities(call.deps.store).views
    place = (call.account, call.region)
    groups: frozenset[str] = frozenset()
    certificate = None
    if principal:
        await require_target(call, principal)
        group = group_name_of(principal)
        certificate = principal if not group else None
        groups, _ = await views.over(*place, [group] if group else [])
    if thingName is not None:
        await call.require("thing", thingName)
        thing = await views.load(*place, thingName, False, "")
        groups |= thing.groups if thing is not None else frozenset()
    found = []
    for name in await read_origins(call, certificate, groups):
        policy = await call.work.get("policy", name)
        if policy is not None:
            text = policy["versions"][policy["defaultVersionId"]]["policyDocument"]
            found.append({**_shown(call, [name])[0], "policyDocument": text})
    return {"effectivePolicies": found}
