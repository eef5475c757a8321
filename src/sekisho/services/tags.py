"""Tags of resources: TagResource, UntagResource, ListTagsForResource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sekisho.aws.errors import InvalidRequestException, ResourceNotFoundException
from sekisho.logic.arns import parse_arn
from sekisho.logic.domains import suffix
from sekisho.services.call import Call
from sekisho.services.tagging import put_tags
from sekisho.services.work import Document

TAGGABLE = frozenset(
    {
        "authorizer",
        "billinggroup",
        "cacert",
        "certificateprovider",
        "domainconfiguration",
        "fleetmetric",
        "package",
        "packageversion",
        "policy",
        "provisioningtemplate",
        "rolealias",
        "thinggroup",
        "thingtype",
    }
)
"""The kinds of this version that AWS lets one tag; things and device certificates are not among them (AWS IoT
Developer Guide, Tagging your AWS IoT resources)."""


async def tag_resource(call: Call, resourceArn: str, tags: Sequence[Mapping[str, str]]) -> None:
    await _require_taggable(call, resourceArn)
    await put_tags(call, resourceArn, tags)


async def untag_resource(call: Call, resourceArn: str, tagKeys: Sequence[str]) -> None:
    await _require_taggable(call, resourceArn)
    existing = await call.work.get("tags", resourceArn)
    if existing is not None:
        kept = {key: value for key, value in existing["tags"].items() if key not in tagKeys}
        await call.work.put("tags", resourceArn, {"tags": kept})


async def list_tags_for_resource(call: Call, resourceArn: str, nextToken: str | None = None) -> Document:
    if nextToken:
        raise InvalidRequestException("nextToken is not one that this operation gave")  # 50 fit one page
    await _require_taggable(call, resourceArn)
    existing = await call.work.get("tags", resourceArn) or {"tags": {}}
    return {"tags": [{"Key": key, "Value": value} for key, value in sorted(existing["tags"].items())]}


async def _require_taggable(call: Call, resource_arn: str) -> None:
    try:
        arn = parse_arn(resource_arn)
    except ValueError as error:
        raise InvalidRequestException(f"resourceArn: {error}") from None
    kind, _, name = arn.resource.partition("/")
    if kind == "package" and "/version/" in name:
        kind, name = "packageversion", name.replace("/version/", "/", 1)
    if kind not in TAGGABLE:
        raise InvalidRequestException(f"a resource of type {kind} cannot be tagged: {resource_arn}")
    if kind == "domainconfiguration":
        name, _, given = name.partition("/")
        if name and f"/{given}" != suffix(call.region, call.account, name):
            raise ResourceNotFoundException(f"{resource_arn} does not exist")
    if (arn.account, arn.region) != (call.account, call.region) or not await call.work.get(kind, name):
        raise ResourceNotFoundException(f"{resource_arn} does not exist")
