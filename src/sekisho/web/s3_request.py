"""One request to S3 as its parts see it, and how they answer."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, unquote_plus
from xml.sax.saxutils import escape

from sekisho.aws import canonical
from sekisho.aws.s3_errors import InvalidArgument, MalformedXML, NotImplemented_
from sekisho.aws.s3_payload import Payload
from sekisho.services.call import Caller

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

DOCUMENT_LIMIT = 4 << 20
"""Bytes of an XML document; one that completes 10,000 parts has less than half of it."""

UNDERSTOOD = re.compile(
    "x-amz-(meta-.+|checksum-(crc32|crc32c|crc64nvme|sha1|sha256|mode|algorithm|type)|sdk-checksum-algorithm"
    "|content-sha256|date|security-token|trailer|decoded-content-length|user-agent|te|mp-object-size)"
)
"""The headers of S3 that are acted upon, or that ask for nothing."""

AS_ALWAYS = {
    "x-amz-acl": "private",
    "x-amz-storage-class": "STANDARD",
    "x-amz-bucket-object-lock-enabled": "false",
    "x-amz-object-ownership": "BucketOwnerEnforced",
    "x-amz-tagging-directive": "COPY",
}
"""Headers that may say what is so in any case."""


class Answer(NamedTuple):
    """``chunks`` when there is more than ``body``; its length is then in ``headers``."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    chunks: AsyncIterator[bytes] | None = None


@dataclass
class S3Request:
    """``query`` has the parameters that are not about the signature, ``bucket`` and ``key`` are decoded."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    caller: Caller
    payload: Payload
    incoming: AsyncIterator[bytes]

    async def content(self) -> AsyncIterator[bytes]:
        """The object's bytes; an error of S3's if they are not what the request has claimed."""
        async for data in self.incoming:
            for piece in self.payload.receive(data):
                yield piece
        self.payload.finish()

    async def document(self) -> bytes:
        found = bytearray()
        async for piece in self.content():
            found += piece
            if len(found) > DOCUMENT_LIMIT:
                raise MalformedXML(f"the document has more than {DOCUMENT_LIMIT} bytes")
        return bytes(found)

    def only(self, *parameters: str, headers: Sequence[str] = ()) -> None:
        """Refuse by name every parameter and header that would ask for more."""
        for name in self.query:
            if name not in parameters and name != "x-id":
                raise NotImplemented_(f"the parameter {name[:80]} is not implemented by this node")
        for name, value in self.headers.items():
            if not name.startswith("x-amz-") or UNDERSTOOD.fullmatch(name) or name in headers:
                continue
            if AS_ALWAYS.get(name) != value:
                raise NotImplemented_(f"the header {name[:80]} is not implemented by this node")

    def number(self, name: str, default: int, least: int, most: int) -> int:
        text = self.query.get(name, "")
        if text == "":
            return default
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise InvalidArgument(f"{name} must be a number from {least} to {most}")
        return int(text)


_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
SIGNATURE = re.compile(r"X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature|Security-Token)")
OLD_SIGNATURE = ("AWSAccessKeyId", "Signature", "Expires")


def parameters_of(query: str) -> dict[str, str]:
    """The query without what belongs to the signature; InvalidArgument for one that is there twice."""
    found: dict[str, str] = {}
    for key, value in canonical.query_fields(query):
        name = unquote_plus(key)
        if SIGNATURE.fullmatch(name) or name in OLD_SIGNATURE or not name:
            continue
        if name in found:
            raise InvalidArgument(f"the parameter {name[:80]} is there twice")
        found[name] = unquote_plus(value)
    return found


def target_of(raw_path: str) -> tuple[str, str]:
    """Bucket and key of a path; InvalidArgument if it is not UTF-8."""
    bucket, _, key = raw_path.removeprefix("/").partition("/")
    try:
        return unquote(bucket, errors="strict"), unquote(key, errors="strict")
    except UnicodeDecodeError:
        raise InvalidArgument("the path is not UTF-8, percent-encoded") from None


def xml(name: str, *content: str) -> bytes:
    body = "".join(content)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{NAMESPACE}">{body}</{name}>'.encode()


def element(name: str, content: Any) -> str:
    """An element of text; nested ones are joined with ``raw``."""
    if isinstance(content, bool):
        content = "true" if content else "false"
    text = escape(str(content))
    # Characters that XML 1.0 does not have; a client that expects them asks for encoding-type=url.
    return f"<{name}>{_NOT_IN_XML.sub(chr(0xFFFD), text)}</{name}>"


def group(name: str, *content: str) -> str:
    return f"<{name}>{''.join(content)}</{name}>"


def answer_xml(body: bytes, headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
    return Answer(200, {"content-type": "application/xml", **headers}, body)


def iso_date(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def http_date(epoch: float) -> str:
    return formatdate(epoch, usegmt=True)


def url_encoded(key: str) -> str:
    return quote(key, safe="/-_.~*")


def token_of(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def key_of(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise InvalidArgument("the continuation token is not one that this operation gave") from None
