"""Whether a request to S3 may be: by policies, by whose the bucket is, and by whether it is still there."""

from __future__ import annotations

from typing import Protocol

from sekisho.aws.errors import AwsError
from sekisho.aws.s3_errors import AccessDenied, NoSuchBucket, OperationAborted
from sekisho.objects.base import Objects
from sekisho.services.buckets import Buckets
from sekisho.services.call import Caller
from sekisho.services.permission import outcome
from sekisho.services.work import Document

NOT_THERE = "The specified bucket does not exist"


class Time(Protocol):
    def now(self) -> float: ...


class Access:
    def __init__(self, buckets: Buckets, objects: Objects, clock: Time) -> None:
        self._buckets = buckets
        self._objects = objects
        self._clock = clock

    async def require(
        self, caller: Caller, operation: str, action: str, bucket: str, key: str
    ) -> Document | None:
        """The bucket that a request is about, None for one about none or about making one.

        AccessDenied, which is audited, or NoSuchBucket.
        """
        refusal = self.why_not(caller, action, bucket, key) if action else None
        found = None
        if refusal is None and bucket and operation != "CreateBucket":
            found = await self._buckets.find(bucket)
            if found is None:
                raise NoSuchBucket(NOT_THERE)
            if found["account"] != caller.account:
                refusal = AccessDenied("The bucket belongs to another account")
        if refusal is not None:
            resource = resource_of(bucket, key)
            await self._buckets.write(self._buckets.audit(caller, operation, resource, "AccessDenied"))
            raise refusal
        return found

    def why_not(self, caller: Caller, action: str, bucket: str, key: str) -> AwsError | None:
        """What the caller's policies have against an action."""
        resource = resource_of(bucket, key)
        if outcome(caller, f"s3:{action}", resource, self._clock.now()) == "ALLOWED":
            return None
        return AccessDenied(
            f"User: {caller.principal.arn} is not authorized to perform: s3:{action} on resource: {resource}"
        )

    async def require_still_there(self, bucket: Document, key: str) -> None:
        """After an object was written: a bucket that was deleted meanwhile has none, not even for whoever
        makes one of its name. NoSuchBucket, or OperationAborted while it is being deleted."""
        name = bucket["name"]
        found = await self._buckets.find(name)
        same = found is not None and found["created"] == bucket["created"]
        if same and found is not None and not self._buckets.is_being_deleted(found):
            return
        await self._objects.delete(name, key)
        if same:
            raise OperationAborted("The bucket is being deleted. Please try again.")
        raise NoSuchBucket(NOT_THERE)


def resource_of(bucket: str, key: str) -> str:
    return "*" if not bucket else f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
