"""Objects over S3's API: put, get, head, delete, list."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from sekisho.aws.s3_errors import (
    InvalidArgument,
    InvalidRange,
    KeyTooLongError,
    MissingContentLength,
    NoSuchKey,
    NotImplemented_,
    NotModified,
    PreconditionFailed,
)
from sekisho.objects.base import (
    DEFAULT_TYPE,
    META,
    PLAIN_HEADERS,
    Info,
    NoSuchObject,
    Objects,
    Opened,
    check_key,
)
from sekisho.web.s3_request import (
    Answer,
    S3Request,
    answer_xml,
    element,
    group,
    http_date,
    iso_date,
    key_of,
    token_of,
    url_encoded,
    xml,
)

MOST_LISTED = 1000
LAST_CHARACTER = "\U0010ffff"
METADATA_BYTES = 2048
"""Of the user's own metadata (Amazon S3 User Guide, Working with object metadata)."""

CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
OVERRIDES = {f"response-{name}": name for name in PLAIN_HEADERS}

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")


class ObjectsApi:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def put(self, request: S3Request) -> Answer:
        request.only()
        for condition in CONDITIONS:
            if condition in request.headers:
                raise NotImplemented_(f"the header {condition} is not implemented by this node for PutObject")
        headers = described(request)
        info = await self._objects.put(request.bucket, request.key, request.content(), headers)
        return Answer(200, {"etag": f'"{info.etag}"', **request.payload.checked})

    async def head(self, request: S3Request) -> Answer:
        request.only(*OVERRIDES)
        info = await self._objects.head(request.bucket, request.key)
        if info is None:
            raise NoSuchKey("The specified key does not exist.")
        _check_conditions(request, info)
        first, length, status = _range(request, info)
        return Answer(status, _headers(request, info, first, length, status))

    async def get(self, request: S3Request) -> Answer:
        request.only(*OVERRIDES)
        try:
            opened = await self._objects.open(request.bucket, request.key)
        except NoSuchObject:
            raise NoSuchKey("The specified key does not exist.") from None
        try:
            _check_conditions(request, opened.info)
            first, length, status = _range(request, opened.info)
        except BaseException:
            await opened.close()
            raise
        headers = _headers(request, opened.info, first, length, status)
        return Answer(status, headers, chunks=_read(opened, first, length))

    async def delete(self, request: S3Request) -> Answer:
        request.only()
        await self._objects.delete(request.bucket, request.key)
        return Answer(204, {})

    async def list_objects(self, request: S3Request) -> Answer:
        request.only(
            *("list-type", "prefix", "delimiter", "continuation-token", "start-after", "max-keys"),
            *("encoding-type", "fetch-owner"),
        )
        query = request.query
        if query.get("fetch-owner", "false") != "false":
            raise NotImplemented_("the parameter fetch-owner is not implemented by this node")
        encoding = query.get("encoding-type", "")
        if encoding not in ("", "url"):
            raise InvalidArgument("encoding-type must be url")
        shown = url_encoded if encoding else str
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = request.number("max-keys", MOST_LISTED, 0, 1 << 30)
        token = query.get("continuation-token")
        after = key_of(token) if token is not None else query.get("start-after", "")
        found, more = await self._page(request.bucket, prefix, delimiter, after, min(limit, MOST_LISTED))
        content = [
            element("Name", request.bucket),
            element("Prefix", shown(prefix)),
            element("MaxKeys", limit),
            element("KeyCount", len(found)),
            element("IsTruncated", bool(more)),
        ]
        content += [element("Delimiter", shown(delimiter))] if delimiter else []
        content += [element("EncodingType", encoding)] if encoding else []
        content += [element("StartAfter", shown(query["start-after"]))] if "start-after" in query else []
        content += [element("ContinuationToken", token)] if token is not None else []
        content += [element("NextContinuationToken", token_of(more))] if more else []
        for item in found:
            if isinstance(item, str):
                content.append(group("CommonPrefixes", element("Prefix", shown(item))))
            else:
                content.append(
                    group(
                        "Contents",
                        element("Key", shown(item.key)),
                        element("LastModified", iso_date(item.modified)),
                        element("ETag", f'"{item.etag}"'),
                        element("Size", item.size),
                        element("StorageClass", "STANDARD"),
                    )
                )
        return answer_xml(xml("ListBucketResult", *content))

    async def _page(
        self, bucket: str, prefix: str, delimiter: str, after: str, limit: int
    ) -> tuple[list[Info | str], str]:
        """Objects and common prefixes in order, and the key to go on from ('' at the end)."""
        found: list[Info | str] = []
        last, told = after, ""
        while limit:
            page = await self._objects.list(bucket, prefix, last, MOST_LISTED)
            for info in page:
                if told and info.key.startswith(told):
                    continue
                if len(found) == limit:
                    return found, last
                cut = info.key.find(delimiter, len(prefix)) if delimiter else -1
                if cut < 0:
                    found.append(info)
                    last, told = info.key, ""
                else:
                    told = info.key[: cut + len(delimiter)]
                    found.append(told)
                    last = told + LAST_CHARACTER  # the rest of the prefix is not read
            if len(page) < MOST_LISTED:
                break
        return found, ""


