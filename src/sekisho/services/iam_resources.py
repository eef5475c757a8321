"""Which resource an operation of IAM is about.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Identity and Access
Management". An ARN has the entity's path, which most requests do not: it is read from the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.services.call import Caller
from sekisho.services.iam import GROUP, NAMES, POLICY, PROFILE, ROLE, ROOT_PATH, USER, iam_arn, read_entity
from sekisho.store.store import Store

LISTS = {
    "ListGroups": GROUP,
    "ListInstanceProfiles": PROFILE,
    "ListPolicies": POLICY,
    "ListRoles": ROLE,
    "ListUsers": USER,
}
LONGEST = 128
"""Characters of a name; a longer one is refused by the model later."""


async def iam_resource(store: Store, caller: Caller, operation: str, members: Mapping[str, Any]) -> str:
    """The ARN of the role, user or other entity; the caller's own where a user may be left out."""
    place = caller.region, caller.account
    if operation in LISTS:
        return iam_arn(*place, LISTS[operation], str(members.get("PathPrefix") or ROOT_PATH), "")
    for kind in (GROUP, PROFILE, ROLE, USER):
        name = members.get(NAMES[kind])
        if isinstance(name, str):
            return await _arn(store, caller, kind, name, members)
    if isinstance(members.get("PolicyArn"), str):
        return str(members["PolicyArn"])
    if isinstance(members.get("PolicyName"), str):
        return await _arn(store, caller, POLICY, members["PolicyName"], members)
    return caller.principal.arn


async def _arn(store: Store, caller: Caller, kind: str, name: str, members: Mapping[str, Any]) -> str:
    found = await read_entity(store, caller.account, kind, name) if len(name) <= LONGEST else None
    if found is not None:
        return str(found["Arn"])
    return iam_arn(caller.region, caller.account, kind, str(members.get("Path") or ROOT_PATH), name)
