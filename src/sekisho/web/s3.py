"""The node's own S3: path-style, as far as files must be put, got, listed and handed on.

A request is one of S3's if it is signed for ``s3``; every other goes on to the AWS endpoint. Bodies are
streamed in both directions, and nothing is stored of one that does not keep what its request promised.
Source: Amazon S3 API Reference; names, parameters and errors are its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import structlog

from sekisho.aws.errors import AwsError, InternalFailureException
from sekisho.aws.request import Request
from sekisho.aws.s3_errors import (
    AccessDenied,
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    InvalidBucketName,
    InvalidRequest,
    MethodNotAllowed,
    NotImplemented_,
    SlowDown,
    spelled,
)
from sekisho.aws.s3_payload import Payload, Signing
from sekisho.aws.sigv2 import old_credential_of
from sekisho.aws.sigv4 import UNSIGNED, credential_of, scope_of, signing_key, stamp_of
from sekisho.objects.base import ObjectsError
from sekisho.services.access import AccessKey
from sekisho.services.buckets import OURS, Buckets, BucketTaken, is_bucket_name
from sekisho.services.call import Caller, Deps
from sekisho.services.unique import new_uuid
from sekisho.services.uploads import Uploads
from sekisho.store.statement import StoreError
from sekisho.web.endpoint import INVALID_TOKEN, AwsEndpoint, Receive, Scope, Send
from sekisho.web.s3_access import Access
from sekisho.web.s3_multipart import MultipartApi
from sekisho.web.s3_objects import ObjectsApi
from sekisho.web.s3_request import (
    Answer,
    S3Request,
    answer_xml,
    element,
    group,
    iso_date,
    key_of,
    parameters_of,
    target_of,
    token_of,
    xml,
)
from sekisho.web.s3_several import SOURCE, SeveralApi

log = structlog.get_logger("sekisho.web")

SCOPE = b"/s3/aws4_request"
SCOPE_QUOTED = b"%2Fs3%2Faws4_request"
OLD = b"AWSAccessKeyId="
DEFAULT_REGION = "us-east-1"

MOST_BUCKETS = 10_000
"""In one answer (Amazon S3 API Reference, ListBuckets)."""

SKIPPED = 8 << 20
"""Bytes of a refused body that are read, so that its sender gets to read why it was refused."""


WRITES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})
"""After these it is looked whether the bucket is still there."""


class ClientGone(Exception):
    """The client went away in the middle of its request."""


class Action(NamedTuple):
    """An operation of S3: its name, what a policy must allow for it ('' if it asks for itself), and who does
    it."""

    operation: str
    action: str
    run: Callable[[S3Request], Awaitable[Answer]]


class S3:
    """The ASGI app; ``further`` answers what is not for S3."""

    def __init__(
        self,
        further: Callable[[Scope, Receive, Send], Awaitable[None]],
        endpoint: AwsEndpoint,
        deps: Deps,
    ) -> None:
        objects, store, clock = deps.objects, deps.store, deps.clock
        self._further = further
        self._endpoint = endpoint
        self._buckets = Buckets(store, objects, clock)
        self._largest = deps.config["objects.largest"]
        self._access = Access(self._buckets, objects, clock)
        of_objects = ObjectsApi(objects)
        parts = MultipartApi(objects, Uploads(store, objects, clock), self._largest)
        several = SeveralApi(objects, parts, self._access, self._largest)
        self._of_bucket = {
            "PUT": Action("CreateBucket", "CreateBucket", self._create_bucket),
            "HEAD": Action("HeadBucket", "ListBucket", self._head_bucket),
            "DELETE": Action("DeleteBucket", "DeleteBucket", self._delete_bucket),
            "GET": Action("ListObjects", "ListBucket", of_objects.list_objects_as_before),
            "GET?list-type": Action("ListObjectsV2", "ListBucket", of_objects.list_objects),
            "GET?versions": Action("ListObjectVersions", "ListBucketVersions", of_objects.list_versions),
            "POST?delete": Action("DeleteObjects", "", several.delete),
            "GET?location": Action("GetBucketLocation", "GetBucketLocation", self._location),
        }
        self._of_object = {
            "PUT": Action("PutObject", "PutObject", of_objects.put),
            "GET": Action("GetObject", "GetObject", of_objects.get),
            "HEAD": Action("HeadObject", "GetObject", of_objects.head),
            "DELETE": Action("DeleteObject", "DeleteObject", of_objects.delete),
            "DELETE?versionId": Action("DeleteObject", "DeleteObjectVersion", of_objects.delete_version),
            "COPY": Action("CopyObject", "PutObject", several.copy),
            "COPY?uploadId": Action("UploadPartCopy", "PutObject", several.copy_part),
            "POST?uploads": Action("CreateMultipartUpload", "PutObject", parts.create),
            "PUT?uploadId": Action("UploadPart", "PutObject", parts.upload),
            "POST?uploadId": Action("CompleteMultipartUpload", "PutObject", parts.complete),
            "DELETE?uploadId": Action("AbortMultipartUpload", "AbortMultipartUpload", parts.abort),
            "GET?uploadId": Action("ListParts", "ListMultipartUploadParts", parts.list_parts),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _for_s3(scope):
            await self._further(scope, receive, send)
            return
        request_id = new_uuid()
        body = Incoming(receive)
        try:
            answer = await self._answer(scope, body, request_id)
        except ClientGone:
            return
        except AwsError as error:
            answer = _refusal(error, scope["path"], request_id)
        except ObjectsError as error:
            log.error("objects", request=request_id, error=str(error))
            answer = _refusal(SlowDown(error.for_callers), "", request_id)
        except StoreError as error:
            log.error("store", request=request_id, error=str(error))
            answer = _refusal(SlowDown(error.for_callers), "", request_id)
        except Exception:
            log.exception("request failed", request=request_id)
            answer = _refusal(InternalFailureException("An internal failure occurred"), "", request_id)
        if not body.ended and not await body.skip(_expects(scope)):
            # What is still to come of the body must not be taken for the next request.
            answer = answer._replace(headers=answer.headers | {"connection": "close"})
        await _send(answer, request_id, send, receive)

    async def _answer(self, scope: Scope, body: Incoming, request_id: str) -> Answer:
        head = _head(scope)
        key, region, mode, signing = await self._signer(head)
        bucket, name = target_of(head.raw_path)
        query = parameters_of(head.query)
        client = scope.get("client")
        source = client[0] if client else ""
        principal = key.principal
        caller = Caller(principal, principal.account, region, source, request_id)
        if not bucket:
            chosen = Action("ListBuckets", "ListAllMyBuckets", self._list_buckets)
            if head.method != "GET":
                raise MethodNotAllowed("The specified method is not allowed against this resource.")
        else:
            method = "COPY" if head.method == "PUT" and SOURCE in head.headers else head.method
            chosen = _choose(self._of_object if name else self._of_bucket, method, query)
        row = await self._access.require(caller, chosen.operation, chosen.action, bucket, name)
        payload = Payload(head.headers, mode, signing, self._largest)
        request = S3Request(head.method, bucket, name, query, head.headers, caller, payload, body.chunks())
        answer = await chosen.run(request)
        if row is not None and chosen.operation in WRITES:
            await self._access.require_still_there(row, name)
        return answer

    async def _signer(self, head: Request) -> tuple[AccessKey, str, str, Signing | None]:
        """Who has signed, the region, what the body is to be, and what its chunks are signed with."""
        claimed = head.headers.get("x-amz-content-sha256")
        old = old_credential_of(head.query)
        if old is not None:
            return await self._endpoint.old_signer(head, old), DEFAULT_REGION, UNSIGNED, None
        credential = credential_of(head)
        if claimed is None and not credential.presigned:
            raise InvalidRequest("Missing required header for this request: x-amz-content-sha256")
        mode = claimed or UNSIGNED
        key = await self._endpoint.signer(head, credential, mode)
        signing = Signing(
            signing_key(credential, key.secret),
            stamp_of(credential.timestamp),
            scope_of(credential),
            credential.signature,
        )
        return key, credential.region, mode, signing

    # --- buckets -------------------------------------------------------------------------------------------

    async def _list_buckets(self, request: S3Request) -> Answer:
        request.only("max-buckets", "continuation-token", "prefix")
        account, prefix = request.caller.account, request.query.get("prefix", "")
        after = key_of(request.query.get("continuation-token", ""))
        limit = request.number("max-buckets", MOST_BUCKETS, 1, MOST_BUCKETS)
        every = await self._buckets.of_account(account)
        found = [one for one in every if one["name"].startswith(prefix) and one["name"] > after]
        shown = [
            group("Bucket", element("Name", one["name"]), element("CreationDate", iso_date(one["created"])))
            for one in found[:limit]
        ]
        content = [group("Owner", element("ID", account)), group("Buckets", *shown)]
        if len(found) > limit:
            content.append(element("ContinuationToken", token_of(found[limit - 1]["name"])))
        return answer_xml(xml("ListAllMyBucketsResult", *content))

    async def _create_bucket(self, request: S3Request) -> Answer:
        request.only()
        caller, name = request.caller, request.bucket
        if not is_bucket_name(name):
            raise InvalidBucketName(f"The specified bucket is not valid: {name[:80]!r}")
        if name.startswith(OURS):
            raise InvalidBucketName(f"names that begin with {OURS} are the node's own")
        document = await request.document()
        if document:
            constraint = f"<LocationConstraint>{caller.region}</LocationConstraint>".encode()
            if b"LocationConstraint" in document and constraint not in document:
                raise NotImplemented_(f"a LocationConstraint other than {caller.region} is not implemented")
        audit = self._buckets.audit(caller, "CreateBucket", f"arn:aws:s3:::{name}", "Success")
        try:
            made = await self._buckets.ensure(caller.account, caller.region, name, audit)
        except BucketTaken:
            raise BucketAlreadyExists("The requested bucket name is not available.") from None
        # us-east-1 answers 200 (Amazon S3 API Reference, CreateBucket, BucketAlreadyOwnedByYou).
        if not made and caller.region != DEFAULT_REGION:
            raise BucketAlreadyOwnedByYou("Your previous request to create the named bucket succeeded.")
        return Answer(200, {"location": f"/{name}"})

    async def _head_bucket(self, request: S3Request) -> Answer:
        request.only()
        return Answer(200, {"x-amz-bucket-region": request.caller.region})

    async def _delete_bucket(self, request: S3Request) -> Answer:
        request.only()
        if request.bucket.startswith(OURS):
            raise AccessDenied("the bucket is the node's own")
        resource = f"arn:aws:s3:::{request.bucket}"
        audit = self._buckets.audit(request.caller, "DeleteBucket", resource, "Success")
        if not await self._buckets.delete(request.bucket, audit):
            raise BucketNotEmpty("The bucket you tried to delete is not empty")
        return Answer(204, {})

    async def _location(self, request: S3Request) -> Answer:
        request.only("location")
        region = request.caller.region
        return answer_xml(xml("LocationConstraint", *([] if region == DEFAULT_REGION else [region])))


def _for_s3(scope: Scope) -> bool:
    query = scope["query_string"]
    if SCOPE_QUOTED in query or SCOPE in query or query.startswith(OLD) or b"&" + OLD in query:
        return True
    return any(name.lower() == b"authorization" and SCOPE in value for name, value in scope["headers"])


def _head(scope: Scope) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    query = scope["query_string"].decode("latin-1")
    return Request(scope["method"], scope["raw_path"].decode("latin-1"), query, headers, b"")


def _choose(actions: dict[str, Action], method: str, query: dict[str, str]) -> Action:
    for name in query:
        found = actions.get(f"{method}?{name}")
        if found is not None:
            return found
    found = actions.get(method)
    if found is None:
        what = f"{method} with {', '.join(sorted(query))[:200] or 'no parameter'}"
        raise NotImplemented_(f"{what} is not implemented by this node's S3")
    return found


class Incoming:
    """The body of a request as ASGI gives it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def chunks(self) -> AsyncIterator[bytes]:
        while not self.ended:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise ClientGone
            self.ended = not event.get("more_body")
            yield event.get("body", b"")

    async def skip(self, expects: bool) -> bool:
        """Read to the end, for a client that sends without asking; False when that is not worth it."""
        size = 0
        if expects:
            return False
        try:
            async for chunk in self.chunks():
                size += len(chunk)
                if size > SKIPPED:
                    return False
        except ClientGone:
            return False
        return True


