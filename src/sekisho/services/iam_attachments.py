"""Managed policies of roles, users and groups: attach, detach, list."""

from __future__ import annotations

from sekisho.services.call import Call
from sekisho.services.iam import GROUP, ROLE, USER
from sekisho.services.iam_managed import attach, detach, list_attached
from sekisho.services.work import Document


async def attach_role_policy(call: Call, RoleName: str, PolicyArn: str) -> None:
    await attach(call, ROLE, RoleName, PolicyArn)


async def detach_role_policy(call: Call, RoleName: str, PolicyArn: str) -> None:
    await detach(call, ROLE, RoleName, PolicyArn)


async def list_attached_role_policies(
    call: Call,
    RoleName: str,
    PathPrefix: str | None = None,
    Marker: str | None = None,
    MaxItems: int | None = None,
) -> Document:
    return await list_attached(call, ROLE, RoleName, PathPrefix, Marker, MaxItems)


async def attach_user_policy(call: Call, UserName: str, PolicyArn: str) -> None:
    await attach(call, USER, UserName, PolicyArn)


async def detach_user_policy(call: Call, UserName: str, PolicyArn: str) -> None:
    await detach(call, USER, UserName, PolicyArn)


async def list_attached_user_policies(
    call: Call,
    UserName: str,
    PathPrefix: str | None = None,
    Marker: str | None = None,
    MaxItems: int | None = None,
) -> Document:
    return await list_attached(call, USER, UserName, PathPrefix, Marker, MaxItems)


async def attach_group_policy(call: Call, GroupName: str, PolicyArn: str) -> None:
    await attach(call, GROUP, GroupName, PolicyArn)


async def detach_group_policy(call: Call, GroupName: str, PolicyArn: str) -> None:
    await detach(call, GROUP, GroupName, PolicyArn)


async def list_attached_group_policies(
    call: Call,
    GroupName: str,
    PathPrefix: str | None = None,
    Marker: str | None = None,
    MaxItems: int | None = None,
) -> Document:
    return await list_attached(call, GROUP, GroupName, PathPrefix, Marker, MaxItems)
