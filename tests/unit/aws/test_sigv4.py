"""What botocore signs verifies; whatever was changed afterwards does not."""

from __future__ import annotations

import random
from hashlib import sha256
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sekisho.aws.errors import (
    AwsError,
    InvalidSignatureException,
)
from sekisho.aws.request import Request
from sekisho.aws.sigv4 import MISMATCH, credential_of
from unit.aws.shapes import ENDPOINT, Values, aws_request, received, service, shapes_of_operations
from unit.aws.signing import ACCESS_KEY, REGION, SECRET, TOKEN, check, replaced, signed

TARGETS = [
    "/",
    "",
    "/things",
    "/topics/a%2Fb%2F%2Fc",
    "/topics/a/b",
    "/topics//a//b/",
    "/topics/a/./b/../c",
    "/target-policies/arn%3Aaws%3Aiot%3Aeu-west-1%3A1%3Acert%2Fab",
    "/destinations/arn:aws:iot:eu-west-1:1:x/y",
    "/things/%E6%97%A5%E6%9C%AC~-_.",
    "/things/a%20b%25",
    "/things?maxResults=5&nextToken=a%2Bb%3D%3D",
    "/things?name=%E6%97%A5+x&empty=&flag&b=2&b=1&a=%7E",
    "/things?z=1&&y=2",
    "/things?path=a/b&colon=a:b",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_headers_signed_by_botocore_verify(target: str, token: str | None, method: str) -> None:
    body = b'{"a":1}' if method == "POST" else b""
    headers = {"X-Amzn-Principal": "  a   b ", "Content-Type": "application/json"}
    request = signed(SigV4Auth, target, method=method, body=body, headers=headers, token=token)
    check(request)
    credential = credential_of(request)
    assert credential.access_key == ACCESS_KEY
    assert (credential.region, credential.service) == (REGION, "iot")
    assert credential.session_token == token
    assert not credential.presigned
    assert credential.expires is None


@pytest.mark.parametrize(
    "target", [target for target in TARGETS if "&&" not in target and "b=2&b=1" not in target]
)
@pytest.mark.parametrize("token", [None, TOKEN])
def test_urls_presigned_by_botocore_verify(target: str, token: str | None) -> None:
    request = signed(SigV4QueryAuth, target, token=token, expires=60)
    check(request, late=60)
    credential = credential_of(request)
    assert credential.presigned
    assert credential.expires == 60
    assert credential.session_token == token
    assert credential.signed_headers == ("host",)


def test_parameters_given_apart_verify() -> None:
    params = {"name": "日本 +&=", "empty": "", "tilde": "~/"}
    check(signed(SigV4Auth, "/things", params=params))
    check(signed(SigV4QueryAuth, "/things", params=params))


@pytest.mark.parametrize(("name", "operation"), shapes_of_operations())
def test_every_operation_signed_by_botocore_verifies(name: str, operation: str) -> None:
    known = service(name)
    shape = known.operations[operation].input_shape
    members = Values(f"signed {name} {operation}").structure(shape) if shape is not None else {}
    request = aws_request(known.operations[operation].model, members)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET, TOKEN), known.signing_name, REGION).add_auth(request)
    check(received(request.prepare()))


def test_a_body_may_be_declared_unsigned() -> None:
    request = AWSRequest("POST", ENDPOINT + "/topics/a", {}, b"body")
    request.context["payload_signing_enabled"] = False
    SigV4Auth(Credentials(ACCESS_KEY, SECRET), "iotdata", REGION).add_auth(request)
    check(received(request.prepare())._replace(body=b"another"))


def test_a_date_header_will_do() -> None:
    request = signed(SigV4Auth, "/things", headers={"Date": "to be set"})
    assert "x-amz-date" not in request.headers
    check(request)


@pytest.mark.parametrize("target", ["/a%2Fb//c/../d", "/bucket/a%20b"])
def test_s3_paths_are_encoded_once(target: str) -> None:
    check(signed(S3SigV4Auth, target, scope="s3"))
    check(signed(S3SigV4QueryAuth, target, scope="s3"))
    once = signed(S3SigV4Auth, "/a%2Fb", scope="iot")
    with pytest.raises(InvalidSignatureException):
        check(once)


def with_appended_token(scope: str) -> Request:
    request = signed(SigV4QueryAuth, "/mqtt", scope=scope)
    return request._replace(query=f"{request.query}&X-Amz-Security-Token={quote(TOKEN, safe='')}")


def test_a_token_appended_after_signing_verifies_for_mqtt_over_websocket() -> None:
    request = with_appended_token("iotdevicegateway")
    check(request)
    assert credential_of(request).session_token == TOKEN
    check(signed(SigV4QueryAuth, "/mqtt", scope="iotdevicegateway", token=TOKEN))
    with pytest.raises(InvalidSignatureException):
        check(with_appended_token("iotdata"))