def _expects(scope: Scope) -> bool:
    """Whether the client waits for a word before it sends its body (RFC 9110, 10.1.1)."""
    return any(name.lower() == b"expect" for name, _ in scope["headers"])


def _refusal(error: AwsError, resource: str, request_id: str) -> Answer:
    code, status = spelled(error)
    if status == 304:
        return Answer(304, {"etag": f'"{error.members["etag"]}"'})
    message = "Request has expired" if error.message.startswith("Signature expired") else error.message
    if message == INVALID_TOKEN:
        message = "The AWS Access Key Id you provided does not exist in our records."
    content = (
        element("Code", code),
        element("Message", message),
        element("Resource", resource[:1100]),
        element("RequestId", request_id),
    )
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{group("Error", *content)}'
    return Answer(status, {"content-type": "application/xml"}, body.encode("utf-8", "replace"))


async def _send(answer: Answer, request_id: str, send: Send, receive: Receive) -> None:
    headers = {"x-amz-request-id": request_id, **answer.headers}
    if answer.status not in (204, 304):
        headers.setdefault("content-length", str(len(answer.body)))
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    if answer.chunks is not None:
        # The request is over, so the next event is that the client is gone: then nothing more is read for it.
        gone = asyncio.ensure_future(receive())
        try:
            async for chunk in answer.chunks:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            gone.cancel()
            await answer.chunks.aclose()  # type: ignore[attr-defined]
    await send({"type": "http.response.body", "body": answer.body})
