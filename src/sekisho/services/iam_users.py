"""Users: their inline policies and access keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sekisho.aws.errors import (
    DeleteConflictException,
    InvalidInputException,
    LimitExceededException,
    NoSuchEntityException,
    ValidationError,
)
from sekisho.services.access import KIND, AccessKey, key_document, new_key_id, new_secret
from sekisho.services.call import NOTHING, Call, Principal
from sekisho.services.iam import (
    MEMBER,
    USER,
    add_tags,
    create,
    created,
    cut,
    delete_inline,
    get_inline,
    list_inline,
    list_tags,
    listing,
    put_inline,
    remove_tags,
    rename,
    require,
    require_bare,
    save,
    shown_tags,
    under,
)
from sekisho.services.work import Document

INLINE_SIZE = 2048
KEYS = 2
"""Characters of all inline policies of a user, and its access keys (IAM User Guide, "IAM quotas")."""


async def create_user(
    call: Call, UserName: str, Path: str | None = None, Tags: Sequence[Mapping[str, str]] | None = None
) -> Document:
    body: Document = {"Policies": {}, "AccessKeys": {}}
    return {"User": shown_user(await create(call, USER, UserName, Path, Tags, body))}


async def get_user(call: Call, UserName: str | None = None) -> Document:
    """Without a name, who asks: the account's root has an ARN and no name."""
    principal = call.caller.principal
    if UserName is None and principal.arn.endswith(":root"):
        root = {"Path": "/", "UserId": principal.account, "Arn": principal.arn, "CreateDate": 0.0}
        return {"User": root | {"UserName": "root"}}
    return {"User": shown_user(await require(call, USER, user_name(call, UserName)))}


async def list_users(
    call: Call, PathPrefix: str | None = None, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    found = await listing(call, USER, "Users", Marker, MaxItems, wanted=under(PathPrefix))
    return found | {"Users": [shown_user(user) | {"Tags": None} for user in found["Users"]]}


async def update_user(
    call: Call, UserName: str, NewPath: str | None = None, NewUserName: str | None = None
) -> None:
    """Its access keys stay its own; sessions under the name before have ended."""
    user = await rename(call, USER, UserName, NewUserName, NewPath)
    keys = call.work.elsewhere("", "")
    for id in user["AccessKeys"]:
        row = await keys.get(KIND, id)
        if row is not None:
            await keys.put(KIND, id, row | {"principal": user["Arn"], "userName": user["UserName"]})


async def delete_user(call: Call, UserName: str) -> None:
    user = await require(call, USER, UserName)
    if user["AccessKeys"]:
        raise DeleteConflictException("Cannot delete entity, must delete access keys first.")
    await require_bare(call, user)
    if not await call.work.require_no_links_to(MEMBER, user["Arn"]):
        raise DeleteConflictException("Cannot delete entity, must remove users from group first.")
    await call.work.delete(USER, UserName.lower())


async def put_user_policy(call: Call, UserName: str, PolicyName: str, PolicyDocument: str) -> None:
    await put_inline(call, USER, UserName, PolicyName, PolicyDocument, INLINE_SIZE)


async def get_user_policy(call: Call, UserName: str, PolicyName: str) -> Document:
    return await get_inline(call, USER, UserName, PolicyName)


async def delete_user_policy(call: Call, UserName: str, PolicyName: str) -> None:
    await delete_inline(call, USER, UserName, PolicyName)


async def list_user_policies(
    call: Call, UserName: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return await list_inline(call, USER, UserName, Marker, MaxItems)


async def tag_user(call: Call, UserName: str, Tags: Sequence[Mapping[str, str]]) -> None:
    await add_tags(call, USER, await require(call, USER, UserName), Tags)


async def untag_user(call: Call, UserName: str, TagKeys: Sequence[str]) -> None:
    await remove_tags(call, USER, await require(call, USER, UserName), TagKeys)


async def list_user_tags(
    call: Call, UserName: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return list_tags(await require(call, USER, UserName), Marker, MaxItems)


# --- access keys: their state is the user's, their secrets are rows of their own, sealed ---


async def create_access_key(call: Call, UserName: str | None = None) -> Document:
    user = await require(call, USER, user_name(call, UserName))
    if len(user["AccessKeys"]) >= KEYS:
        raise LimitExceededException(f"Cannot exceed quota for AccessKeysPerUser: {KEYS}")
    who = Principal(user["Arn"], call.account, NOTHING)
    made = AccessKey(new_key_id(), new_secret(), who)
    key = {"Status": "Active", "CreateDate": call.now}
    await save(call, USER, user | {"AccessKeys": user["AccessKeys"] | {made.id: key}})
    body = key_document(made, call.deps.keyring) | {"userName": user["UserName"]}
    await call.work.elsewhere("", "").put(KIND, made.id, body)
    answer = {"UserName": user["UserName"], "AccessKeyId": made.id, "SecretAccessKey": made.secret}
    return {"AccessKey": answer | key}


async def list_access_keys(
    call: Call, UserName: str | None = None, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    user = await require(call, USER, user_name(call, UserName))
    items = [
        (id, {"UserName": user["UserName"], "AccessKeyId": id, **key})
        for id, key in sorted(user["AccessKeys"].items())
    ]
    return cut("AccessKeyMetadata", items, Marker, MaxItems)


async def update_access_key(call: Call, AccessKeyId: str, Status: str, UserName: str | None = None) -> None:
    if Status not in ("Active", "Inactive"):
        raise InvalidInputException(f"an access key is Active or Inactive; {Status} is not implemented")
    user = await _with_key(call, UserName, AccessKeyId)
    key = user["AccessKeys"][AccessKeyId] | {"Status": Status}
    await save(call, USER, user | {"AccessKeys": user["AccessKeys"] | {AccessKeyId: key}})


async def delete_access_key(call: Call, AccessKeyId: str, UserName: str | None = None) -> None:
    user = await _with_key(call, UserName, AccessKeyId)
    kept = {id: key for id, key in user["AccessKeys"].items() if id != AccessKeyId}
    await save(call, USER, user | {"AccessKeys": kept})
    await call.work.elsewhere("", "").delete(KIND, AccessKeyId)


async def _with_key(call: Call, name: str | None, id: str) -> Document:
    user = await require(call, USER, user_name(call, name))
    if id not in user["AccessKeys"]:
        raise NoSuchEntityException(f"The Access Key with id {id} cannot be found.")
    return user


def user_name(call: Call, given: str | None) -> str:
    """The user that is meant: the one that asks, unless another is named."""
    if given is not None:
        return given
    own = call.caller.principal.context.get("aws:username")
    if own is None:
        raise ValidationError("Must specify userName when calling with non-User credentials")
    return own


def shown_user(user: Document) -> Document:
    return user | {"CreateDate": created(user), "Tags": shown_tags(user) or None}
