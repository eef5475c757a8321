"""What S3 does with objects that are there already: copies, whole or as parts, and the deletion of many.

Source: Amazon S3 API Reference, CopyObject, UploadPartCopy, DeleteObjects.
"""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

from sekisho.aws.s3_errors import (
    EntityTooLarge,
    InvalidArgument,
    InvalidRange,
    InvalidRequest,
    MalformedXML,
    NoSuchKey,
    NotImplemented_,
    PreconditionFailed,
    spelled,
)
from sekisho.objects.base import Info, NoSuchObject, Objects, ObjectsError, Opened
from sekisho.web.s3_access import Access
from sekisho.web.s3_multipart import MultipartApi, parse_document
from sekisho.web.s3_objects import check_version, described, names
from sekisho.web.s3_request import Answer, S3Request, answer_xml, element, group, iso_date, xml

SOURCE = "x-amz-copy-source"
COPYING = (
    SOURCE,
    f"{SOURCE}-range",
    f"{SOURCE}-if-match",
    f"{SOURCE}-if-none-match",
    "x-amz-metadata-directive",
)
"""Headers of a copy beside those of any object."""

MOST_DELETED = 1000
AT_ONCE = 16
"""Deletions that are under way together."""

_RANGE = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})")
_CHECKED = re.compile(r"content-md5|x-amz-trailer|x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)")


class SeveralApi:
    def __init__(self, objects: Objects, parts: MultipartApi, access: Access, largest: int) -> None:
        self._objects = objects
        self._parts = parts
        self._access = access
        self._largest = largest

    # --- copies --------------------------------------------------------------------------------------------

    async def copy(self, request: S3Request) -> Answer:
        request.only(headers=COPYING)
        await _nothing_in(request)
        source = source_of(request)
        replace = _directive(request) == "REPLACE"
        if source == (request.bucket, request.key) and not replace:
            raise InvalidRequest(
                "This copy request is illegal because it is trying to copy an object to itself without "
                "changing the object's metadata (x-amz-metadata-directive: REPLACE)."
            )
        given = described(request)
        opened = await self._open(request, *source)
        try:
            self._check_size(opened.info.size)
            headers = given if replace else opened.info.headers
            info = await self._objects.put(request.bucket, request.key, opened.read(), headers)
        finally:
            await opened.close()
        return answer_xml(xml("CopyObjectResult", *_result(info)))

    async def copy_part(self, request: S3Request) -> Answer:
        request.only("partNumber", "uploadId", headers=COPYING)
        await _nothing_in(request)
        opened = await self._open(request, *source_of(request))
        try:
            first, length = _range(request, opened.info)
            self._check_size(length)
            info = await self._parts.put_part(request, opened.read(first, length))
        finally:
            await opened.close()
        return answer_xml(xml("CopyPartResult", *_result(info)))

    async def _open(self, request: S3Request, bucket: str, key: str) -> Opened:
        """The source, which the caller must be allowed to get."""
        await self._access.require(request.caller, "CopyObject", "GetObject", bucket, key)
        try:
            opened = await self._objects.open(bucket, key)
        except NoSuchObject:
            raise NoSuchKey("The specified key does not exist.") from None
        wanted, had = (
            request.headers.get(f"{SOURCE}-if-match"),
            request.headers.get(f"{SOURCE}-if-none-match"),
        )
        etag = opened.info.etag
        if (wanted is not None and not names(wanted, etag)) or (had is not None and names(had, etag)):
            await opened.close()
            raise PreconditionFailed("At least one of the pre-conditions you specified did not hold")
        return opened

    def _check_size(self, size: int) -> None:
        if size > self._largest:
            raise EntityTooLarge(
                f"an object has at most {self._largest} bytes here (setting objects.largest)"
            )

    # --- the deletion of many ------------------------------------------------------------------------------

    async def delete(self, request: S3Request) -> Answer:
        """Each key by its own right; what may not be, or fails, is told beside what was done."""
        request.only("delete")
        if not any(map(_CHECKED.fullmatch, request.headers)):
            raise InvalidRequest("Missing required header for this request: Content-MD5 or a checksum")
        wanted = parse_deletion(await request.document())
        told: list[str] = []
        for at in range(0, len(wanted.keys), AT_ONCE):
            some = wanted.keys[at : at + AT_ONCE]
            told += await asyncio.gather(*(self._delete(request, *one, wanted.quiet) for one in some))
        return answer_xml(xml("DeleteResult", *told))

    async def _delete(self, request: S3Request, key: str, version: str, quiet: bool) -> str:
        action = "DeleteObjectVersion" if version else "DeleteObject"
        error = self._access.why_not(request.caller, action, request.bucket, key)
        code, message = (spelled(error)[0], error.message) if error is not None else ("", "")
        if error is None:
            try:
                await self._objects.delete(request.bucket, key)
            except ObjectsError as failure:
                code, message = "InternalError", str(failure)
        named = [element("Key", key)] + ([element("VersionId", version)] if version else [])
        if code:
            return group("Error", *named, element("Code", code), element("Message", message))
        return "" if quiet else group("Deleted", *named)


