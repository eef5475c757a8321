"""What a signature says of itself: its parts, its time, and how it is refused when it cannot be read."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sekisho.aws.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
)
from sekisho.aws.request import Request
from sekisho.aws.sigv4 import MISMATCH, credential_of, verify
from unit.aws.shapes import ENDPOINT, received
from unit.aws.signing import ACCESS_KEY, REGION, SECRET, TOKEN, replaced, signed

AT = 1440938160.0
STAMP = "20150830T123600Z"


def at_a_known_time(expires: int | None = None, secret: str = SECRET) -> Request:
    """Signed at 2015-08-30T12:36:00Z, by botocore's own steps."""
    signer = SigV4Auth(Credentials(ACCESS_KEY, secret), "iot", REGION)
    query = ""
    if expires is not None:
        scope = quote(f"{ACCESS_KEY}/20150830/{REGION}/iot/aws4_request", safe="")
        query = (
            f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={scope}&X-Amz-Date={STAMP}"
            f"&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host"
        )
    request = AWSRequest("GET", f"{ENDPOINT}/things?{query}")
    request.context["timestamp"] = STAMP
    if expires is None:
        request.headers["X-Amz-Date"] = STAMP
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    if expires is None:
        signer._inject_signature_to_request(request, signature)
    else:
        query += f"&X-Amz-Signature={signature}"
    return received(request.prepare())._replace(query=query)


@pytest.mark.parametrize(
    ("expires", "now", "told"),
    [
        (None, AT - 300, None),
        (None, AT + 300, None),
        (
            None,
            AT - 301,
            "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z "
            "(20150830T123059Z + 5 min.)",
        ),
        (
            None,
            AT + 301,
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z "
            "(20150830T124101Z - 5 min.)",
        ),
        (90, AT + 90, None),
        (
            90,
            AT + 91,
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z "
            "(20150830T123731Z - 90 sec.)",
        ),
        (604_800, AT + 604_800, None),
        (90, AT - 301, "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z "
         "(20150830T123059Z + 5 min.)"),
    ],
)  # fmt: skip
def test_signatures_have_their_time(expires: int | None, now: float, told: str | None) -> None:
    request = at_a_known_time(expires)
    credential = credential_of(request)
    assert credential.timestamp == AT
    if told is None:
        verify(request, credential, SECRET, now)
        return
    with pytest.raises(InvalidSignatureException) as raised:
        verify(request, credential, SECRET, now)
    assert raised.value.message == told


def test_time_is_told_only_to_who_knows_the_secret() -> None:
    request = at_a_known_time()
    with pytest.raises(InvalidSignatureException) as raised:
        verify(request, credential_of(request), "another", AT + 10_000)
    assert raised.value.message == MISMATCH


def test_the_skew_can_be_chosen() -> None:
    request = at_a_known_time()
    verify(request, credential_of(request), SECRET, AT + 900, skew=900.0)
    with pytest.raises(InvalidSignatureException, match="15 min"):
        verify(request, credential_of(request), SECRET, AT + 901, skew=900.0)


def authorized(value: str, **headers: str) -> Request:
    given = {"host": "h", "authorization": value, "x-amz-date": STAMP} | headers
    return Request("GET", "/things", "", given, b"")


