"""Objects at any S3-compatible endpoint, by botocore's own client in threads.

Credentials, and the CA bundle of an endpoint with a certificate of its own, come from where every AWS client
looks for them. A bucket of the node is the bucket of the same name there, made when it is first written.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sekisho.objects.base import (
    CHUNK,
    META,
    PLAIN_HEADERS,
    Info,
    NoSuchObject,
    ObjectChanged,
    ObjectsError,
    check_key,
)

PART = 8 << 20
"""Bytes that are held of an object under way; a larger object goes in parts of at least this size."""

PARTS_OF_A_SIZE = 1000
"""So many parts have one size, then it doubles: 10,000, the most allowed, hold more than any object."""

MEMBERS = {name: "".join(word.title() for word in name.split("-")) for name in PLAIN_HEADERS}
OURS = "sekisho-"
ABSENT = ("NoSuchKey", "NoSuchBucket", "404", "NotFound")


class EndpointObjects:
    """See :class:`sekisho.objects.base.Objects`."""

    def __init__(self, url: str, region: str) -> None:
        self._url = url
        self._region = region
        self._made: Any = None
        self._making = threading.Lock()

    def __repr__(self) -> str:
        return f"EndpointObjects({self._url})"

    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                self._made = botocore.session.get_session().create_client(
                    "s3",
                    region_name=self._region,
                    endpoint_url=self._url,
                    config=Config(
                        signature_version="s3v4",
                        s3={"addressing_style": "path"},
                        connect_timeout=5,
                        read_timeout=60,
                        max_pool_connections=32,
                        retries={"total_max_attempts": 3, "mode": "standard"},
                        # Not every endpoint knows the checksums that newer clients add unasked.
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                    ),
                )
            return self._made

    async def _call(self, operation: str, **members: Any) -> Any:
        members["Bucket"] = there(members["Bucket"])

        def run() -> Any:
            return getattr(self._client(), operation)(**members)

        return await _guarded(run)

    async def put(
        self,
        bucket: str,
        key: str,
        chunks: AsyncIterable[bytes],
        headers: Mapping[str, str],
        etag: str | None = None,
    ) -> Info:
        _check(key)
        described = _members(headers)
        upload = ""
        parts: list[dict[str, Any]] = []
        try:
            waiting = bytearray()
            async for chunk in chunks:
                waiting += chunk
                while len(waiting) >= _part_size(len(parts)):
                    if not upload:
                        started = await self._write(
                            "create_multipart_upload", Bucket=bucket, Key=key, **described
                        )
                        upload = started["UploadId"]
                    size = _part_size(len(parts))
                    parts.append(await self._part(bucket, key, upload, len(parts) + 1, bytes(waiting[:size])))
                    del waiting[:size]
            if not upload:
                await self._write("put_object", Bucket=bucket, Key=key, Body=bytes(waiting), **described)
            else:
                if waiting:
                    parts.append(await self._part(bucket, key, upload, len(parts) + 1, bytes(waiting)))
                await self._call(
                    "complete_multipart_upload",
                    Bucket=bucket,
                    Key=key,
                    UploadId=upload,
                    MultipartUpload={"Parts": parts},
                )
        except BaseException:
            if upload:
                with suppress(ObjectsError):
                    await self._call("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload)
            raise
        info = await self.head(bucket, key)
        if info is None:
            raise ObjectsError("an object that was just written is gone")
        return info

    async def _part(self, bucket: str, key: str, upload: str, number: int, body: bytes) -> dict[str, Any]:
        done = await self._call(
            "upload_part", Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body
        )
        return {"PartNumber": number, "ETag": done["ETag"]}

    async def _write(self, operation: str, **members: Any) -> Any:
        """A first write; a bucket that is not there is made."""
        try:
            return await self._call(operation, **members)
        except NoSuchObject:
            await self._call("create_bucket", Bucket=members["Bucket"])
            return await self._call(operation, **members)

    async def open(self, bucket: str, key: str) -> OpenedObject:
        info = await self.head(bucket, key)
        if info is None:
            raise NoSuchObject(f"there is no object {key[:200]!r}")
        return OpenedObject(self._client, bucket, info)

    async def head(self, bucket: str, key: str) -> Info | None:
        _check(key)
        try:
            found = await self._call("head_object", Bucket=bucket, Key=key)
        except NoSuchObject:
            return None
        headers = {
            name: str(found["ResponseMetadata"]["HTTPHeaders"][name])
            for name in PLAIN_HEADERS
            if name in found["ResponseMetadata"]["HTTPHeaders"]
        }
        headers |= {META + name: value for name, value in found.get("Metadata", {}).items()}
        return _info(key, found["ContentLength"], found, headers)

    async def delete(self, bucket: str, key: str) -> None:
        _check(key)
        with suppress(NoSuchObject):
            await self._call("delete_object", Bucket=bucket, Key=key)

    async def list(self, bucket: str, prefix: str, after: str, limit: int) -> list[Info]:
        try:
            found = await self._call(
                "list_objects_v2", Bucket=bucket, Prefix=prefix, StartAfter=after, MaxKeys=limit
            )
        except NoSuchObject:
            return []
        return [_info(item["Key"], item["Size"], item, {}) for item in found.get("Contents", ())]


class OpenedObject:
    """See :class:`sekisho.objects.base.Opened`: a version by its etag."""

    def __init__(self, client: Callable[[], Any], bucket: str, info: Info) -> None:
        self._client = client
        self._bucket = bucket
        self.info = info

    async def read(self, first: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        end = self.info.size if length is None else min(self.info.size, first + length)
        if first >= end:
            return

        def start() -> Any:
            return self._client().get_object(
                Bucket=there(self._bucket),
                Key=self.info.key,
                Range=f"bytes={first}-{end - 1}",
                IfMatch=f'"{self.info.etag}"',
            )["Body"]

        try:
            body = await _guarded(start)
        except NoSuchObject as error:
            raise ObjectChanged(str(error)) from None
        try:
            while chunk := await _guarded(body.read, CHUNK):
                first += len(chunk)
                yield chunk
        finally:
            body.close()
        if first < end:
            raise ObjectsError("the endpoint ended an object before its end")

    async def close(self) -> None:
        return None


def there(bucket: str) -> str:
    """A bucket's name at the endpoint. The node's own have another one, for the endpoint may be a node,
    which has its own."""
    return f"objects-{bucket}" if bucket.startswith(OURS) else bucket


def _part_size(number: int) -> int:
    return PART << (number // PARTS_OF_A_SIZE)


def _check(key: str) -> None:
    try:
        check_key(key)
    except ValueError as error:
        raise ObjectsError(str(error)) from None


def _members(headers: Mapping[str, str]) -> dict[str, Any]:
    members: dict[str, Any] = {MEMBERS[name]: value for name, value in headers.items() if name in MEMBERS}
    own = {name.removeprefix(META): value for name, value in headers.items() if name.startswith(META)}
    return members | ({"Metadata": own} if own else {})


def _info(key: str, size: int, found: Mapping[str, Any], headers: Mapping[str, str]) -> Info:
    return Info(key, size, found["ETag"].strip('"'), found["LastModified"].timestamp(), headers)


async def _guarded(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run in a thread; what the endpoint refuses is one of our own errors."""
    try:
        return await asyncio.to_thread(function, *arguments)
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if code in ABSENT:
            raise NoSuchObject(f"the endpoint has no such object: {code}") from None
        if code in ("PreconditionFailed", "412"):
            raise ObjectChanged("the object was overwritten while it was read") from None
        raise ObjectsError(f"the objects' endpoint refused: {code}") from None
    except (BotoCoreError, OSError) as error:
        raise ObjectsError(f"the objects' endpoint does not answer: {type(error).__name__}") from None
