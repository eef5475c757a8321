"""Presigned URLs of Signature Version 2, which boto3 still makes for S3 in the older regions.

Source: Amazon S3 Developer Guide, "Signing and authenticating REST requests (AWS signature version 2)", query
string request authentication alternative.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from sekisho.aws import canonical
from sekisho.aws.errors import AccessDeniedException, IncompleteSignatureException, InvalidSignatureException
from sekisho.aws.request import Request
from sekisho.aws.sigv4 import MISMATCH

SUBRESOURCES = frozenset(
    {
        *(
            "acl",
            "lifecycle",
            "location",
            "logging",
            "notification",
            "partNumber",
            "policy",
            "requestPayment",
        ),
        *(
            "torrent",
            "uploadId",
            "uploads",
            "versionId",
            "versioning",
            "versions",
            "website",
            "cors",
            "delete",
        ),
        *("tagging", "restore", "replication", "accelerate", "inventory", "analytics", "metrics"),
        *("response-content-type", "response-content-language", "response-expires"),
        *("response-cache-control", "response-content-disposition", "response-content-encoding"),
    }
)
"""Parameters that are part of the resource and so of what is signed."""

HEADERS = ("content-md5", "content-type")


class OldCredential(NamedTuple):
    access_key: str
    expires: int
    signature: str

    def __repr__(self) -> str:
        return f"OldCredential({self.access_key})"


def old_credential_of(query: str) -> OldCredential | None:
    """What the query of a presigned URL says, or None if it is no such URL."""
    fields = {unquote(key): unquote_plus(value) for key, value in canonical.query_fields(query)}
    if "AWSAccessKeyId" not in fields or "Signature" not in fields:
        return None
    expires = fields.get("Expires", "")
    if not re.fullmatch(r"[0-9]{1,12}", expires):
        raise IncompleteSignatureException("a presigned URL requires Expires, in epoch seconds")
    return OldCredential(fields["AWSAccessKeyId"][:128], int(expires), unquote(fields["Signature"]))


def verify_old(request: Request, credential: OldCredential, secret: str, now: float) -> None:
    """:raises InvalidSignatureException: it was not signed so
    :raises AccessDeniedException: its time is over
    """
    signed = [request.method, *(request.headers.get(name, "") for name in HEADERS), str(credential.expires)]
    amz = sorted(name for name in request.headers if name.startswith("x-amz-"))
    signed += [f"{name}:{canonical.header(request.headers[name])}" for name in amz]
    found = []
    for key, value in sorted(canonical.query_fields(request.query)):
        if unquote(key) in SUBRESOURCES:
            found.append(unquote(key) + (f"={unquote(value)}" if value else ""))
    signed.append(request.raw_path + (f"?{'&'.join(found)}" if found else ""))
    right = base64.b64encode(hmac.digest(secret.encode(), "\n".join(signed).encode(), "sha1")).decode()
    if not hmac.compare_digest(right.encode(), credential.signature.encode()):
        raise InvalidSignatureException(MISMATCH)
    if now > credential.expires:
        raise AccessDeniedException("Request has expired")
