"""Signature Version 4, verified: in the Authorization header, or in the query of a presigned URL.

Sources: AWS IAM User Guide, "AWS Signature Version 4 for API requests"; AWS IoT Core Developer Guide, "Device
communication protocols" (MQTT over the WebSocket protocol), for the token that is appended after signing.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_plus

from sekisho.aws import canonical
from sekisho.aws.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
)
from sekisho.aws.request import Request
from sekisho.aws.timestamps import from_text

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED = "UNSIGNED-PAYLOAD"

LONGEST_EXPIRY = 604_800
"""Seconds in a week, the most that a presigned URL may live."""

MAX_TEXT = 16_384
"""Characters of an Authorization header or of a presigned URL's query."""

MAX_SIGNED_HEADERS = 100

TOKEN_APPENDED = frozenset({"iotdevicegateway"})
"""Services whose clients append X-Amz-Security-Token to a presigned URL after signing it."""

MAY_BE_UNSIGNED = frozenset(
    {
        "x-amz-content-sha256",  # part of the canonical request in any case
        "x-amz-date",  # part of the string to sign in any case
        "x-amz-security-token",  # compared with the session that the access key belongs to
        "x-amz-user-agent",
        "x-amz-cf-id",
        "x-amzn-trace-id",  # added on the way
    }
)
"""All other ``x-amz-…`` and ``x-amzn-…`` headers mean something to operations, so they must be signed."""

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)

_PARAMETER = re.compile(r"\s*(Credential|SignedHeaders|Signature)=([^,\s]*)\s*")
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_SCOPE = re.compile(
    r"([A-Za-z0-9_+=.@-]{1,128})/([0-9]{8})/([A-Za-z0-9_-]{1,64})/([A-Za-z0-9_.-]{1,64})/aws4_request"
)
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request says of its signature; nothing of it is believed before :func:`verify`.

    ``date`` is the scope's YYYYMMDD; ``timestamp`` is when it was signed, epoch seconds; ``expires`` is a
    presigned URL's life in seconds, if it says one. ``session_token`` may not be covered by the signature:
    whoever looks the access key up compares it with the session's own.
    """

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    timestamp: float
    presigned: bool
    expires: int | None
    session_token: str | None = field(repr=False)


def credential_of(request: Request) -> Credential:
    """Who the request says it is from.

    Raises MissingAuthenticationTokenException if it does not say, IncompleteSignatureException if it says it
    in a way that cannot be read.
    """
    authorization = request.headers.get("authorization")
    presigned = "X-Amz-Signature=" in request.query or "X-Amz-Algorithm=" in request.query
    if authorization is not None and presigned:
        raise IncompleteSignatureException("The request is signed both in a header and in the query string.")
    if authorization is not None:
        return _from_header(authorization, request.headers)
    if presigned:
        return _from_query(request.query)
    raise MissingAuthenticationTokenException("Missing Authentication Token")


def _from_header(authorization: str, headers: Mapping[str, str]) -> Credential:
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme != ALGORITHM or len(rest) > MAX_TEXT:
        raise IncompleteSignatureException(f"The Authorization header must be one of {ALGORITHM}.")
    found: dict[str, str] = {}
    for part in rest.split(",")[:16]:
        parameter = _PARAMETER.fullmatch(part)
        if parameter is None or parameter.group(1) in found:
            raise IncompleteSignatureException("The Authorization header is malformed.")
        found[parameter.group(1)] = parameter.group(2)
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if name not in found]
    when = headers.get("x-amz-date", headers.get("date"))
    problems = [f"Authorization header requires '{name}' parameter." for name in missing]
    if when is None:
        problems.append(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    if problems or when is None:
        raise IncompleteSignatureException(" ".join(problems))
    return _credential(
        found["Credential"],
        found["SignedHeaders"],
        found["Signature"],
        _time_of(when, exact="x-amz-date" in headers),
        presigned=False,
        expires=None,
        token=headers.get("x-amz-security-token"),
    )


def _from_query(query: str) -> Credential:
    if len(query) > MAX_TEXT:
        raise IncompleteSignatureException("The query string is too long for a presigned URL.")
    found: dict[str, str] = {}
    for key, value in canonical.query_fields(query):
        name = unquote_plus(key)
        if name.startswith("X-Amz-"):
            if name in found:
                raise IncompleteSignatureException("A parameter of the signature is there twice.")
            found[name] = unquote_plus(value)
    for name in ("Algorithm", "Credential", "Date", "SignedHeaders", "Signature"):
        if f"X-Amz-{name}" not in found:
            raise IncompleteSignatureException(f"A presigned URL requires 'X-Amz-{name}'.")
    if found["X-Amz-Algorithm"] != ALGORITHM:
        raise IncompleteSignatureException(f"X-Amz-Algorithm must be {ALGORITHM}.")
    return _credential(
        found["X-Amz-Credential"],
        found["X-Amz-SignedHeaders"],
        found["X-Amz-Signature"],
        _time_of(found["X-Amz-Date"], exact=True),
        presigned=True,
        expires=_expiry(found.get("X-Amz-Expires")),
        token=found.get("X-Amz-Security-Token"),
    )


def _credential(
    scope: str,
    signed_headers: str,
    signature: str,
    timestamp: float,
    *,
    presigned: bool,
    expires: int | None,
    token: str | None,
) -> Credential:
    access_key, date, region, service = _scope_parts(scope)
    names = _header_names(signed_headers)
    if not _SIGNATURE.fullmatch(signature):
        raise IncompleteSignatureException("The signature must be 64 hexadecimal digits.")
    return Credential(
        access_key, date, region, service, names, signature, timestamp, presigned, expires, token
    )


@lru_cache(maxsize=256)
def _scope_parts(scope: str) -> tuple[str, str, str, str]:
    """Access key, date, region, service; kept, as a client's requests of a day have the same."""
    parts = _SCOPE.fullmatch(scope)
    if parts is None:
        raise IncompleteSignatureException(
            f"The credential must be of the form 'key/date/region/service/{TERMINATOR}'."
        )
    access_key, date, region, service = parts.groups()
    return access_key, date, region, service


