"""Software packages: the names under which versions of software are kept.

Sources: AWS IoT Core Developer Guide, "Preparing to use Software Package Catalog"; the ``iot`` model. The
catalog has other errors than the registry: ValidationException, ConflictException.
"""

from __future__ import annotations

from collections.abc import Mapping

from sekisho.aws.errors import ConflictException, ValidationException
from sekisho.services.call import Call
from sekisho.services.paging import key, page_of
from sekisho.services.permission import require_allowed
from sekisho.services.tagging import drop_tags, put_tag_map
from sekisho.services.taken import repeats
from sekisho.services.work import Document

KIND = "package"
VERSION = "packageversion"
OF = "package-version"
"""Links a version to its package, so that nobody deletes a package that has some."""

PAGE = 100


async def create_package(
    call: Call,
    packageName: str,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    clientToken: str | None = None,
) -> Document:
    """The same request again, by its clientToken, is answered as the first one was."""
    may_read_indexing(call)
    existing = await call.work.get(KIND, packageName)
    if existing is not None:
        return same_request(existing, clientToken, f"Package {packageName} already exists", packageName)
    arn = call.arn(KIND, packageName)
    await put_tag_map(call, arn, tags)
    return await call.work.put(
        KIND,
        packageName,
        {
            "packageName": packageName,
            "packageArn": arn,
            "description": description,
            "clientToken": clientToken,
        },
    )


async def get_package(call: Call, packageName: str) -> Document:
    return await call.require(KIND, packageName)


async def update_package(
    call: Call,
    packageName: str,
    description: str | None = None,
    defaultVersionName: str | None = None,
    unsetDefaultVersion: bool | None = None,
    clientToken: str | None = None,
) -> None:
    """A default version is one that is published or deprecated; a draft cannot be it."""
    may_read_indexing(call)
    package = await call.require(KIND, packageName)
    if defaultVersionName is not None and unsetDefaultVersion:
        raise ValidationException("defaultVersionName and unsetDefaultVersion exclude each other")
    if defaultVersionName is not None:
        version = await call.require(VERSION, version_id(packageName, defaultVersionName))
        if version["status"] == "DRAFT":
            raise ConflictException(
                f"Version {defaultVersionName} of package {packageName} is a draft; publish it first",
                resourceId=defaultVersionName,
            )
        package["defaultVersionName"] = defaultVersionName
    if unsetDefaultVersion:
        package.pop("defaultVersionName", None)
    if description is not None:
        package["description"] = description
    await call.work.put(KIND, packageName, package)


async def delete_package(call: Call, packageName: str, clientToken: str | None = None) -> None:
    """Deleting what is not there succeeds: the model knows no other answer."""
    package = await call.work.get(KIND, packageName)
    if package is None:
        return
    if not await call.work.require_no_links_to(OF, packageName):
        raise ValidationException(f"Package {packageName} still has versions; delete them first")
    await drop_tags(call, package["packageArn"])
    await call.work.delete(KIND, packageName)


async def list_packages(call: Call, maxResults: int | None = None, nextToken: str | None = None) -> Document:
    page, after = await call.work.page(KIND, key(nextToken), maxResults or PAGE)
    return page_of([package for _, package in page], after, "packageSummaries", "nextToken")


def version_id(package: str, version: str) -> str:
    """What a version is kept under; neither name can have a slash."""
    return f"{package}/{version}"


def same_request(existing: Document, client_token: str | None, words: str, name: str) -> Document:
    """What was made by the very request that comes again, or ConflictException."""
    if repeats(existing, client_token):
        return existing
    raise ConflictException(words, resourceId=name)


def may_read_indexing(call: Call) -> None:
    """What changes the catalog needs this permission, too (botocore, CreatePackage and its family)."""
    require_allowed(call, "iot:GetIndexingConfiguration", "*")
