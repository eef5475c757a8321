"""Versions of software packages: drafts, published ones and deprecated ones.

Source: AWS IoT Core Developer Guide, "Package version lifecycle".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.aws.errors import ConflictException, ValidationException
from sekisho.services.call import Call
from sekisho.services.packages import KIND, OF, PAGE, VERSION, may_read_indexing, same_request, version_id
from sekisho.services.paging import key, token
from sekisho.services.tagging import drop_tags, put_tag_map
from sekisho.services.work import Document

ATTRIBUTE_BYTES = 3072
"""What a version's attributes have together at most (CloudFormation, AWS::IoT::SoftwarePackageVersion)."""

ACTIONS: Mapping[str, tuple[frozenset[str], str]] = {
    "PUBLISH": (frozenset({"DRAFT", "DEPRECATED"}), "PUBLISHED"),
    "DEPRECATE": (frozenset({"PUBLISHED"}), "DEPRECATED"),
}
"""Action → the states that it leads from, and the one that it leads to."""

SCAN = 250


async def create_package_version(
    call: Call,
    packageName: str,
    versionName: str,
    description: str | None = None,
    attributes: Mapping[str, str] | None = None,
    artifact: Mapping[str, Any] | None = None,
    recipe: str | None = None,
    tags: Mapping[str, str] | None = None,
    clientToken: str | None = None,
) -> Document:
    may_read_indexing(call)
    if await call.work.get(KIND, packageName) is None:
        # The model has no ResourceNotFoundException for this operation.
        raise ValidationException(f"Package {packageName} does not exist")
    id = version_id(packageName, versionName)
    existing = await call.work.get(VERSION, id)
    if existing is not None:
        words = f"Version {versionName} of package {packageName} already exists"
        return same_request(existing, clientToken, words, versionName)
    _check(attributes, artifact)
    arn = call.arn(KIND, f"{packageName}/version/{versionName}")
    await put_tag_map(call, arn, tags)
    call.work.link(OF, id, packageName)
    return await call.work.put(
        VERSION,
        id,
        {
            "packageVersionArn": arn,
            "packageName": packageName,
            "versionName": versionName,
            "description": description,
            "attributes": dict(attributes or {}),
            "artifact": artifact,
            "recipe": recipe,
            "status": "DRAFT",
            "clientToken": clientToken,
        },
    )


async def get_package_version(call: Call, packageName: str, versionName: str) -> Document:
    return await call.require(VERSION, version_id(packageName, versionName))


async def update_package_version(
    call: Call,
    packageName: str,
    versionName: str,
    description: str | None = None,
    attributes: Mapping[str, str] | None = None,
    artifact: Mapping[str, Any] | None = None,
    recipe: str | None = None,
    action: str | None = None,
    clientToken: str | None = None,
) -> None:
    """Only a draft's attributes, artifact and recipe can change."""
    may_read_indexing(call)
    version = await call.require(VERSION, version_id(packageName, versionName))
    _check(attributes, artifact)
    given = {"attributes": attributes, "artifact": artifact, "recipe": recipe}
    changed = {name: value for name, value in given.items() if value is not None}
    if changed and version["status"] != "DRAFT":
        raise ConflictException(
            f"Version {versionName} of package {packageName} is {version['status']}: of what is not a draft,"
            f" {', '.join(changed)} cannot be changed",
            resourceId=versionName,
        )
    if description is not None:
        changed["description"] = description
    if action is not None:
        changed["status"] = await _moved(call, version, action)
    await call.work.put(VERSION, version_id(packageName, versionName), version | changed)


async def _moved(call: Call, version: Document, action: str) -> str:
    """The state that an action leads to."""
    before, after = ACTIONS[action]
    if version["status"] not in before:
        raise ConflictException(
            f"Version {version['versionName']} of package {version['packageName']} is {version['status']};"
            f" {action} is for {' or '.join(sorted(before))}",
            resourceId=version["versionName"],
        )
    return after


async def delete_package_version(
    call: Call, packageName: str, versionName: str, clientToken: str | None = None
) -> None:
    """Deleting what is not there succeeds; the default version must be another one, or none, first."""
    id = version_id(packageName, versionName)
    version = await call.work.get(VERSION, id)
    if version is None:
        return
    package = await call.work.get(KIND, packageName)
    if package is not None and package.get("defaultVersionName") == versionName:
        raise ValidationException(
            f"Version {versionName} is the default version of package {packageName}; make it another or none"
        )
    await drop_tags(call, version["packageVersionArn"])
    call.work.unlink(OF, id, packageName)
    await call.work.delete(VERSION, id)


async def list_package_versions(
    call: Call,
    packageName: str,
    status: str | None = None,
    maxResults: int | None = None,
    nextToken: str | None = None,
) -> Document:
    """By name; those of a package that does not exist are none."""
    prefix = version_id(packageName, "")
    limit = maxResults or PAGE
    after = key(nextToken) or prefix
    if not after.startswith(prefix):
        raise ValidationException("nextToken is not one that this operation gave for this package")
    found: list[Document] = []
    while True:
        page, further = await call.work.page(VERSION, after, SCAN)
        for id, version in page:
            if not id.startswith(prefix):
                return {"packageVersionSummaries": found}
            if status is None or version["status"] == status:
                if len(found) == limit:
                    return {"packageVersionSummaries": found, "nextToken": token(after)}
                found.append(version)
            after = id
        if not further:
            return {"packageVersionSummaries": found}


def _check(attributes: Mapping[str, str] | None, artifact: Mapping[str, Any] | None) -> None:
    size = sum(len(name) + len(value.encode()) for name, value in (attributes or {}).items())
    if size > ATTRIBUTE_BYTES:
        raise ValidationException(
            f"the attributes of a version have at most {ATTRIBUTE_BYTES} bytes together, got {size}"
        )
    if artifact is not None:
        require_location(artifact, "artifact")


def require_location(holder: Mapping[str, Any], member: str) -> tuple[str, str]:
    """Bucket and key of an ``s3Location``; ValidationException if one is missing."""
    location = holder.get("s3Location") or {}
    if "version" in location:
        raise ValidationException(f"{member}.s3Location.version: the buckets of this node keep no versions")
    for part in ("bucket", "key"):
        if not location.get(part):
            raise ValidationException(f"{member}.s3Location.{part} is missing")
    return location["bucket"], location["key"]