def test_a_presigned_url_without_an_expiry_lives_as_long_as_the_skew() -> None:
    whole = signed(SigV4QueryAuth, "/mqtt", scope="iotdevicegateway")
    fields = [
        field
        for field in whole.query.split("&")
        if not field.startswith(("X-Amz-Expires", "X-Amz-Signature"))
    ]
    unsigned = whole._replace(query="&".join(fields))
    stamp = next(field for field in fields if field.startswith("X-Amz-Date=")).partition("=")[2]
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET), "iotdevicegateway", REGION)
    request = AWSRequest("GET", f"{ENDPOINT}/mqtt?{unsigned.query}")
    request.context["timestamp"] = stamp
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    found = unsigned._replace(query=f"{unsigned.query}&X-Amz-Signature={signature}")
    assert credential_of(found).expires is None
    check(found, late=300)
    with pytest.raises(InvalidSignatureException, match="Signature expired"):
        check(found, late=301)


def in_authorization(request: Request, old: str, new: str) -> Request:
    found = request.headers["authorization"]
    assert old in found
    return replaced(request, authorization=found.replace(old, new))


def header_tamperings() -> dict[str, Request]:
    request = signed(
        SigV4Auth,
        "/things/a%2Fb?x=1&y=2",
        method="POST",
        body=b"body",
        token=TOKEN,
        headers={"X-Amzn-Principal": "arn"},
    )
    check(request)
    stamp = request.headers["x-amz-date"]
    date = stamp[:8]
    other = f"{stamp[:-2]}{(int(stamp[-2]) + 1) % 10}Z"
    signature = request.headers["authorization"][-64:]
    return {
        "method": request._replace(method="PUT"),
        "path": request._replace(raw_path="/things/a%2Fc"),
        "path decoded": request._replace(raw_path="/things/a/b"),
        "query value": request._replace(query="x=1&y=3"),
        "query name": request._replace(query="x=1&z=2"),
        "query added": request._replace(query="x=1&y=2&z"),
        "query removed": request._replace(query="x=1"),
        "query gone": request._replace(query=""),
        "query plus": request._replace(query="x=1&y=2+"),
        "header": replaced(request, x_amzn_principal="another"),
        "header removed": request._replace(
            headers={k: v for k, v in request.headers.items() if k != "x-amzn-principal"}
        ),
        "host": replaced(request, host="another.example"),
        "header added": replaced(request, x_amz_tagging="a=b"),
        "iot header added": replaced(request, x_amzn_iot_policy="p"),
        "body": request._replace(body=b"another"),
        "body gone": request._replace(body=b""),
        "body hash added": replaced(request, x_amz_content_sha256="UNSIGNED-PAYLOAD"),
        "wrong body hash": replaced(request, x_amz_content_sha256="0" * 64),
        "date": replaced(request, x_amz_date=other),
        "day": replaced(request, x_amz_date="20200101" + stamp[8:]),
        "scope's date": in_authorization(request, date, "20200101"),
        "region": in_authorization(request, REGION, "us-east-1"),
        "service": in_authorization(request, "/iot/", "/iotdata/"),
        "token": replaced(request, x_amz_security_token="another"),
        "token removed": request._replace(
            headers={k: v for k, v in request.headers.items() if k != "x-amz-security-token"}
        ),
        "signature": in_authorization(request, signature, "0" * 64),
        "signed headers fewer": in_authorization(request, ";x-amzn-principal", ""),
        "signed headers without host": in_authorization(request, "host;", ""),
        "signed headers more": in_authorization(request, "host;", "host;user-agent;"),
    }


def query_tamperings() -> dict[str, Request]:
    request = signed(SigV4QueryAuth, "/things/a%2Fb?x=1", token=TOKEN, expires=60)
    check(request)
    query = request.query
    date = credential_of(request).date
    signature = query[-64:]
    found = {
        "method": request._replace(method="POST"),
        "path": request._replace(raw_path="/things/a%2Fc"),
        "body": request._replace(body=b"x"),
        "host": replaced(request, host="another.example"),
        "header added": replaced(request, x_amz_tagging="a=b"),
        "field added": request._replace(query=query + "&y=1"),
    }
    for name, old, new in (
        ("query", "x=1", "x=2"),
        ("expiry", "X-Amz-Expires=60", "X-Amz-Expires=61"),
        ("token", quote(TOKEN, safe="-._~"), "another"),
        ("token removed", "&X-Amz-Security-Token=" + quote(TOKEN, safe="-._~"), ""),
        ("scope's date", date + "%2F", "20200101%2F"),
        ("date", f"X-Amz-Date={date}", "X-Amz-Date=20200101"),
        ("region", REGION, "us-east-1"),
        ("signature", signature, "0" * 64),
        ("access key", ACCESS_KEY, "AKIDANOTHER"),
    ):
        assert old in query
        found[name] = request._replace(query=query.replace(old, new))
    return found


HEADER = header_tamperings()
QUERY = query_tamperings()


