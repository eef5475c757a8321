"""What clients show to custom authorizers, the signatures of their tokens, and what functions answer."""

from __future__ import annotations

import base64

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from sekisho.logic.authorizer_answers import NOBODY, BadAnswer, grant_of
from sekisho.logic.custom_auth import (
    MOST_PARAMETERS,
    Certificate,
    Http,
    Mqtt,
    Shown,
    is_signed,
    parameters,
)
from sekisho.logic.token_signatures import load_signing_key, signature_holds

NAME = "x-amz-customauthorizer-name"
KEY = rsa.generate_private_key(65537, 2048)
PUBLIC = KEY.public_key()
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"},
}
YES = {"isAuthenticated": True, "principalId": "a"}


# --- what is shown -----------------------------------------------------------------------------------------


def shown(*, headers=None, query="", username=None, **more):
    http = None if headers is None else Http(headers, query)
    mqtt = None if username is None else Mqtt(username, b"secret", "device")
    return Shown("id", "localhost", http=http, mqtt=mqtt, **more)


def test_a_plus_is_a_plus_and_the_first_of_a_name_counts():
    assert parameters("a=1+1%2B1&b&a=2&=x&c=%3D%26") == {"a": "1+1+1", "b": "", "c": "=&"}


@given(st.text())
def test_any_query_can_be_read(query):
    assert len(parameters(query)) <= MOST_PARAMETERS


def test_a_query_without_end_is_cut():
    found = parameters("&".join(f"k{number}=v" for number in range(10_000)))
    assert len(found) == MOST_PARAMETERS


def test_headers_go_before_the_query_and_both_before_the_user_name():
    everything = {
        "headers": {NAME: "header"},
        "query": f"{NAME}=query",
        "username": f"user?{NAME}=username&SDK=Python",
    }
    assert shown(**everything).names == "header"
    assert shown(**everything | {"headers": {}}).names == "query"
    assert shown(**everything | {"headers": {}, "query": ""}).names == "username"
    assert shown(username=NAME + "=A").names is None  # a name without a query
    assert shown(username="").names is None


def test_the_name_of_a_header_has_no_case():
    assert shown(headers={"mytoken": "abc"}).value("MyToken") == "abc"
    assert shown(headers={}, query="mytoken=abc").value("MyToken") is None


def test_the_event_leaves_out_what_is_not_there():
    assert shown(username="me").event(None, False) == {
        "signatureVerified": False,
        "protocols": ["tls", "mqtt"],
        "protocolData": {
            "tls": {"serverName": "localhost"},
            "mqtt": {
                "username": "me",
                "password": base64.b64encode(b"secret").decode(),
                "clientId": "device",
            },
        },
        "connectionMetadata": {"id": "id"},
    }
    bare = Shown("id", "", mqtt=Mqtt(None, None, "")).event("token", True)
    assert (bare["token"], bare["signatureVerified"]) == ("token", True)
    assert bare["protocolData"] == {"tls": {}, "mqtt": {}}


def test_a_certificate_is_in_the_event_where_one_is_asked_for():
    event = shown(username="me", certificate=Certificate("f" * 64, "PEM")).event(None, False)
    wanted = {"serverName": "localhost", "x509CertificatePem": "PEM", "principalId": "f" * 64}
    assert event["protocolData"]["tls"] == wanted


def test_no_repr_tells_a_secret():
    one = shown(headers={"token": "SECRET"}, query="t=SECRET", username="u?t=SECRET")
    for text in (repr(one), repr(one.http), repr(one.mqtt)):
        assert "SECRET" not in text
        assert "secret" not in text


def test_a_request_is_the_same_whatever_its_body():
    one = shown(headers={"token": "a", "content-length": "1"}, query="qos=1").fingerprint
    assert one == shown(headers={"content-length": "22", "token": "a"}, query="qos=1").fingerprint
    assert one != shown(headers={"token": "b", "content-length": "1"}, query="qos=1").fingerprint
    assert one != shown(headers={"token": "a", "content-length": "1"}, query="qos=0").fingerprint


def test_what_is_signed_in_awss_way_is_no_authorizers():
    assert is_signed("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=1", None)
    assert is_signed("", "AWS4-HMAC-SHA256 Credential=…")
    assert not is_signed("a=X-Amz-Signature=1", "Bearer AWS")


# --- signatures --------------------------------------------------------------------------------------------