@lru_cache(maxsize=64)
def _header_names(signed_headers: str) -> tuple[str, ...]:
    names = tuple(signed_headers.split(";"))
    if len(names) > MAX_SIGNED_HEADERS or not all(_HEADER_NAME.fullmatch(name) for name in names):
        raise IncompleteSignatureException("SignedHeaders must be lower-case names separated by semicolons.")
    return names


@lru_cache(maxsize=64)
def _time_of(text: str, *, exact: bool) -> float:
    """Kept, as `stamp_of` is: what is signed in the same second has the same."""
    try:
        if _DATE.fullmatch(text):
            return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        if not exact:
            return float(int(from_text(text)))
    except ValueError:
        pass
    raise IncompleteSignatureException(
        "The date must be in ISO-8601 'basic format', such as 20150830T123600Z."
    )


def _expiry(text: str | None) -> int | None:
    if text is None:
        return None
    seconds = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
    if not 1 <= seconds <= LONGEST_EXPIRY:
        raise IncompleteSignatureException(
            f"X-Amz-Expires must be a number from 1 to {LONGEST_EXPIRY} (a week)."
        )
    return seconds


def verify(
    request: Request,
    credential: Credential,
    secret_key: str,
    now: float,
    skew: float = 300.0,
    body: str | None = None,
) -> None:
    """Hold the signature against the secret, and its time against ``now`` (epoch seconds, wire time).

    ``body`` is what stands for a body that has yet to come; the caller holds the body against it.
    Raises InvalidSignatureException, with one message whatever does not match: it tells a forger nothing.
    """
    if not _is_right(request, credential, secret_key, body):
        raise InvalidSignatureException(MISMATCH)
    _check_time(credential, now, skew)


_SHA256: Callable[..., Any] = partial(sha256)


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """By Python's own part of the library: OpenSSL's lets go of the interpreter's lock for a microsecond's
    work, five times a signature, and under load waits ten times as long to have it back."""
    return hmac.digest(key, message, _SHA256)