@pytest.mark.parametrize("what", HEADER)
def test_changes_to_a_signed_request_are_refused_alike(what: str) -> None:
    with pytest.raises(InvalidSignatureException) as raised:
        check(HEADER[what])
    assert raised.value.message == MISMATCH


@pytest.mark.parametrize("what", QUERY)
def test_changes_to_a_presigned_url_are_refused_alike(what: str) -> None:
    with pytest.raises(InvalidSignatureException) as raised:
        check(QUERY[what])
    assert raised.value.message == MISMATCH


@pytest.mark.parametrize("signer", [SigV4Auth, SigV4QueryAuth])
@pytest.mark.parametrize("secret", ["", SECRET.lower(), SECRET + "x", "日本"])
def test_another_secret_is_refused_alike(signer: type[SigV4Auth], secret: str) -> None:
    with pytest.raises(InvalidSignatureException) as raised:
        check(signed(signer, "/things"), secret)
    assert raised.value.message == MISMATCH


def test_the_sentence_is_that_of_aws() -> None:
    assert MISMATCH == (
        "The request signature we calculated does not match the signature you provided. Check your AWS "
        "Secret Access Key and signing method. Consult the service documentation for details."
    )


class WithoutHost(SigV4Auth):
    def headers_to_sign(self, request: AWSRequest) -> Any:
        headers = super().headers_to_sign(request)
        del headers["host"]
        return headers


class OfAnotherDay(SigV4Auth):
    """A day's signing key used on another day: if it leaks, it must be worth that day only."""

    def scope(self, request: AWSRequest) -> str:
        return f"{self.credentials.access_key}/{self.credential_scope(request)}"

    def credential_scope(self, request: AWSRequest) -> str:
        return f"20200101/{self._region_name}/{self._service_name}/aws4_request"

    def signature(self, string_to_sign: str, request: AWSRequest) -> str:
        key = self._sign(f"AWS4{self.credentials.secret_key}".encode(), "20200101")
        for part in (self._region_name, self._service_name, "aws4_request"):
            key = self._sign(key, part)
        return self._sign(key, string_to_sign, hex=True)


HASH_OF_BODY = sha256(b"body").hexdigest()


@pytest.mark.parametrize(
    ("signer", "headers", "body"),
    [
        (WithoutHost, {}, b"body"),
        (OfAnotherDay, {}, b"body"),
        (SigV4Auth, {"X-Amz-Content-SHA256": HASH_OF_BODY}, b"another"),
        (SigV4Auth, {"X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, b"body"),
    ],
)
def test_what_must_not_be_signed_so_is_refused_alike(
    signer: type[SigV4Auth], headers: dict[str, str], body: bytes
) -> None:
    with pytest.raises(InvalidSignatureException) as raised:
        check(signed(signer, "/things", method="POST", body=body, headers=headers))
    assert raised.value.message == MISMATCH


def test_the_hash_of_a_body_may_be_told() -> None:
    headers = {"X-Amz-Content-SHA256": HASH_OF_BODY}
    check(signed(SigV4Auth, "/things", method="POST", body=b"body", headers=headers))


def test_any_single_character_of_a_signed_request_matters() -> None:
    request = signed(SigV4Auth, "/things/abc?x=1", method="POST", body=b"body", headers={"X-Amz-A": "v"})
    dice = random.Random(4)
    for _ in range(400):
        field = dice.choice(("method", "raw_path", "query", "body", "x-amz-a", "host"))
        whole = request.headers[field] if field in request.headers else getattr(request, field)
        text = whole.decode() if isinstance(whole, bytes) else whole
        at = dice.randrange(len(text))
        changed = text[:at] + chr(ord(text[at]) + dice.choice((1, 2, 3))) + text[at + 1 :]
        if field in request.headers:
            forged = replaced(request, **{field: changed})
        else:
            forged = request._replace(**{field: changed.encode() if isinstance(whole, bytes) else changed})
        if field in ("raw_path", "query") and unquote(changed) == unquote(text):
            continue
        with pytest.raises(InvalidSignatureException):
            check(forged)


def test_odd_urls_raise_nothing_else() -> None:
    dice = random.Random(5)
    for _ in range(300):
        junk = "".join(
            chr(dice.choice((37, 38, 43, 47, 61, 0xDC80, dice.randrange(0x250)))) for _ in range(9)
        )
        for request in (HEADER["body"], QUERY["body"]):
            for forged in (
                request._replace(raw_path=junk),
                request._replace(query=request.query + "&" + junk),
                replaced(request, host=junk),
                replaced(request, **{"x-amz-security-token": junk}),
            ):
                with pytest.raises(AwsError):
                    check(forged)


def test_the_client_url_is_the_one_that_arrives() -> None:
    """Guards the helper above: a request for another host would verify for the wrong reason."""
    request = signed(SigV4Auth, "/things")
    assert request.headers["host"] == urlsplit(ENDPOINT).netloc
