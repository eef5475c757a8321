"""Managed policies as roles, users and groups have them: found by ARN, attached, detached, listed."""

from __future__ import annotations

import base64
import hashlib

from sekisho.aws.errors import AccessDeniedException, LimitExceededException, NoSuchEntityException
from sekisho.logic.managed_policies import managed_document
from sekisho.services.call import Call
from sekisho.services.iam import ATTACHED, GROUP, IDS, POLICY, ROLE, ROOT_PATH, USER, WORDS, cut, require
from sekisho.services.work import Document

MOST = {ROLE: 10, USER: 10, GROUP: 10}
"""Managed policies of one role, user or group (IAM User Guide, "IAM quotas")."""

SINCE = 1_423_180_800.0
"""When AWS brought managed policies, 6 February 2015; the date that its own ones show here."""


async def find_policy(call: Call, arn: str) -> Document:
    """One of the account's policies or of AWS's; NoSuchEntityException."""
    document = managed_document(arn)
    if document is not None:
        name = arn.partition(":policy/")[2]
        return {
            "PolicyName": name.rpartition("/")[2],
            "PolicyId": "ANPA" + base64.b32encode(hashlib.sha256(arn.encode()).digest()).decode()[:17],
            "Arn": arn,
            "Path": ROOT_PATH + name.rpartition("/")[0] + ("/" if "/" in name else ""),
            "Tags": {},
            "DefaultVersionId": "v1",
            "versions": {"v1": {"Document": document, "CreateDate": SINCE}},
            "creationDate": SINCE,
            "lastModifiedDate": SINCE,
        }
    found = await call.work.get(POLICY, arn.rpartition("/")[2].lower()[:128])
    if found is None or found["Arn"] != arn:
        raise NoSuchEntityException(f"Policy {arn} does not exist or is not attachable.")
    return found


async def require_policy(call: Call, arn: str) -> Document:
    """One of the account's policies, to be changed."""
    if managed_document(arn) is not None:
        raise AccessDeniedException(f"{arn} is AWS's own: it cannot be changed")
    return await find_policy(call, arn)


async def attach(call: Call, kind: str, name: str, arn: str) -> None:
    entity = await require(call, kind, name)
    await find_policy(call, arn)
    attached = await call.work.all_links_to(ATTACHED, entity["Arn"])
    if any(link.source == arn for link in attached):
        return
    if len(attached) >= MOST[kind]:
        word = WORDS[kind].capitalize()
        raise LimitExceededException(f"Cannot exceed quota for PoliciesPer{word}: {MOST[kind]}")
    call.work.link(ATTACHED, arn, entity["Arn"], {"id": entity[IDS[kind]]})


async def detach(call: Call, kind: str, name: str, arn: str) -> None:
    entity = await require(call, kind, name)
    attached = await call.work.all_links_to(ATTACHED, entity["Arn"])
    if not any(link.source == arn for link in attached):
        raise NoSuchEntityException(f"Policy {arn} was not found.")
    call.work.unlink(ATTACHED, arn, entity["Arn"])


async def list_attached(
    call: Call, kind: str, name: str, prefix: str | None, marker: str | None, most: int | None
) -> Document:
    entity = await require(call, kind, name)
    items = []
    for link in await call.work.links_to(ATTACHED, entity["Arn"]):
        policy = link.source.partition(":policy")[2]
        if policy.startswith(prefix or ROOT_PATH):
            policy_name = policy.rpartition("/")[2]
            items.append((policy_name, {"PolicyName": policy_name, "PolicyArn": link.source}))
    return cut("AttachedPolicies", sorted(items, key=lambda item: item[0]), marker, most)