async def _read(opened: Opened, first: int, length: int) -> AsyncIterator[bytes]:
    try:
        async for chunk in opened.read(first, length):
            yield chunk
    finally:
        await opened.close()


def described(request: S3Request) -> dict[str, str]:
    """What the writer says of an object; errors of S3's for what no object can have."""
    if request.payload.length is None:
        raise MissingContentLength("You must provide the Content-Length HTTP header.")
    try:
        check_key(request.key)
    except ValueError as error:
        raise KeyTooLongError(str(error)) from None
    headers = {name: value for name, value in request.headers.items() if name in PLAIN_HEADERS and value}
    own = {name: value for name, value in request.headers.items() if name.startswith(META)}
    if sum(len(name) - len(META) + len(value) for name, value in own.items()) > METADATA_BYTES:
        raise InvalidArgument(f"metadata of an object has at most {METADATA_BYTES} bytes")
    if "content-encoding" in headers:
        codings = [word.strip() for word in headers.pop("content-encoding").split(",")]
        kept = ",".join(word for word in codings if word != "aws-chunked")
        headers |= {"content-encoding": kept} if kept else {}
    return headers | own


def _check_conditions(request: S3Request, info: Info) -> None:
    for name in ("if-modified-since", "if-unmodified-since"):
        if name in request.headers:
            raise NotImplemented_(f"the header {name} is not implemented by this node")
    wanted = request.headers.get("if-match")
    if wanted is not None and not _names(wanted, info.etag):
        raise PreconditionFailed("At least one of the pre-conditions you specified did not hold")
    had = request.headers.get("if-none-match")
    if had is not None and _names(had, info.etag):
        raise NotModified("Not Modified", etag=info.etag)


def _names(header: str, etag: str) -> bool:
    return any(word.strip().strip('"') in ("*", etag) for word in header.split(","))


def _range(request: S3Request, info: Info) -> tuple[int, int, int]:
    """First byte, count, and the status; a range that cannot be read as one is no range (RFC 9110, 14.2)."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or not (found[1] or found[2]):
        return 0, info.size, 200
    if found[1]:
        first = int(found[1])
        last = min(int(found[2]), info.size - 1) if found[2] else info.size - 1
        if found[2] and int(found[2]) < first:
            return 0, info.size, 200
    else:
        first, last = max(0, info.size - int(found[2])), info.size - 1
    if first > last:
        raise InvalidRange("The requested range is not satisfiable")
    return first, last - first + 1, 206


def _headers(request: S3Request, info: Info, first: int, length: int, status: int) -> dict[str, str]:
    headers = {"content-type": DEFAULT_TYPE, **info.headers}
    headers |= {name: request.query[asked] for asked, name in OVERRIDES.items() if asked in request.query}
    if any(not value.isprintable() for value in headers.values()):
        raise InvalidArgument("a response- parameter has characters that no header can have")
    headers |= {
        "etag": f'"{info.etag}"',
        "last-modified": http_date(info.modified),
        "accept-ranges": "bytes",
        "content-length": str(length),
    }
    if status == 206:
        headers["content-range"] = f"bytes {first}-{first + length - 1}/{info.size}"
    return headers
