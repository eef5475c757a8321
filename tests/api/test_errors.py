"""What is wrong with a request is named, nothing is lost, and the node goes on."""

from __future__ import annotations

import base64
import json
import random
import socket
import ssl
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from api.making import KEY, NOT_IMPLEMENTED, UNCHECKED, csr, not_implemented, refused
from api.raw import PATIENCE, address, call, send, signed

KEY_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def check_error(answer, status, code):
    """An error as any client of AWS reads it."""
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.headers["content-type"].startswith("application/json")
    assert str(uuid.UUID(answer.headers["x-amzn-requestid"])) == answer.headers["x-amzn-requestid"]
    assert answer.message


@pytest.fixture
def still_serving(iot):
    """After whatever the test did."""
    yield
    assert iot.describe_endpoint()["endpointAddress"] == "localhost"


# --- signing requests ---


def with_key(key) -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return request.sign(key, algorithm).public_bytes(Encoding.PEM).decode()


def damaged() -> str:
    """A request whose signature does not fit."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(csr().replace("CERTIFICATE REQUEST", "CERTIFICATE")))
    place = der.index(b"device")
    der[place] ^= 1
    body = base64.encodebytes(bytes(der)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"


BAD_REQUESTS = {
    "nonsense": ("nonsense", ["not PEM", "-----BEGIN CERTIFICATE REQUEST-----"]),
    "escaped line ends": (csr().replace("\n", "\\n"), ["\\n"]),
    "cut off": (csr()[:-40], ["cut off"]),
    "damaged base64": (csr().replace("\nM", "\n!", 1), ["base64"]),
    "not DER": (
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        ["certificate signing request"],
    ),
    "two of them": (csr() + csr(), ["2 PEM blocks"]),
    "a private key": (KEY_PEM, ["PRIVATE KEY"]),
    "a wrong signature": (damaged(), ["signature"]),
    "a short RSA key": (with_key(rsa.generate_private_key(65537, 1024)), ["1024", "2048"]),
    "an unknown curve": (with_key(ec.generate_private_key(ec.SECP256K1())), ["secp256k1", "P-256"]),
    "Ed25519": (with_key(ed25519.Ed25519PrivateKey.generate()), ["Ed25519"]),
    "DSA": (with_key(dsa.generate_private_key(1024)), ["DSA"]),
}


@pytest.mark.parametrize("kind", BAD_REQUESTS)
def test_a_bad_signing_request_is_named(iot, kind):
    pem, words = BAD_REQUESTS[kind]
    with refused("InvalidRequestException", 400, "certificate signing request", *words):
        iot.create_certificate_from_csr(certificateSigningRequest=pem)


def test_an_error_does_not_repeat_a_private_key(iot, node):
    secret = "".join(KEY_PEM.splitlines()[1:-1])
    with pytest.raises(iot.exceptions.InvalidRequestException) as caught:
        iot.create_certificate_from_csr(certificateSigningRequest=KEY_PEM)
    assert secret[:40] not in str(caught.value)
    assert secret[:40] not in node.log


# --- validation, in AWS's words ---


def test_every_violation_is_told(node):
    iot = node.client("iot", config=UNCHECKED)
    words = [
        "2 validation errors detected: ",
        "Value 'a b' at 'thingName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+",
        "Value 'c d' at 'thingTypeName'",
    ]
    with refused("InvalidRequestException", 400, *words):
        iot.create_thing(thingName="a b", thingTypeName="c d")


def test_a_missing_member(node, name):
    answer = call(node, "POST", f"/policies/{name}", b"{}")
    check_error(answer, 400, "InvalidRequestException")
    assert answer.message == (
        "1 validation error detected: Value null at 'policyDocument' failed to satisfy constraint: "
        "Member must not be null"
    )


@pytest.mark.parametrize(
    "body, words",
    [
        ({"attributePayload": {"attributes": ["a"]}}, ["attributePayload.attributes", "map"]),
        ({"attributePayload": {"attributes": {"a": 1}}}, ["attributePayload.attributes.a", "string"]),
        ({"attributePayload": {"merge": "yes"}}, ["attributePayload.merge", "boolean"]),
        ({"expectedVersion": "1"}, ["expectedVersion", "integer"]),
        ({"expectedVersion": 1.5}, ["expectedVersion", "integer"]),
        ({"expectedVersion": 2**63}, ["expectedVersion", "long"]),
        ({"thingTypeName": {"a": "b"}}, ["thingTypeName", "string"]),
    ],
)
def test_a_member_of_a_wrong_type_is_named(node, name, body, words):
    answer = call(node, "PATCH", f"/things/{name}", json.dumps(body).encode())
    check_error(answer, 400, "SerializationException")
    for word in words:
        assert word in answer.message


def test_a_query_parameter_of_a_wrong_type_is_named(node):
    answer = call(node, "GET", "/things?maxResults=many")
    check_error(answer, 400, "SerializationException")
    assert "maxResults" in answer.message


def test_members_that_nobody_knows_are_ignored(node, name):
    answer = call(node, "POST", f"/things/{name}", b'{"never": "heard of"}')
    assert answer.status == 200


# --- what is not implemented ---


NOT_BUILT = [
    ("iot", "CreateStream", "POST", "/streams/%20%20"),
    ("iot", "CreateJob", "PUT", "/jobs/a%00b"),
    ("iotdata", "GetThingShadow", "GET", "/things/%20/shadow?name=%20%20"),
    ("iot-jobs-data", "DescribeJobExecution", "GET", "/things/%20/jobs/%20?executionNumber=nonsense"),
]


@pytest.mark.parametrize("service, operation, method, target", NOT_BUILT)
def test_an_operation_says_so_by_name_before_anything_is_validated(node, service, operation, method, target):
    answer = call(node, method, target, b"\xff not even JSON", service=service)
    check_error(answer, 501, NOT_IMPLEMENTED)
    assert operation in answer.message


def test_an_operation_of_the_query_protocol_says_so(node):
    body = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&DurationSeconds=nonsense"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = call(node, "POST", "/", body, service="sts", headers=headers)
    assert answer.status == 501
    assert b"AssumeRoleWithWebIdentity" in answer.body
    assert f"<Code>{NOT_IMPLEMENTED}</Code>".encode() in answer.body


def test_a_member_says_so_by_name_before_anything_is_validated(node):
    iam = node.client("iam", config=UNCHECKED)
    with not_implemented("PermissionsBoundary"):
        iam.create_user(UserName="not a name", PermissionsBoundary="not an arn")


def test_what_is_not_implemented_needs_a_right_signature(node):
    answer = call(node, "GET", "/jobs", secret="wrong")
    assert (answer.status, answer.code) == (403, "InvalidSignatureException")


# --- garbage ---


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"{}{}",
        b'{"a": NaN}',
        b"[" * 5000,
        b'{"a":' * 5000,
    ],
)
def test_a_body_that_is_no_object(node, name, body, still_serving):
    answer = call(node, "POST", f"/things/{name}", body)
    check_error(answer, 400, "SerializationException")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "image/png", "nonsense", ""])
def test_the_content_type_does_not_matter(node, name, kind):
    answer = call(node, "POST", f"/things/{name}", b"{}", headers={"content-type": kind})
    assert answer.status == 200


@pytest.mark.parametrize("over", [1, 100_000, 3_000_000])
def test_a_body_beyond_one_mebibyte(node, name, over, still_serving):
    answer = call(node, "POST", f"/things/{name}", b" " * (1_048_576 + over))
    check_error(answer, 413, "RequestEntityTooLargeException")
    assert "1048576" in answer.message


def test_a_body_of_one_mebibyte_is_read(node, name):
    body = b'{"attributePayload": {}}'
    answer = call(node, "POST", f"/things/{name}", body + b" " * (1_048_576 - len(body)))
    assert answer.status == 200


@pytest.mark.parametrize(
    "method, target",
    [
        ("GET", "/"),
        ("GET", "/nothing/here"),
        ("POST", "/things/a/b/c/d"),
        ("DELETE", "/things"),
        ("OPTIONS", "/things"),
        ("PROPFIND", "/things"),
        ("get", "/things"),
        ("GET", "//things"),
        ("GET", "/things/"),
        ("GET", "/" + "a/" * 300),
        ("GET", "/" + "x" * 5000),
        ("GET", "/things/../policies/x/y/z"),
        ("GET", "/_sekisho"),
    ],
)
def test_methods_and_paths_that_lead_nowhere(node, method, target, still_serving):
    answer = call(node, method, target)
    check_error(answer, 404, "UnknownOperationException")


def test_the_answer_to_head_has_no_body(node, still_serving):
    answer = call(node, "HEAD", "/things")
    assert (answer.status, answer.code, answer.body) == (404, "UnknownOperationException", b"")


@pytest.mark.parametrize("target", ["/things/%ff", "/things/%C3%28", "/things?nextToken=%ff"])
def test_a_target_that_is_not_utf_8(node, target, still_serving):
    answer = call(node, "GET", target)
    check_error(answer, 400, "SerializationException")


@pytest.mark.parametrize("target", ["/things/%00", "/things/a%00b", "/things/%2F", "/things/%zz"])
def test_a_name_that_cannot_be(node, target, still_serving):
    answer = call(node, "GET", target)
    check_error(answer, 400, "InvalidRequestException")


def test_a_service_that_is_not_here(node, still_serving):
    answer = call(node, "GET", "/", service="sqs")
    check_error(answer, 404, "UnknownOperationException")
    assert "sqs" in answer.message


def test_a_thousand_query_fields(node, still_serving):
    answer = call(node, "GET", "/things?" + "&".join(f"a{number}=b" for number in range(1001)))
    check_error(answer, 400, "SerializationException")


@pytest.mark.parametrize("kind", ["asterisk", "absolute"])
def test_other_forms_of_target(node, kind, still_serving):
    """``OPTIONS *``, and the absolute form that a proxy is sent (RFC 9112, 3.2)."""
    request = signed(node, "OPTIONS", "/things")
    host, port = address(node)
    target = "*" if kind == "asterisk" else f"http://{host}:{port}/things"
    answer = send(node, request._replace(target=target))
    assert answer.status in (403, 404)
    check_error(answer, answer.status, answer.code)


def exchange(node, data: bytes) -> bytes:
    """What comes back for some bytes until the node closes; nothing if it only closes."""
    with socket.create_connection(address(node), PATIENCE) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while chunk := sock.recv(65536):
                got += chunk
        except ConnectionError:
            pass
        return got


GARBAGE = {
    "nothing": b"",
    "a line": b"hello\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "an MQTT CONNECT": b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab",
    "a wrong version": b"GET /things HTTP/9.9\r\nHost: a\r\n\r\n",
    "a negative length": b"POST /things/a HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "a bad chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000,
    "a header with NUL": b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    "a cut off body": b"POST /things/a HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_what_is_not_http(node, kind, still_serving):
    got = exchange(node, GARBAGE[kind])
    assert got == b"" or got.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), got


def test_random_bytes(node, still_serving):
    dice = random.Random(7)
    for _ in range(50):
        exchange(
            node, b"POST /things/a HTTP/1.1\r\n" * dice.randrange(2) + dice.randbytes(dice.randrange(300))
        )