SCOPE = f"Credential={ACCESS_KEY}/20150830/{REGION}/iot/aws4_request"
REST = f"SignedHeaders=host, Signature={'0' * 64}"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic dXNlcjpodXNo",
        "Bearer hush",
        "AWS4-HMAC-SHA256",
        "AWS4-ECDSA-P256-SHA256 " + SCOPE + ", " + REST,
        f"AWS4-HMAC-SHA256 {SCOPE}",
        f"AWS4-HMAC-SHA256 {REST}",
        f"AWS4-HMAC-SHA256 {SCOPE}, {REST}, {REST}",
        f"AWS4-HMAC-SHA256 {SCOPE}, {REST}, Extra=1",
        f"AWS4-HMAC-SHA256 {SCOPE}/more, {REST}",
        f"AWS4-HMAC-SHA256 {SCOPE.replace('aws4_request', 'aws4')}, {REST}",
        f"AWS4-HMAC-SHA256 {SCOPE.replace('20150830', '2015083')}, {REST}",
        f"AWS4-HMAC-SHA256 {SCOPE.replace('20150830', '٢٠١٥٠٨٣٠')}, {REST}",
        f"AWS4-HMAC-SHA256 Credential=/20150830/{REGION}/iot/aws4_request, {REST}",
        f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=, Signature={'0' * 64}",
        f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=Host, Signature={'0' * 64}",
        f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders={';'.join('h' * 101)}, Signature={'0' * 64}",
        f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=host, Signature={'0' * 63}",
        f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=host, Signature={'A' * 64}",
        f"AWS4-HMAC-SHA256 {SCOPE}, {REST}" + "," * 20_000,
    ],
)
def test_what_is_no_signature_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(IncompleteSignatureException) as raised:
        credential_of(authorized(value))
    assert "hush" not in raised.value.message
    assert "dXNl" not in raised.value.message


def test_missing_parts_are_named() -> None:
    with pytest.raises(IncompleteSignatureException) as raised:
        credential_of(Request("GET", "/", "", {"authorization": f"AWS4-HMAC-SHA256 {SCOPE}"}, b""))
    for part in ("'Signature'", "'SignedHeaders'", "'X-Amz-Date'"):
        assert part in raised.value.message
    assert "'Credential'" not in raised.value.message


@pytest.mark.parametrize(
    "date", ["", "now", "20150830", "20151330T123600Z", "00000830T123600Z", "1440938160"]
)
def test_a_date_must_be_one(date: str) -> None:
    with pytest.raises(IncompleteSignatureException, match="date"):
        credential_of(authorized(f"AWS4-HMAC-SHA256 {SCOPE}, {REST}", **{"x-amz-date": date}))


def test_no_signature_is_said_to_be_missing() -> None:
    with pytest.raises(MissingAuthenticationTokenException, match="Missing Authentication Token"):
        credential_of(Request("GET", "/things", "x=1", {"host": "h"}, b""))


def test_two_signatures_are_one_too_many() -> None:
    request = signed(SigV4QueryAuth, "/things")
    with pytest.raises(IncompleteSignatureException, match="both"):
        credential_of(replaced(request, authorization=f"AWS4-HMAC-SHA256 {SCOPE}, {REST}"))


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "x", "", "9" * 5000, "١"])
def test_an_expiry_has_its_bounds(expires: str) -> None:
    request = signed(SigV4QueryAuth, "/things", expires=60)
    query = request.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={quote(expires)}")
    with pytest.raises(IncompleteSignatureException, match="604800"):
        credential_of(request._replace(query=query))


@pytest.mark.parametrize("name", ["Algorithm", "Credential", "Date", "SignedHeaders", "Signature"])
def test_a_presigned_url_has_all_its_parts_once(name: str) -> None:
    request = signed(SigV4QueryAuth, "/things")
    fields = request.query.split("&")
    part = next(field for field in fields if field.startswith(f"X-Amz-{name}="))
    fields.remove(part)
    with pytest.raises(IncompleteSignatureException, match=name):
        credential_of(request._replace(query="&".join(fields)))
    with pytest.raises(IncompleteSignatureException, match="twice"):
        credential_of(request._replace(query=f"{request.query}&{part}"))


def test_a_credential_keeps_its_secrets() -> None:
    for signer in (SigV4Auth, SigV4QueryAuth):
        request = signed(signer, "/things", token=TOKEN)
        credential = credential_of(request)
        assert credential.session_token == TOKEN
        assert TOKEN not in repr(credential)
        assert credential.signature not in repr(credential)
        assert ACCESS_KEY in repr(credential)
