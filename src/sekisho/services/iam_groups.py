"""Groups: users who have their policies together."""

from __future__ import annotations

from sekisho.aws.errors import DeleteConflictException, LimitExceededException, NoSuchEntityException
from sekisho.services.call import Call
from sekisho.services.iam import (
    GROUP,
    MEMBER,
    PAGE,
    USER,
    create,
    created,
    cut,
    delete_inline,
    get_inline,
    list_inline,
    listing,
    put_inline,
    rename,
    require,
    require_bare,
    under,
)
from sekisho.services.iam_users import shown_user
from sekisho.services.paging import key
from sekisho.services.work import Document

INLINE_SIZE = 5120
GROUPS = 300
GROUPS_OF_A_USER = 10
"""Characters of all inline policies of a group, groups of an account, and of one user (IAM User Guide, "IAM
quotas")."""

MOVED = 250
"""How many members' links are read at once."""


async def create_group(call: Call, GroupName: str, Path: str | None = None) -> Document:
    made = await create(call, GROUP, GroupName, Path, None, {"Policies": {}})
    if not await call.work.require_fewer(GROUP, GROUPS):
        raise LimitExceededException(f"Cannot exceed quota for GroupsPerAccount: {GROUPS}")
    return {"Group": _shown(made)}


async def get_group(
    call: Call, GroupName: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    """The group with a page of its users."""
    group = await require(call, GROUP, GroupName)
    links = await call.work.links_from(MEMBER, group["Arn"], key(Marker), (MaxItems or PAGE) + 1)
    found = [(link.target, await call.work.get(USER, _name_of(link.target).lower())) for link in links]
    users = [(arn, shown_user(user) | {"Tags": None}) for arn, user in found if user is not None]
    return {"Group": _shown(group)} | cut("Users", users, None, MaxItems)


async def list_groups(
    call: Call, PathPrefix: str | None = None, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    found = await listing(call, GROUP, "Groups", Marker, MaxItems, wanted=under(PathPrefix))
    return found | {"Groups": [_shown(group) for group in found["Groups"]]}


async def update_group(
    call: Call, GroupName: str, NewPath: str | None = None, NewGroupName: str | None = None
) -> None:
    before = await require(call, GROUP, GroupName)
    after = await rename(call, GROUP, GroupName, NewGroupName, NewPath)
    if after["Arn"] == before["Arn"]:
        return
    last = ""
    while links := await call.work.links_from(MEMBER, before["Arn"], last, MOVED):
        for link in links:
            call.work.unlink(MEMBER, before["Arn"], link.target)
            call.work.link(MEMBER, after["Arn"], link.target, link.body)
        last = links[-1].target


async def delete_group(call: Call, GroupName: str) -> None:
    group = await require(call, GROUP, GroupName)
    if not await call.work.require_no_links_from(MEMBER, group["Arn"]):
        raise DeleteConflictException("Cannot delete entity, must remove users from group first.")
    await require_bare(call, group)
    await call.work.delete(GROUP, GroupName.lower())


# --- members ---


async def add_user_to_group(call: Call, GroupName: str, UserName: str) -> None:
    group, user = await require(call, GROUP, GroupName), await require(call, USER, UserName)
    groups = await call.work.all_links_to(MEMBER, user["Arn"])
    if any(link.source == group["Arn"] for link in groups):
        return
    if len(groups) >= GROUPS_OF_A_USER:
        raise LimitExceededException(f"Cannot exceed quota for GroupsPerUser: {GROUPS_OF_A_USER}")
    call.work.link(MEMBER, group["Arn"], user["Arn"])


async def remove_user_from_group(call: Call, GroupName: str, UserName: str) -> None:
    group, user = await require(call, GROUP, GroupName), await require(call, USER, UserName)
    groups = await call.work.all_links_to(MEMBER, user["Arn"])
    if not any(link.source == group["Arn"] for link in groups):
        raise NoSuchEntityException(f"The user with name {UserName} is not in group {GroupName}.")
    call.work.unlink(MEMBER, group["Arn"], user["Arn"])


async def list_groups_for_user(
    call: Call, UserName: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    user = await require(call, USER, UserName)
    names = [_name_of(link.source) for link in await call.work.links_to(MEMBER, user["Arn"])]
    groups = [(name.lower(), _shown(await require(call, GROUP, name))) for name in names]
    return cut("Groups", sorted(groups, key=lambda item: item[0]), Marker, MaxItems)


# --- inline policies ---


async def put_group_policy(call: Call, GroupName: str, PolicyName: str, PolicyDocument: str) -> None:
    await put_inline(call, GROUP, GroupName, PolicyName, PolicyDocument, INLINE_SIZE)


async def get_group_policy(call: Call, GroupName: str, PolicyName: str) -> Document:
    return await get_inline(call, GROUP, GroupName, PolicyName)


async def delete_group_policy(call: Call, GroupName: str, PolicyName: str) -> None:
    await delete_inline(call, GROUP, GroupName, PolicyName)


async def list_group_policies(
    call: Call, GroupName: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return await list_inline(call, GROUP, GroupName, Marker, MaxItems)


def _shown(group: Document) -> Document:
    return group | {"CreateDate": created(group)}


def _name_of(arn: str) -> str:
    return arn.rpartition("/")[2]