def sign(token):
    return base64.b64encode(KEY.sign(token.encode(), PKCS1v15(), SHA256())).decode()


def test_a_signature_holds_for_its_token_and_no_other():
    other = rsa.generate_private_key(65537, 2048).public_key()
    assert signature_holds([other, PUBLIC], "token", sign("token"))
    folded = "\n".join(
        sign("token")[at : at + 64] for at in range(0, 344, 64)
    )  # as `openssl base64` prints it
    assert signature_holds([PUBLIC], "token", folded)
    for keys, token, signature in (
        ([PUBLIC], "tokem", sign("token")),
        ([other], "token", sign("token")),
        ([], "token", sign("token")),
        ([PUBLIC], "token", ""),
        ([PUBLIC], "token", sign("token")[:-8]),
        ([PUBLIC], "token", "ü"),
    ):
        assert not signature_holds(keys, token, signature)


def test_keys():
    pem = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert load_signing_key(pem) == PUBLIC
    short = rsa.generate_private_key(65537, 1024).public_key()
    for text, words in (
        ("", "PEM"),
        (pem[:100], "PEM"),
        (short.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), "1024 bits"),
    ):
        with pytest.raises(ValueError, match=words):
            load_signing_key(text)


# --- answers -----------------------------------------------------------------------------------------------


def test_an_answer_as_the_guide_has_it():
    grant = grant_of(
        YES
        | {
            "policyDocuments": [DOCUMENT, f'{{"Version":"2012-10-17","Statement":[{STATEMENT}]}}'],
            "refreshAfterInSeconds": 300,
            "disconnectAfterInSeconds": 86400,
            "context": {},
        }
    )
    assert (grant.authenticated, grant.principal, grant.refresh, grant.disconnect) == (True, "a", 300, 86400)
    first, second = grant.policies("A")
    assert (first.name, second.name) == ("(policy 1 of authorizer A)", "(policy 2 of authorizer A)")
    assert len(grant.documents) == 2


STATEMENT = '{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}'


def test_what_an_answer_may_leave_out():
    grant = grant_of(YES)
    assert (grant.documents, grant.refresh, grant.disconnect) == ((), None, 86400)
    assert grant_of({"isAuthenticated": False, "principalId": 7}) == NOBODY


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "isAuthenticated is not there"),
        ({"isAuthenticated": 1}, "isAuthenticated is a number"),
        ({"isAuthenticated": "true"}, "isAuthenticated is a string"),
        ({"isAuthenticated": True}, "principalId"),
        (YES | {"principalId": ""}, "principalId"),
        (YES | {"principalId": "a-b"}, "principalId"),
        (YES | {"principalId": "a" * 129}, "principalId"),
        (YES | {"principalId": "ä"}, "principalId"),
        (YES | {"policyDocuments": {}}, "policyDocuments is an object"),
        (YES | {"policyDocuments": [DOCUMENT] * 11}, "more than 10"),
        (YES | {"policyDocuments": [7]}, r"policyDocuments\[0\] is a number"),
        (YES | {"policyDocuments": [DOCUMENT, {}]}, r"policyDocuments\[1\]: the document has no Statement"),
        (YES | {"policyDocuments": [DOCUMENT | {"Id": "x" * 2048}]}, "more than 2048"),
        (YES | {"refreshAfterInSeconds": 299}, "refreshAfterInSeconds is 299, not 300 to 86400"),
        (YES | {"refreshAfterInSeconds": True}, "refreshAfterInSeconds is a boolean"),
        (YES | {"disconnectAfterInSeconds": 86401}, "disconnectAfterInSeconds is 86401"),
        (YES | {"disconnectAfterInSeconds": 300.5}, "disconnectAfterInSeconds is a number, not a whole"),
    ],
)
def test_an_answer_that_cannot_be_used(answer, words):
    with pytest.raises(BadAnswer, match=words):
        grant_of(answer)


def test_a_document_nested_as_deeply_as_an_answer_can_be():
    """The reader of answers takes 1024 levels, which is more than can be written again."""
    deep = orjson.loads(b'{"a":' * 1000 + b"1" + b"}" * 1000)
    for document in (deep, DOCUMENT | {"Statement": deep}):
        with pytest.raises(BadAnswer, match=r"policyDocuments\[0\]"):
            grant_of(YES | {"policyDocuments": [document]})


def test_the_least_time_is_a_setting():
    assert grant_of(YES | {"refreshAfterInSeconds": 1}, 1).refresh == 1