class Deletion(NamedTuple):
    """``keys`` with the version of each, '' for none."""

    keys: list[tuple[str, str]]
    quiet: bool


def parse_deletion(document: bytes) -> Deletion:
    """The keys that a DeleteObjects names, in its order."""
    root = parse_document(document)
    keys: list[tuple[str, str]] = []
    quiet = False
    for child in root:
        match _local(child):
            case "Quiet":
                quiet = (child.text or "").strip() == "true"
            case "Object":
                keys.append(_key(child))
            case other:
                raise MalformedXML(f"{other[:80]} is no element of Delete")
    if not 1 <= len(keys) <= MOST_DELETED:
        raise MalformedXML(f"You must specify 1 to {MOST_DELETED} objects.")
    return Deletion(keys, quiet)


def _key(object: ElementTree.Element) -> tuple[str, str]:
    key, version = None, ""
    for child in object:
        match _local(child):
            case "Key":
                key = child.text
            case "VersionId":
                version = child.text or ""
                check_version(version)
            case name:
                raise NotImplemented_(
                    f"{name[:80]} of an object to be deleted is not implemented by this node"
                )
    if not key:
        raise MalformedXML("every Object needs a Key")
    return key, version


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def source_of(request: S3Request) -> tuple[str, str]:
    """Bucket and key of ``x-amz-copy-source``, ``[/]bucket/key`` percent-encoded."""
    text, _, version = request.headers[SOURCE].partition("?")
    if version:
        raise NotImplemented_(f"a version of an object ({SOURCE}) is not implemented by this node")
    try:
        bucket, _, key = unquote(text, errors="strict").removeprefix("/").partition("/")
    except UnicodeDecodeError:
        bucket = key = ""
    if not bucket or not key or bucket.startswith("arn:"):
        raise InvalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    return bucket, key


async def _nothing_in(request: S3Request) -> None:
    if await request.document():
        raise InvalidRequest("a copy has no body")


def _directive(request: S3Request) -> str:
    found = request.headers.get("x-amz-metadata-directive", "COPY")
    if found not in ("COPY", "REPLACE"):
        raise InvalidArgument("x-amz-metadata-directive is COPY or REPLACE")
    return found


def _range(request: S3Request, info: Info) -> tuple[int, int]:
    """First byte and count of the part that is copied; all of the source unless it is told."""
    text = request.headers.get(f"{SOURCE}-range")
    if text is None:
        return 0, info.size
    found = _RANGE.fullmatch(text)
    if found is None or int(found[2]) < int(found[1]):
        raise InvalidArgument(f"{SOURCE}-range must be bytes=first-last")
    if int(found[2]) >= info.size:
        raise InvalidRange(f"the source has {info.size} bytes")
    return int(found[1]), int(found[2]) - int(found[1]) + 1


def _result(info: Info) -> tuple[str, str]:
    return element("LastModified", iso_date(info.modified)), element("ETag", f'"{info.etag}"')
