"""Objects over S3's API: put, get, head, delete, list."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

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
ONLY = "null"
"""The version that each object of a bucket without versioning has (Amazon S3 User Guide, Working with
versioning-suspended and -unversioned buckets)."""

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

    async def delete_version(self, request: S3Request) -> Answer:
        request.only("versionId")
        check_version(request.query["versionId"])
        await self._objects.delete(request.bucket, request.key)
        return Answer(204, {"x-amz-version-id": ONLY})

    async def list_objects(self, request: S3Request) -> Answer:
        """ListObjectsV2."""
        request.only(*LISTING, "list-type", "continuation-token", "start-after", "fetch-owner")
        query = request.query
        if query.get("fetch-owner", "false") != "false":
            raise NotImplemented_("the parameter fetch-owner is not implemented by this node")
        shown, limit = _listing(request)
        token = query.get("continuation-token")
        after = key_of(token) if token is not None else query.get("start-after", "")
        found, more = await self._page(request, after, limit)
        content = [element("KeyCount", len(found))]
        content += [element("StartAfter", shown(query["start-after"]))] if "start-after" in query else []
        content += [element("ContinuationToken", token)] if token is not None else []
        content += [element("NextContinuationToken", token_of(more))] if more else []
        return _listed(request, content, found, bool(more))

    async def list_objects_as_before(self, request: S3Request) -> Answer:
        """ListObjects, the first version: a page goes on from the last key or common prefix of another."""
        request.only(*LISTING, "marker")
        shown, limit = _listing(request)
        marker = request.query.get("marker", "")
        found, more = await self._page(request, _after(request, marker), limit)
        content = [element("Marker", shown(marker))]
        if more and request.query.get("delimiter"):
            content.append(element("NextMarker", shown(_key(found[-1]))))
        return _listed(request, content, found, bool(more), request.caller.account)

    async def list_versions(self, request: S3Request) -> Answer:
        """ListObjectVersions of a bucket without versioning: each object is its own latest, ``null``."""
        request.only(*LISTING, "versions", "key-marker", "version-id-marker")
        shown, limit = _listing(request)
        marker, version = request.query.get("key-marker", ""), request.query.get("version-id-marker", "")
        if version and not marker:
            raise InvalidArgument("A version-id marker cannot be specified without a key marker.")
        found, more = await self._page(request, _after(request, marker), limit)
        content = [element("KeyMarker", shown(marker)), element("VersionIdMarker", version)]
        if more:
            content.append(element("NextKeyMarker", shown(_key(found[-1]))))
            content += [] if isinstance(found[-1], str) else [element("NextVersionIdMarker", ONLY)]
        return _listed(request, content, found, bool(more), request.caller.account, versions=True)

    async def _page(self, request: S3Request, after: str, limit: int) -> tuple[list[Info | str], str]:
        """Objects and common prefixes in order, and the key to go on from ('' at the end)."""
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
        limit = min(limit, MOST_LISTED)
        found: list[Info | str] = []
        last, told = after, ""
        while limit:
            page = await self._objects.list(request.bucket, prefix, last, MOST_LISTED)
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


LISTING = ("prefix", "delimiter", "max-keys", "encoding-type")


def check_version(id: str) -> None:
    if id != ONLY:
        raise NotImplemented_(f"a VersionId other than {ONLY} is not implemented by this node")


def _after(request: S3Request, marker: str) -> str:
    """The key that a page goes on from, if the last one ended with this key or common prefix."""
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    cut = marker.find(delimiter, len(prefix)) if delimiter and marker.startswith(prefix) else -1
    # Whatever has this beginning is told by a prefix that is not beyond the marker.
    return marker if cut < 0 else marker[: cut + len(delimiter)] + LAST_CHARACTER


def _key(found: Info | str) -> str:
    return found if isinstance(found, str) else found.key


def _listing(request: S3Request) -> tuple[Callable[[str], str], int]:
    """How keys are written, and how many the client wants at most."""
    encoding = request.query.get("encoding-type", "")
    if encoding not in ("", "url"):
        raise InvalidArgument("encoding-type must be url")
    return url_encoded if encoding else str, request.number("max-keys", MOST_LISTED, 0, 1 << 30)


def _listed(
    request: S3Request,
    own: list[str],
    found: list[Info | str],
    more: bool,
    owner: str = "",
    *,
    versions: bool = False,
) -> Answer:
    """The answer of every listing; ``own`` is what one of them alone has, as two have the ``owner``."""
    query = request.query
    shown, limit = _listing(request)
    content = [
        element("Name", request.bucket),
        element("Prefix", shown(query.get("prefix", ""))),
        element("MaxKeys", limit),
        element("IsTruncated", more),
        *own,
    ]
    for name, member in (("delimiter", "Delimiter"), ("encoding-type", "EncodingType")):
        if query.get(name):
            content.append(element(member, shown(query[name]) if name == "delimiter" else query[name]))
    for item in found:
        if isinstance(item, str):
            content.append(group("CommonPrefixes", element("Prefix", shown(item))))
            continue
        members = [element("VersionId", ONLY), element("IsLatest", True)] if versions else []
        members += [
            element("Key", shown(item.key)),
            element("LastModified", iso_date(item.modified)),
            element("ETag", f'"{item.etag}"'),
            element("Size", item.size),
            element("StorageClass", "STANDARD"),
        ]
        members += [group("Owner", element("ID", owner))] if owner else []
        content.append(group("Version" if versions else "Contents", *members))
    return answer_xml(xml("ListVersionsResult" if versions else "ListBucketResult", *content))


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
    if wanted is not None and not names(wanted, info.etag):
        raise PreconditionFailed("At least one of the pre-conditions you specified did not hold")
    had = request.headers.get("if-none-match")
    if had is not None and names(had, info.etag):
        raise NotModified("Not Modified", etag=info.etag)


def names(header: str, etag: str) -> bool:
    """Whether a condition's list of entity tags names this one."""
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
