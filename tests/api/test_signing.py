"""Signatures: in a header and in a URL, right, wrong, late, and by whom."""

from __future__ import annotations

import hashlib
import re

import pytest

from api.making import REGION, refused
from api.raw import call, send, signed
from sekisho.cli.commands import read_credentials

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
TARGET = "/things/signed?a=b"
BODY = b'{"attributePayload": {"attributes": {"a": "1"}}}'
WRONG = "wrong-wrong-wrong-wrong-wrong-wrong-wrong"


def check(answer, code, status=403):
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.headers["x-amzn-requestid"]
    return answer.message


# --- right ones ---


def test_signed_in_a_header(node, name):
    answer = call(node, "POST", f"/things/{name}", BODY)
    assert answer.status == 200


@pytest.mark.parametrize("service", ["iotdata", "iotdevicegateway"])
def test_both_names_of_the_data_plane(node, service):
    assert call(node, "POST", "/topics/a", b"x", service=service).status == 200


def test_a_presigned_url(node):
    answer = call(node, "GET", "/things?maxResults=1", expires=60)
    assert answer.status == 200


def test_a_presigned_url_of_boto3(node, iot):
    url = iot.generate_presigned_url("list_things", {"maxResults": 1}, ExpiresIn=60)
    request = signed(node, "GET", "/")
    host = {"host": node.endpoints["https"]}
    answer = send(node, request._replace(target="/" + url.split("/", 3)[3], headers=host))
    assert answer.status == 200


def test_a_signature_may_be_used_again(node):
    request = signed(node, "GET", "/things?maxResults=1")
    assert [send(node, request).status for _ in range(2)] == [200, 200]


def test_headers_that_were_not_signed_may_be_added(node):
    request = signed(node, "GET", "/things?maxResults=1")
    assert send(node, request.but(accept="*/*", x_amzn_trace_id="Root=1")).status == 200


@pytest.mark.parametrize(
    "target", ["/things/a%3Ab", "/things/a:b", "/things?attributeName=a%20b&attributeName=%C3%BC"]
)
def test_targets_with_escapes(node, target):
    assert call(node, "GET", target).status in (200, 400, 404)


# --- wrong ones ---


def changed_date(request):
    date = request.headers["x-amz-date"]
    return request.but(x_amz_date=date[:-2] + ("1Z" if date[-2] != "1" else "2Z"))


def changed_signature(request):
    header = request.headers["authorization"]
    return request.but(authorization=header[:-1] + ("0" if header[-1] != "0" else "1"))


def changed_scope(old: str, new: str):
    def change(request):
        return request.but(authorization=request.headers["authorization"].replace(old, new))

    return change


TAMPERED = {
    "path": lambda request: request._replace(target=TARGET.replace("signed", "signet")),
    "query": lambda request: request._replace(target=TARGET.replace("a=b", "a=c")),
    "more query": lambda request: request._replace(target=TARGET + "&c=d"),
    "no query": lambda request: request._replace(target=TARGET.partition("?")[0]),
    "body": lambda request: request._replace(body=BODY.replace(b"1", b"2")),
    "no body": lambda request: request._replace(body=b""),
    "method": lambda request: request._replace(method="PATCH"),
    "signed header": lambda request: request.but(x_amz_meta="two"),
    "signed header left out": lambda request: request.but(x_amz_meta=None),
    "unsigned x-amz header": lambda request: request.but(x_amz_other="new"),
    "host": lambda request: request.but(host="example.org"),
    "date": changed_date,
    "signature": changed_signature,
    "scope's service": changed_scope("/iot/", "/iotdata/"),
    "scope's region": changed_scope(f"/{REGION}/", "/eu-west-1/"),
    "scope's date": lambda request: request.but(
        authorization=re.sub(r"/\d{8}/", "/20200101/", request.headers["authorization"])
    ),
}


@pytest.mark.parametrize("part", TAMPERED)
def test_a_changed_request_tells_nothing_of_what_was_changed(node, part):
    request = signed(node, "POST", TARGET, BODY, headers={"x-amz-meta": "one"})
    assert send(node, request).status == 200
    assert check(send(node, TAMPERED[part](request)), "InvalidSignatureException") == MISMATCH


def test_a_wrong_secret(node):
    answer = call(node, "GET", "/things", secret=WRONG)
    assert check(answer, "InvalidSignatureException") == MISMATCH
    answer = call(node, "GET", "/things", secret=WRONG, expires=60)
    assert check(answer, "InvalidSignatureException") == MISMATCH


def test_a_wrong_secret_as_boto3_sees_it(node):
    client = node.client("iot", aws_secret_access_key=WRONG)
    with refused("InvalidSignatureException", 403, MISMATCH, modelled=False):
        client.list_things()


def test_a_wrong_secret_in_the_query_protocol(node):
    client = node.client("sts", aws_secret_access_key=WRONG)
    with refused("SignatureDoesNotMatch", 403, MISMATCH, modelled=False):
        client.get_caller_identity()


@pytest.mark.parametrize(
    "change",
    [
        lambda target: target.replace("maxResults=1", "maxResults=2"),
        lambda target: target.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
        lambda target: target + "&more=1",
        lambda target: target.replace("/things", "/policies"),
        lambda target: target[:-1] + ("0" if target[-1] != "0" else "1"),
    ],
    ids=["query", "expiry", "more", "path", "signature"],
)
def test_a_changed_presigned_url(node, change):
    request = signed(node, "GET", "/things?maxResults=1", expires=60)
    changed = request._replace(target=change(request.target))
    assert changed.target != request.target
    assert check(send(node, changed), "InvalidSignatureException") == MISMATCH


