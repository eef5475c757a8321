"""Whether a caller's policies let it do something.

Source: IAM User Guide, "Policy evaluation logic", "AWS global condition context keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sekisho.aws.errors import AccessDeniedException
from sekisho.logic.policy import Outcome, PolicySet
from sekisho.services.call import NO_CONTEXT, Call, Caller, Deps
from sekisho.services.evidence import evidence


def variables(caller: Caller, now: float) -> dict[str, str]:
    """The condition keys and policy variables of a request; ``now`` is civil time."""
    principal = caller.principal
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = {
        "aws:CurrentTime": moment,
        "aws:EpochTime": str(int(now)),
        "aws:PrincipalAccount": principal.account,
        "aws:PrincipalArn": principal.arn,
        "aws:RequestedRegion": caller.region,
        "aws:SourceIp": caller.source_ip,
        "aws:userid": principal.user_id,
        **principal.context,
    }
    return {name: value for name, value in found.items() if value}


def outcome(
    caller: Caller, action: str, resource: str, now: float, context: Mapping[str, Any] = NO_CONTEXT
) -> Outcome:
    """What the caller's policies say together with its session's: any deny, else an allow of both."""
    said = [_decide(policies, caller, action, resource, now, context) for policies in sets_of(caller)]
    if "EXPLICIT_DENY" in said:
        return "EXPLICIT_DENY"
    return "ALLOWED" if all(one == "ALLOWED" for one in said) else "IMPLICIT_DENY"


def explained(
    caller: Caller, action: str, resource: str, now: float, context: Mapping[str, Any] = NO_CONTEXT
) -> dict[str, Any]:
    """Why the caller may not: what those of its policies say that do not let it, for explain."""
    values = variables(caller, now)
    found = [policies.bind(values).explain(action, resource, context) for policies in sets_of(caller)]
    against = next((one for one in found if one.outcome == "EXPLICIT_DENY"), None)
    return evidence(against or next((one for one in found if one.outcome != "ALLOWED"), found[0]))


def record_denial(deps: Deps, caller: Caller, reason: str, entry: Mapping[str, Any]) -> None:
    """Keep for explain that a request was denied, and why."""
    who = {"principal": caller.principal.arn, "sourceIp": caller.source_ip, "at": deps.clock.now()}
    effect = "the request was answered 403"
    deps.refusals.record(caller.account, caller.region, {**entry, **who, "reason": reason, "effect": effect})


def limited(caller: Caller, action: str, resource: str, now: float) -> bool:
    """Whether a session's own policy does not allow it, whatever its role may do."""
    limit = caller.principal.limit
    return limit is not None and _decide(limit, caller, action, resource, now, NO_CONTEXT) != "ALLOWED"


def require_allowed(call: Call, action: str, resource: str, context: Mapping[str, Any] = NO_CONTEXT) -> None:
    """For what an operation needs beside its own action, such as iam:PassRole; AccessDeniedException."""
    if outcome(call.caller, action, resource, call.now, context) != "ALLOWED":
        record_denial(
            call.deps,
            call.caller,
            f"not authorized to perform {action}",
            explained(call.caller, action, resource, call.now, context),
        )
        raise AccessDeniedException(
            f"User: {call.caller.principal.arn} is not authorized to perform: {action}"
            f" on resource: {resource}"
        )


def sets_of(caller: Caller) -> list[PolicySet]:
    """The caller's policies, and those that a session has to keep to besides."""
    principal = caller.principal
    return [principal.policies] if principal.limit is None else [principal.policies, principal.limit]


def _decide(
    policies: PolicySet, caller: Caller, action: str, resource: str, now: float, context: Mapping[str, Any]
) -> Outcome:
    values = variables(caller, now) if policies.mentions("") else {}
    return policies.bind(values).decide(action, resource, context).outcome
