"""Instance profiles: what infrastructure tools make beside a role, and take away before they delete it.

Nothing here runs under one, for there are no instances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sekisho.aws.errors import DeleteConflictException, LimitExceededException, NoSuchEntityException
from sekisho.services.call import Call
from sekisho.services.iam import (
    IN_PROFILE,
    PROFILE,
    ROLE,
    add_tags,
    create,
    cut,
    list_tags,
    listing,
    remove_tags,
    require,
    shown_tags,
    under,
)
from sekisho.services.iam_roles import shown_role
from sekisho.services.permission import require_allowed
from sekisho.services.work import Document

EC2 = "ec2.amazonaws.com"


async def create_instance_profile(
    call: Call,
    InstanceProfileName: str,
    Path: str | None = None,
    Tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    made = await create(call, PROFILE, InstanceProfileName, Path, Tags, {})
    return {"InstanceProfile": await _shown(call, made)}


async def get_instance_profile(call: Call, InstanceProfileName: str) -> Document:
    return {"InstanceProfile": await _shown(call, await require(call, PROFILE, InstanceProfileName))}


async def list_instance_profiles(
    call: Call, PathPrefix: str | None = None, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    found = await listing(call, PROFILE, "InstanceProfiles", Marker, MaxItems, wanted=under(PathPrefix))
    # Tags are not in listings (IAM API Reference, ListInstanceProfiles).
    profiles = [await _shown(call, profile) | {"Tags": None} for profile in found["InstanceProfiles"]]
    return found | {"InstanceProfiles": profiles}


async def list_instance_profiles_for_role(
    call: Call, RoleName: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    role = await require(call, ROLE, RoleName)
    names = [link.source.rpartition("/")[2] for link in await call.work.links_to(IN_PROFILE, role["Arn"])]
    profiles = [
        (name.lower(), await _shown(call, await require(call, PROFILE, name)) | {"Tags": None})
        for name in names
    ]
    return cut("InstanceProfiles", sorted(profiles, key=lambda item: item[0]), Marker, MaxItems)


async def delete_instance_profile(call: Call, InstanceProfileName: str) -> None:
    profile = await require(call, PROFILE, InstanceProfileName)
    if not await call.work.require_no_links_from(IN_PROFILE, profile["Arn"]):
        raise DeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
    await call.work.delete(PROFILE, InstanceProfileName.lower())


async def add_role_to_instance_profile(call: Call, InstanceProfileName: str, RoleName: str) -> None:
    """One role is all that there can be, and who adds it must be allowed to pass it."""
    profile = await require(call, PROFILE, InstanceProfileName)
    role = await require(call, ROLE, RoleName)
    require_allowed(call, "iam:PassRole", role["Arn"], {"iam:PassedToService": EC2})
    if not await call.work.require_no_links_from(IN_PROFILE, profile["Arn"]):
        raise LimitExceededException("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    call.work.link(IN_PROFILE, profile["Arn"], role["Arn"])


async def remove_role_from_instance_profile(call: Call, InstanceProfileName: str, RoleName: str) -> None:
    profile = await require(call, PROFILE, InstanceProfileName)
    role = await require(call, ROLE, RoleName)
    if not await call.work.has_link(IN_PROFILE, profile["Arn"], role["Arn"]):
        raise NoSuchEntityException(
            f"The role with name {RoleName} is not in instance profile {InstanceProfileName}."
        )
    call.work.unlink(IN_PROFILE, profile["Arn"], role["Arn"])


async def tag_instance_profile(
    call: Call, InstanceProfileName: str, Tags: Sequence[Mapping[str, str]]
) -> None:
    profile = await require(call, PROFILE, InstanceProfileName)
    await add_tags(call, PROFILE, profile, Tags)


async def untag_instance_profile(call: Call, InstanceProfileName: str, TagKeys: Sequence[str]) -> None:
    profile = await require(call, PROFILE, InstanceProfileName)
    await remove_tags(call, PROFILE, profile, TagKeys)


async def list_instance_profile_tags(
    call: Call, InstanceProfileName: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    profile = await require(call, PROFILE, InstanceProfileName)
    return list_tags(profile, Marker, MaxItems)


async def _shown(call: Call, profile: Document) -> Document:
    links = await call.work.links_from(IN_PROFILE, profile["Arn"])
    roles = [await require(call, ROLE, link.target.rpartition("/")[2]) for link in links]
    return profile | {
        "CreateDate": profile["creationDate"],
        "Roles": [shown_role(role) | {"Tags": None} for role in roles],
        "Tags": shown_tags(profile) or None,
    }