def test_a_presigned_url_is_for_one_method(node):
    request = signed(node, "GET", "/things?maxResults=1", expires=60)
    answer = send(node, request._replace(method="POST"))
    assert check(answer, "InvalidSignatureException") == MISMATCH


# --- time ---


@pytest.mark.parametrize("seconds", [-280, 280])
def test_a_clock_that_is_a_little_off(node, seconds):
    assert call(node, "GET", "/things?maxResults=1", ahead=seconds).status == 200


@pytest.mark.parametrize("seconds, words", [(-320, "Signature expired"), (320, "Signature not yet current")])
def test_a_clock_that_is_further_off(node, seconds, words):
    assert words in check(call(node, "GET", "/things", ahead=seconds), "InvalidSignatureException")


def test_a_wrong_and_late_signature_tells_only_that_it_is_wrong(node):
    answer = call(node, "GET", "/things", secret=WRONG, ahead=-3600)
    assert check(answer, "InvalidSignatureException") == MISMATCH


def test_a_presigned_url_lives_as_long_as_it_says(node):
    assert call(node, "GET", "/things?maxResults=1", expires=3600, ahead=-3500).status == 200
    assert "expired" in check(
        call(node, "GET", "/things", expires=3400, ahead=-3500), "InvalidSignatureException"
    )


def test_a_presigned_url_that_lives_too_long(node):
    check(call(node, "GET", "/things", expires=604_801), "IncompleteSignatureException", 400)


# --- by whom ---


def test_an_unknown_key(node):
    answer = call(node, "GET", "/things", key="AKIAAAAAAAAAAAAAAAAA")
    message = check(answer, "UnrecognizedClientException")
    assert message == "The security token included in the request is invalid."


def test_an_unknown_key_in_the_query_protocol(node):
    client = node.client("sts", aws_access_key_id="AKIAAAAAAAAAAAAAAAAA")
    with refused("InvalidClientTokenId", 403, "security token", modelled=False):
        client.get_caller_identity()


@pytest.mark.parametrize("expires", [None, 60])
def test_a_session_token_with_a_permanent_key(node, expires):
    answer = call(node, "GET", "/things", token="token", expires=expires)
    message = check(answer, "UnrecognizedClientException")
    assert message == "The security token included in the request is invalid."


def test_a_region_that_is_not_served(node):
    answer = call(node, "GET", "/things", region="eu-west-1")
    assert "Credential should be scoped to a valid region" in check(answer, "InvalidSignatureException")


def test_no_signature(node):
    request = signed(node, "GET", "/things")
    answer = send(node, request.but(authorization=None))
    assert check(answer, "MissingAuthenticationTokenException") == "Missing Authentication Token"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "nonsense",
        "Basic dXNlcjpwYXNz",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
        "AWS4-HMAC-SHA256 Credential=A/20200101/us-east-1/iot/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=A/20200101/us-east-1/iot/aws4_request, Signature=" + "0" * 64,
        "AWS4-HMAC-SHA256 " + "x=y," * 5000,
    ],
)
def test_a_malformed_signature(node, authorization):
    request = signed(node, "GET", "/things").but(authorization=authorization)
    check(send(node, request), "IncompleteSignatureException", 400)


@pytest.mark.parametrize("date", ["yesterday", "20201301T000000Z", "", "99999999T999999Z"])
def test_a_malformed_date(node, date):
    request = signed(node, "GET", "/things").but(x_amz_date=date)
    check(send(node, request), "IncompleteSignatureException", 400)


def test_signed_in_both_places(node):
    in_url = signed(node, "GET", "/things", expires=60)
    both = in_url.but(authorization=signed(node, "GET", "/things").headers["authorization"])
    check(send(node, both), "IncompleteSignatureException", 400)


def test_a_claimed_hash_must_be_the_bodys(node, name):
    claimed = {"x-amz-content-sha256": hashlib.sha256(b"other").hexdigest()}
    answer = call(node, "POST", f"/things/{name}", BODY, headers=claimed)
    assert check(answer, "InvalidSignatureException") == MISMATCH


# --- what stays secret ---


def test_the_log_has_no_secrets(node, iot):
    _, secret = read_credentials(node.data)
    request = signed(node, "POST", TARGET, BODY)
    for one in (request, changed_signature(request), request.but(authorization=None)):
        send(node, one)
    url = signed(node, "GET", "/things", expires=60)
    send(node, url)
    made = iot.create_keys_and_certificate()
    hidden = [
        secret,
        request.headers["authorization"].rpartition("Signature=")[2],
        url.target.rpartition("X-Amz-Signature=")[2],
        made["keyPair"]["PrivateKey"].splitlines()[3],
    ]
    assert all(len(text) >= 40 for text in hidden)
    for text in hidden:
        assert text not in node.log
    assert "PRIVATE KEY" not in node.log


def test_the_secret_is_in_one_file_only(node, sql):
    _, secret = read_credentials(node.data)
    files = [file for file in node.data.rglob("*") if file.is_file()]
    with_it = [file.name for file in files if secret.encode() in file.read_bytes()]
    assert with_it == ["credentials"]
    assert (node.data / "credentials").stat().st_mode & 0o077 == 0
    bodies = [body for (body,) in sql("SELECT body FROM resource WHERE kind = 'accesskey'")]
    assert len(bodies) == 1
    assert secret not in bodies[0]
