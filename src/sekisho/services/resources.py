"""Which resource an operation is about, for authorization and audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.logic.arns import arn
from sekisho.services.call import Caller

BY_MEMBER: tuple[tuple[str, str], ...] = (
    ("certificateId", "cert"),
    ("templateName", "provisioningtemplate"),
    ("policyName", "policy"),
    ("thingName", "thing"),
    ("thingTypeName", "thingtype"),
    ("topic", "topic"),
)
"""The member that names the resource, in order of weight, and the kind of its ARN (Service Authorization
Reference, AWS IoT)."""

WHOLE_ARNS = ("resourceArn", "target", "principal")


def resource_arn(caller: Caller, service: str, operation: str, members: Mapping[str, Any]) -> str:
    """The ARN that the operation acts on, or ``*`` when it names none."""
    if operation.startswith("List") and operation not in {"ListPolicyVersions", "ListTagsForResource"}:
        return "*"
    for member, kind in BY_MEMBER:
        name = members.get(member)
        if isinstance(name, str):
            return arn(caller.region, caller.account, kind, name)
    for member in WHOLE_ARNS:
        value = members.get(member)
        if isinstance(value, str):
            return value
    return "*"
