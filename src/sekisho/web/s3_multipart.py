"""Objects in parts over S3's API: create, upload a part, list parts, complete, abort."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import NamedTuple
from xml.etree import ElementTree

from sekisho.aws.checksums import ALGORITHMS, is_right
from sekisho.aws.s3_errors import (
    BadDigest,
    EntityTooLarge,
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    MalformedXML,
    MissingContentLength,
    NoSuchUpload,
)
from sekisho.objects.base import Info, NoSuchObject, Objects
from sekisho.services.uploads import MOST_PARTS, SMALLEST_PART, Uploads, etag_of
from sekisho.services.work import Document
from sekisho.web.s3_objects import described
from sekisho.web.s3_request import Answer, S3Request, answer_xml, element, group, iso_date, xml

PAGE = 1000
CHECKSUM_TYPE = "x-amz-checksum-type"


class Chosen(NamedTuple):
    """A part that the client wants in the object."""

    number: int
    etag: str


class MultipartApi:
    def __init__(self, objects: Objects, uploads: Uploads, largest: int) -> None:
        self._objects = objects
        self._uploads = uploads
        self._largest = largest

    async def create(self, request: S3Request) -> Answer:
        request.only("uploads")
        id = await self._uploads.create(request.bucket, request.key, described(request))
        content = (element("Bucket", request.bucket), element("Key", request.key), element("UploadId", id))
        headers = {
            name: request.headers[name]
            for name in ("x-amz-checksum-algorithm", CHECKSUM_TYPE)
            if name in request.headers
        }
        return answer_xml(xml("InitiateMultipartUploadResult", *content), headers)

    async def upload(self, request: S3Request) -> Answer:
        request.only("partNumber", "uploadId")
        if request.payload.length is None:
            raise MissingContentLength("You must provide the Content-Length HTTP header.")
        info = await self.put_part(request, request.content())
        return Answer(200, {"etag": f'"{info.etag}"', **request.payload.checked})

    async def put_part(self, request: S3Request, content: AsyncIterator[bytes]) -> Info:
        """A part that the request names, unless its upload is over before it is there."""
        number = request.number("partNumber", 0, 1, MOST_PARTS)
        await self._require(request)
        id = request.query["uploadId"]
        info = await self._uploads.put_part(id, number, content)
        try:
            await self._require(request)
        except NoSuchUpload:
            await self._uploads.forget(id)
            raise
        return info

    async def list_parts(self, request: S3Request) -> Answer:
        request.only("uploadId", "max-parts", "part-number-marker")
        await self._require(request)
        id = request.query["uploadId"]
        limit = request.number("max-parts", PAGE, 1, PAGE)
        after = request.number("part-number-marker", 0, 0, MOST_PARTS)
        found = await self._uploads.parts(id, after, limit)
        more = len(found) == limit and await self._uploads.parts(id, found[-1][0], 1)
        content = [
            element("Bucket", request.bucket),
            element("Key", request.key),
            element("UploadId", id),
            element("PartNumberMarker", after),
            element("MaxParts", limit),
            element("IsTruncated", bool(more)),
        ]
        content += [element("NextPartNumberMarker", found[-1][0])] if found else []
        content += [
            group(
                "Part",
                element("PartNumber", number),
                element("LastModified", iso_date(info.modified)),
                element("ETag", f'"{info.etag}"'),
                element("Size", info.size),
            )
            for number, info in found
        ]
        return answer_xml(xml("ListPartsResult", *content))

    async def complete(self, request: S3Request) -> Answer:
        request.only("uploadId")
        upload = await self._require(request)
        id = request.query["uploadId"]
        chosen = parse_chosen(await request.document())
        infos = _chosen_parts(chosen, await self._uploads.every_part(id))
        size = sum(info.size for info in infos)
        if size > self._largest:
            raise EntityTooLarge(
                f"an object has at most {self._largest} bytes here (setting objects.largest)"
            )
        content = _checked(self._uploads.content(id, [part.number for part in chosen]), request)
        etag = etag_of([info.etag for info in infos])
        try:
            info = await self._objects.put(request.bucket, request.key, content, upload["headers"], etag)
        except NoSuchObject:  # aborted meanwhile
            raise NoSuchUpload("The specified upload does not exist.") from None
        await self._uploads.forget(id)
        return answer_xml(
            xml(
                "CompleteMultipartUploadResult",
                element("Location", f"/{request.bucket}/{request.key}"),
                element("Bucket", request.bucket),
                element("Key", request.key),
                element("ETag", f'"{info.etag}"'),
            )
        )

    async def abort(self, request: S3Request) -> Answer:
        request.only("uploadId")
        await self._require(request)
        await self._uploads.forget(request.query["uploadId"])
        return Answer(204, {})

    async def _require(self, request: S3Request) -> Document:
        found = await self._uploads.find(request.bucket, request.key, request.query.get("uploadId", ""))
        if found is None:
            raise NoSuchUpload(
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
                "been aborted or completed."
            )
        return found


def parse_document(document: bytes) -> ElementTree.Element:
    """A request's document; MalformedXML."""
    if b"<!" in document:  # a DTD, with entities that grow
        raise MalformedXML("The XML you provided must have no document type.")
    try:
        return ElementTree.fromstring(document)  # noqa: S314 - bounded, and without a DTD nothing expands
    except ElementTree.ParseError:
        raise MalformedXML("The XML you provided was not well-formed.") from None


def parse_chosen(document: bytes) -> list[Chosen]:
    """The parts that a CompleteMultipartUpload names, in its order."""
    found = []
    for part in parse_document(document):
        values = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in part}
        number, etag = values.get("PartNumber", ""), values.get("ETag", "").strip('"')
        if not re.fullmatch(r"[0-9]{1,5}", number) or not etag:
            raise MalformedXML("every Part needs a PartNumber and an ETag")
        found.append(Chosen(int(number), etag))
    if not 1 <= len(found) <= MOST_PARTS:
        raise MalformedXML(f"You must specify 1 to {MOST_PARTS} parts.")
    if any(one.number >= next_one.number for one, next_one in pairwise(found)):
        raise InvalidPartOrder("The list of parts was not in ascending order.")
    return found


def _chosen_parts(chosen: list[Chosen], there: dict[int, Info]) -> list[Info]:
    infos = []
    for part in chosen:
        info = there.get(part.number)
        if info is None or info.etag != part.etag:
            raise InvalidPart(f"Part {part.number} is not there, or not with that entity tag.")
        infos.append(info)
    for part, info in list(zip(chosen, infos, strict=True))[:-1]:
        if info.size < SMALLEST_PART:
            raise EntityTooSmall(
                f"Part {part.number} is smaller than {SMALLEST_PART} bytes and not the last."
            )
    return infos


async def _checked(content: AsyncIterator[bytes], request: S3Request) -> AsyncIterator[bytes]:
    """The content, and BadDigest at its end if a checksum of the whole that the client claims is another."""
    whole = request.headers.get(CHECKSUM_TYPE) == "FULL_OBJECT"
    claimed = {name: request.headers[name] for name in ALGORITHMS if whole and name in request.headers}
    sums = {name: ALGORITHMS[name]() for name in claimed}
    async for chunk in content:
        for checksum in sums.values():
            checksum.update(chunk)
        yield chunk
    for name, value in claimed.items():
        if not is_right(sums[name], value):
            raise BadDigest(f"the object does not have the {name} of the request")
