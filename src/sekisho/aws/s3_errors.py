"""The errors of S3, spelled as on its wire (Amazon S3 API Reference, Error responses)."""

from __future__ import annotations

from sekisho.aws.errors import (
    AccessDeniedException,
    AwsError,
    IncompleteSignatureException,
    InternalFailureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    NotImplementedException,
    ServiceUnavailableException,
    UnrecognizedClientException,
)


class AccessDenied(AwsError, status=403): ...


class BadDigest(AwsError): ...


class BucketAlreadyExists(AwsError, status=409): ...


class BucketAlreadyOwnedByYou(AwsError, status=409): ...


class BucketNotEmpty(AwsError, status=409): ...


class EntityTooLarge(AwsError): ...


class EntityTooSmall(AwsError): ...


class IncompleteBody(AwsError): ...


class InternalError(AwsError, status=500): ...


class InvalidArgument(AwsError): ...


class InvalidBucketName(AwsError): ...


class InvalidPart(AwsError): ...


class InvalidPartOrder(AwsError): ...


class InvalidRange(AwsError, status=416): ...


class InvalidRequest(AwsError): ...


class KeyTooLongError(AwsError): ...


class MalformedXML(AwsError): ...


class MethodNotAllowed(AwsError, status=405): ...


class MissingContentLength(AwsError, status=411): ...


class NoSuchBucket(AwsError, status=404): ...


class NoSuchKey(AwsError, status=404): ...


class NoSuchUpload(AwsError, status=404): ...


class NotImplemented_(AwsError, status=501):
    code = "NotImplemented"


class NotModified(AwsError, status=304): ...


class OperationAborted(AwsError, status=409): ...


class PreconditionFailed(AwsError, status=412): ...


class SignatureDoesNotMatch(AwsError, status=403): ...


class SlowDown(AwsError, status=503): ...


class XAmzContentSHA256Mismatch(AwsError): ...


SPELLINGS: dict[type[AwsError], tuple[str, int]] = {
    AccessDeniedException: ("AccessDenied", 403),
    IncompleteSignatureException: ("AuthorizationHeaderMalformed", 400),
    InternalFailureException: ("InternalError", 500),
    InvalidSignatureException: ("SignatureDoesNotMatch", 403),
    MissingAuthenticationTokenException: ("AccessDenied", 403),
    NotImplementedException: ("NotImplemented", 501),
    ServiceUnavailableException: ("ServiceUnavailable", 503),
    UnrecognizedClientException: ("InvalidAccessKeyId", 403),
}
"""How S3 spells, and with which status, what other services call otherwise."""


def spelled(error: AwsError) -> tuple[str, int]:
    """An error's code and HTTP status at S3."""
    if isinstance(error, InvalidSignatureException) and error.message.startswith("Signature expired"):
        return "AccessDenied", 403
    return SPELLINGS.get(type(error), (error.code, error.fallback_status))
