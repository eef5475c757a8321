"""Whether a caller's policies let it do something.

Source: IAM User Guide, "Policy evaluation logic", "AWS global condition context keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sekisho.aws.errors import AccessDeniedException
from sekisho.logic.policy import Outcome, PolicySet
from sekisho.services.call import NO_CONTEXT, Call, Caller


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
    said = [_decide(policies, caller, action, resource, now, context) for policies in _sets(caller)]
    if "EXPLICIT_DENY" in said:
        return "EXPLICIT_DENY"
    return "ALLOWED" if all(one == "ALLOWED" for one in said) else "IMPLICIT_DENY"


def limited(caller: Caller, action: str, resource: str, now: float) -> bool:
    """Whether a session's own policy does not allow it, whatever its role may do."""
    limit = caller.principal.limit
    return limit is not None and _decide(limit, caller, action, resource, now, NO_CONTEXT) != "ALLOWED"


def require_allowed(call: Call, action: str, resource: str) -> None:
    """For what an operation needs beside its own action, such as iam:PassRole; AccessDeniedException."""
    if outcome(call.caller, action, resource, call.now) != "ALLOWED":
        raise AccessDeniedException(
            f"User: {call.caller.principal.arn} is not authorized to perform: {action}"
            f" on resource: {resource}"
        )


def _sets(caller: Caller) -> list[PolicySet]:
    principal = caller.principal
    return [principal.policies] if principal.limit is None else [principal.policies, principal.limit]


def _decide(
    policies: PolicySet, caller: Caller, action: str, resource: str, now: float, context: Mapping[str, Any]
) -> Outcome:
    values = variables(caller, now) if policies.mentions("") else {}
    return policies.bind(values).decide(action, resource, context).outcome