def scope_of(credential: Credential) -> str:
    return f"{credential.date}/{credential.region}/{credential.service}/{TERMINATOR}"


def signing_key(credential: Credential, secret_key: str) -> bytes:
    """The key that is derived from the secret for one day, region and service."""
    key = f"AWS4{secret_key}".encode()
    for part in (credential.date, credential.region, credential.service, TERMINATOR):
        key = hmac_sha256(key, part.encode())
    return key


def _is_right(request: Request, credential: Credential, secret_key: str, body: str | None) -> bool:
    stamp = stamp_of(credential.timestamp)
    if stamp[:8] != credential.date or "host" not in credential.signed_headers:
        return False
    if not _signs_what_matters(request.headers, credential.signed_headers):
        return False
    scope = scope_of(credential)
    key = signing_key(credential, secret_key)
    right = False
    for form in _canonical_forms(request, credential, body):
        hashed = sha256(form.encode("utf-8", "surrogatepass")).hexdigest()
        wanted = hmac_sha256(key, f"{ALGORITHM}\n{stamp}\n{scope}\n{hashed}".encode()).hex()
        right |= hmac.compare_digest(wanted, credential.signature)
    return right


def _signs_what_matters(headers: Mapping[str, str], signed: tuple[str, ...]) -> bool:
    if any(name not in headers for name in signed):
        return False
    meaningful = (name for name in headers if name.startswith(("x-amz-", "x-amzn-")))
    return all(name in signed or name in MAY_BE_UNSIGNED for name in meaningful)


def _canonical_forms(request: Request, credential: Credential, body: str | None) -> Iterator[str]:
    """The canonical requests that this request may stand for, of which one must have been signed."""
    head = f"{request.method.upper()}\n{canonical.path(request.raw_path, credential.service)}\n"
    values = "".join(
        f"{name}:{canonical.header(request.headers[name])}\n" for name in credential.signed_headers
    )
    tail = f"\n{values}\n{';'.join(credential.signed_headers)}\n"
    for query in _canonical_queries(request.query, credential):
        for stands_for_it in [body] if body is not None else _body_hashes(request, credential):
            yield head + query + tail + stands_for_it


def _canonical_queries(query: str, credential: Credential) -> set[str]:
    if not query:
        return {""}
    fields = canonical.query_fields(query)
    if credential.presigned:
        fields = [pair for pair in fields if unquote_plus(pair[0]) != "X-Amz-Signature"]
    found = {canonical.encoded(fields), canonical.as_sent(fields)}
    if credential.presigned and credential.service in TOKEN_APPENDED and credential.session_token is not None:
        fields = [pair for pair in fields if unquote_plus(pair[0]) != "X-Amz-Security-Token"]
        found |= {canonical.encoded(fields), canonical.as_sent(fields)}
    return found


def _body_hashes(request: Request, credential: Credential) -> list[str]:
    """What may stand for the body; none if the request claims a hash that its body has not."""
    actual = sha256(request.body).hexdigest()
    claimed = request.headers.get("x-amz-content-sha256")
    if claimed is not None:
        return [claimed] if claimed in (actual, UNSIGNED) else []
    if credential.presigned and credential.service in canonical.SINGLE_ENCODED:
        return [actual, UNSIGNED]
    return [actual]


def _check_time(credential: Credential, now: float, skew: float) -> None:
    signed = credential.timestamp
    if signed > now + skew:
        raise InvalidSignatureException(
            f"Signature not yet current: {stamp_of(signed)} is still later than {stamp_of(now + skew)} "
            f"({stamp_of(now)} + {_minutes(skew)})"
        )
    life = skew if credential.expires is None else float(credential.expires)
    if signed < now - life:
        raise InvalidSignatureException(
            f"Signature expired: {stamp_of(signed)} is now earlier than {stamp_of(now - life)} "
            f"({stamp_of(now)} - {_minutes(life)})"
        )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} min." if seconds % 60 == 0 else f"{seconds:g} sec."


@lru_cache(maxsize=64)
def stamp_of(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y%m%dT%H%M%SZ")
