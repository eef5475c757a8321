"""What the operations of IAM share: names, ids, inline policies, listings.

What IAM keeps is the account's and of no region; names do not differ by case alone (IAM API Reference,
CreateRole), so that a resource's id is its name in lower case.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from sekisho.aws.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    InvalidInputException,
    LimitExceededException,
    MalformedPolicyDocumentException,
    NoSuchEntityException,
)
from sekisho.logic.arns import partition_of
from sekisho.logic.policy import MalformedPolicy, parse_policy
from sekisho.services.access import ALPHABET
from sekisho.services.call import Call
from sekisho.services.paging import key, token
from sekisho.services.work import Document, row_document
from sekisho.store import tables
from sekisho.store.store import Store

ROLE, USER, POLICY = "iamrole", "iamuser", "iampolicy"
GROUP, PROFILE = "iamgroup", "iaminstanceprofile"
ATTACHED = "iamattached"
"""Links from the ARN of a managed policy to that of a role, user or group."""

MEMBER = "iammember"
"""Links from the ARN of a group to that of a user."""

IN_PROFILE = "iaminprofile"
"""Links from the ARN of an instance profile to that of a role."""

NAMES = {
    ROLE: "RoleName",
    USER: "UserName",
    POLICY: "PolicyName",
    GROUP: "GroupName",
    PROFILE: "InstanceProfileName",
}
IDS = {
    ROLE: "RoleId",
    USER: "UserId",
    POLICY: "PolicyId",
    GROUP: "GroupId",
    PROFILE: "InstanceProfileId",
}
WORDS = {ROLE: "role", USER: "user", POLICY: "policy", GROUP: "group", PROFILE: "instance-profile"}
"""What each kind is called in ARNs."""

PREFIXES = {ROLE: "AROA", USER: "AIDA", POLICY: "ANPA", GROUP: "AGPA", PROFILE: "AIPA"}
"""IAM User Guide, "IAM identifiers": how the unique ids of each kind begin."""

TAGS = 50
ROOT_PATH = "/"
PAGE = 100
"""What listings of IAM answer unless told (IAM API Reference, MaxItems)."""

SCAN = 250


def iam_arn(region: str, account: str, kind: str, path: str, name: str) -> str:
    return f"arn:{partition_of(region)}:iam::{account}:{WORDS[kind]}{path}{name}"


def shown_tags(entity: Document) -> list[Document]:
    return [{"Key": key, "Value": value} for key, value in sorted(entity["Tags"].items())]


async def read_entity(store: Store, account: str, kind: str, name: str) -> Document | None:
    """A role, user, group or policy by its name, outside of any unit of work; None if there is none."""
    if "\0" in name:
        return None
    row = await tables.fetch_one(store, tables.get_resource(account, "", kind, name.lower()))
    found = orjson.loads(row["body"]) if row is not None else None
    return row_document(row) if found is not None and found[NAMES[kind]] == name else None


async def require(call: Call, kind: str, name: str) -> Document:
    """The role, user or other entity of that name, spelled just so, or NoSuchEntityException."""
    found = await call.work.get(kind, name.lower())
    if found is None or found[NAMES[kind]] != name:
        raise NoSuchEntityException(f"The {noun(kind)} with name {name} cannot be found.")
    return found


def noun(kind: str) -> str:
    return WORDS[kind].replace("-", " ")


async def save(call: Call, kind: str, entity: Document) -> Document:
    return await call.work.put(kind, entity[NAMES[kind]].lower(), entity)


async def create(
    call: Call,
    kind: str,
    name: str,
    path: str | None,
    tags: Sequence[Mapping[str, str]] | None,
    body: Document,
) -> Document:
    """A new entity with an id and an ARN; EntityAlreadyExistsException if the name is taken."""
    if await call.work.get(kind, name.lower()) is not None:
        raise taken(kind, name)
    path = path or ROOT_PATH
    return await save(
        call,
        kind,
        {
            NAMES[kind]: name,
            "Path": path,
            IDS[kind]: PREFIXES[kind] + "".join(secrets.choice(ALPHABET) for _ in range(17)),
            "Arn": iam_arn(call.region, call.account, kind, path, name),
            "Tags": merged_tags({}, tags),
            **body,
        },
    )


def taken(kind: str, name: str) -> EntityAlreadyExistsException:
    return EntityAlreadyExistsException(f"{noun(kind).capitalize()} with name {name} already exists.")


async def rename(call: Call, kind: str, name: str, new_name: str | None, new_path: str | None) -> Document:
    """A user or group under another name, or path, with what is attached to it and what it belongs to."""
    before = await require(call, kind, name)
    target, path = new_name or name, new_path or before["Path"]
    if target.lower() != name.lower() and await call.work.get(kind, target.lower()) is not None:
        raise taken(kind, target)
    arn = iam_arn(call.region, call.account, kind, path, target)
    if arn != before["Arn"]:
        for link_kind in (ATTACHED, MEMBER):
            for link in await call.work.all_links_to(link_kind, before["Arn"]):
                call.work.unlink(link_kind, link.source, before["Arn"])
                call.work.link(link_kind, link.source, arn, link.body)
    if target.lower() != name.lower():
        await call.work.delete(kind, name.lower())
    moved = {NAMES[kind]: target, "Path": path, "Arn": arn, "CreateDate": created(before)}
    return await save(call, kind, before | moved)


def created(entity: Document) -> float:
    """When it was made; the row of one that was renamed is younger."""
    return float(entity.get("CreateDate") or entity["creationDate"])


def merged_tags(existing: Mapping[str, str], tags: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """InvalidInputException for a key that is there twice, LimitExceededException past 50."""
    given = {tag["Key"]: tag.get("Value", "") for tag in tags or ()}
    if len(given) != len(tags or ()):
        raise InvalidInputException("Duplicate tag keys found.")
    merged = dict(existing) | given
    if len(merged) > TAGS:
        raise LimitExceededException(f"The number of tags is more than {TAGS}, the most that there may be.")
    return merged


async def add_tags(call: Call, kind: str, entity: Document, tags: Sequence[Mapping[str, str]]) -> None:
    await save(call, kind, entity | {"Tags": merged_tags(entity["Tags"], tags)})


async def remove_tags(call: Call, kind: str, entity: Document, keys: Sequence[str]) -> None:
    kept = {key: value for key, value in entity["Tags"].items() if key not in keys}
    await save(call, kind, entity | {"Tags": kept})


def list_tags(entity: Document, marker: str | None, most: int | None) -> Document:
    return cut("Tags", [(tag["Key"], tag) for tag in shown_tags(entity)], marker, most)


async def require_bare(call: Call, entity: Document) -> None:
    """DeleteConflictException while somebody, or a group, has policies."""
    if not await call.work.require_no_links_to(ATTACHED, entity["Arn"]):
        raise DeleteConflictException("Cannot delete entity, must detach all policies first.")
    if entity["Policies"]:
        raise DeleteConflictException("Cannot delete entity, must delete policies first.")


def check_document(text: str) -> None:
    try:
        parse_policy(text, max_chars=None)
    except MalformedPolicy as error:
        raise MalformedPolicyDocumentException(str(error)) from None


def size_of(texts: Iterable[str]) -> int:
    """Characters without white space (IAM User Guide, "IAM and AWS STS quotas")."""
    return sum(sum(map(len, text.split())) for text in texts)


# --- inline policies: a member Policies, name → document, of a role or user ---


async def put_inline(call: Call, kind: str, name: str, policy: str, document: str, most: int) -> None:
    entity = await require(call, kind, name)
    check_document(document)
    policies = entity["Policies"] | {policy: document}
    if size_of(policies.values()) > most:
        raise LimitExceededException(f"Maximum policy size of {most} bytes exceeded for {WORDS[kind]} {name}")
    await save(call, kind, entity | {"Policies": policies})


async def get_inline(call: Call, kind: str, name: str, policy: str) -> Document:
    entity = await require(call, kind, name)
    if policy not in entity["Policies"]:
        raise NoSuchEntityException(f"The {WORDS[kind]} policy with name {policy} cannot be found.")
    return {NAMES[kind]: name, "PolicyName": policy, "PolicyDocument": quoted(entity["Policies"][policy])}


async def delete_inline(call: Call, kind: str, name: str, policy: str) -> None:
    entity = await require(call, kind, name)
    if policy not in entity["Policies"]:
        raise NoSuchEntityException(f"The {WORDS[kind]} policy with name {policy} cannot be found.")
    kept = {key: document for key, document in entity["Policies"].items() if key != policy}
    await save(call, kind, entity | {"Policies": kept})


async def list_inline(call: Call, kind: str, name: str, marker: str | None, most: int | None) -> Document:
    entity = await require(call, kind, name)
    return cut("PolicyNames", [(policy, policy) for policy in sorted(entity["Policies"])], marker, most)


def quoted(document: str) -> str:
    """Documents leave IAM percent-encoded, as RFC 3986 says (IAM API Reference, GetRolePolicy)."""
    return quote(document, safe="")


# --- listings ---


def cut(member: str, items: Sequence[tuple[str, Any]], marker: str | None, most: int | None) -> Document:
    """One page of ``items``, (key, item) in the order of their keys."""
    after = key(marker)
    rest = [(name, item) for name, item in items if name > after]
    limit = most or PAGE
    page = rest[:limit]
    answer: Document = {member: [item for _, item in page], "IsTruncated": len(rest) > limit}
    return answer | ({"Marker": token(page[-1][0])} if len(rest) > limit else {})


async def listing(
    call: Call,
    kind: str,
    member: str,
    marker: str | None,
    most: int | None,
    *,
    wanted: Callable[[Document], bool],
) -> Document:
    """One page of all entities of a kind that are wanted, as they are kept."""
    limit = most or PAGE
    found: list[tuple[str, Document]] = []
    after = key(marker)
    while len(found) <= limit:
        page, after = await call.work.page(kind, after, SCAN)
        found += [(name, entity) for name, entity in page if wanted(entity)]
        if not after:
            break
    return cut(member, found, None, limit)


def under(prefix: str | None) -> Callable[[Document], bool]:
    return lambda entity: bool(entity["Path"].startswith(prefix or ROOT_PATH))
