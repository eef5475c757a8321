"""Custom authorizers as the API has them: made, changed, deleted, listed, the default one, and tried."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.making import arn, refused

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:authorize"
KEY = rsa.generate_private_key(65537, 2048)


def pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign(token: str) -> str:
    return base64.b64encode(KEY.sign(token.encode(), PKCS1v15(), SHA256())).decode()


SIGNED = {"tokenKeyName": "token", "tokenSigningPublicKeys": {"one": pem(KEY)}}


def create(iot, name, **more):
    """One that wants no signed tokens."""
    return iot.create_authorizer(
        authorizerName=name, authorizerFunctionArn=FUNCTION, signingDisabled=True, **more
    )


def delete(iot, name):
    iot.update_authorizer(authorizerName=name, status="INACTIVE")
    iot.delete_authorizer(authorizerName=name)


@pytest.fixture
def made(iot, name):
    """The name of an authorizer that is ACTIVE and wants signed tokens."""
    iot.create_authorizer(authorizerName=name, authorizerFunctionArn=FUNCTION, **SIGNED)
    yield name
    if name in names(iot):
        delete(iot, name)


@pytest.fixture
def unsigned(iot, name):
    create(iot, name)
    yield name
    delete(iot, name)


def names(iot, **more):
    """Of all pages."""
    found, marker = [], {}
    while True:
        page = iot.list_authorizers(**more, **marker)
        found += [one["authorizerName"] for one in page["authorizers"]]
        if "nextMarker" not in page:
            return found
        marker = {"marker": page["nextMarker"]}


def described(iot, name):
    return iot.describe_authorizer(authorizerName=name)["authorizerDescription"]


# --- one ---------------------------------------------------------------------------------------------------


def test_create_describe_update_delete(iot, name):
    answer = iot.create_authorizer(authorizerName=name, authorizerFunctionArn=FUNCTION, **SIGNED)
    answer.pop("ResponseMetadata")
    wanted = {"authorizerName": name, "authorizerArn": arn(f"authorizer/{name}")}
    assert answer == wanted
    found = described(iot, name)
    assert found.pop("creationDate") == found.pop("lastModifiedDate")
    whole = wanted | SIGNED | {"authorizerFunctionArn": FUNCTION, "status": "ACTIVE"}
    assert found == whole | {"signingDisabled": False, "enableCachingForHttp": False}
    other = {"two": pem(rsa.generate_private_key(65537, 3072))}
    answer = iot.update_authorizer(
        authorizerName=name,
        authorizerFunctionArn=f"{FUNCTION}:2",
        tokenKeyName="key",
        tokenSigningPublicKeys=other,
        status="INACTIVE",
        enableCachingForHttp=True,
    )
    answer.pop("ResponseMetadata")
    assert answer == wanted
    found = described(iot, name)
    assert found["authorizerFunctionArn"] == f"{FUNCTION}:2"
    assert found["tokenSigningPublicKeys"] == other
    assert (found["tokenKeyName"], found["status"]) == ("key", "INACTIVE")
    assert (found["enableCachingForHttp"], found["signingDisabled"]) == (True, False)
    iot.delete_authorizer(authorizerName=name)
    for call in (iot.describe_authorizer, iot.delete_authorizer, iot.update_authorizer):
        with refused("ResourceNotFoundException", 404, name):
            call(authorizerName=name)
    with refused("ResourceNotFoundException", 404, name):
        iot.set_default_authorizer(authorizerName=name)
    with refused("ResourceNotFoundException", 404, name):
        iot.test_invoke_authorizer(authorizerName=name)


def test_there_is_one_of_a_name(iot, made):
    with refused("ResourceAlreadyExistsException", 409, made):
        create(iot, made)


def test_without_a_choice_tokens_are_signed(iot, name):
    for members, missing in (
        ({}, "tokenKeyName"),
        ({"tokenSigningPublicKeys": {"one": pem(KEY)}}, "tokenKeyName"),
        ({"tokenKeyName": "token"}, "tokenSigningPublicKeys"),
        ({"tokenKeyName": "token", "tokenSigningPublicKeys": {}}, "tokenSigningPublicKeys"),
    ):
        with refused("InvalidRequestException", 400, missing):
            iot.create_authorizer(authorizerName=name, authorizerFunctionArn=FUNCTION, **members)
    assert name not in names(iot)


def test_whether_tokens_are_signed_is_for_good(iot, made):
    assert (
        "signingDisabled"
        not in iot.meta.service_model.operation_model("UpdateAuthorizer").input_shape.members
    )
    with refused("InvalidRequestException", 400, "without signingDisabled"):
        iot.update_authorizer(authorizerName=made, tokenSigningPublicKeys={})
    assert described(iot, made)["tokenSigningPublicKeys"] == SIGNED["tokenSigningPublicKeys"]


BAD_KEYS = {
    "nothing": ("hello", "not a public key in PEM"),
    "short": (pem(rsa.generate_private_key(65537, 1024)), "1024 bits"),
    "elliptic": (pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
}


@pytest.mark.parametrize("bad", BAD_KEYS)
def test_a_key_that_verifies_nothing(iot, name, made, bad):
    text, words = BAD_KEYS[bad]
    for call in (iot.create_authorizer, iot.update_authorizer):
        with refused("InvalidRequestException", 400, "tokenSigningPublicKeys", words):
            call(
                authorizerName=made if call == iot.update_authorizer else f"{name}-other",
                authorizerFunctionArn=FUNCTION,
                tokenKeyName="token",
                tokenSigningPublicKeys={"bad": text},
            )


def test_more_keys_than_one_would_try(iot, made):
    keys = {f"key{number}": pem(KEY) for number in range(11)}
    with refused("InvalidRequestException", 400, "more than 10"):
        iot.update_authorizer(authorizerName=made, tokenSigningPublicKeys=keys)


@pytest.mark.parametrize("target", ["authorize", FUNCTION.replace("us-east", "eu-west"), "arn:aws:s3:::b"])
def test_what_is_no_function_of_the_account(iot, name, target):
    with refused("InvalidRequestException", 400, "authorizerFunctionArn"):
        iot.create_authorizer(authorizerName=name, authorizerFunctionArn=target, signingDisabled=True)


def test_an_active_one_cannot_be_deleted(iot, made):
    with refused("DeleteConflictException", 409, made, "ACTIVE"):
        iot.delete_authorizer(authorizerName=made)
    assert described(iot, made)["status"] == "ACTIVE"


def test_tags(iot, name):
    tags = [{"Key": "team", "Value": "factory"}]
    made = create(iot, name, tags=tags)["authorizerArn"]
    assert iot.list_tags_for_resource(resourceArn=made)["tags"] == tags
    iot.tag_resource(resourceArn=made, tags=[{"Key": "line", "Value": "1"}])
    iot.untag_resource(resourceArn=made, tagKeys=["team"])
    assert iot.list_tags_for_resource(resourceArn=made)["tags"] == [{"Key": "line", "Value": "1"}]
    delete(iot, name)
    with refused("ResourceNotFoundException", 404, name):
        iot.list_tags_for_resource(resourceArn=made)
    create(iot, name)
    assert iot.list_tags_for_resource(resourceArn=made)["tags"] == []
    delete(iot, name)


# --- many --------------------------------------------------------------------------------------------------


def test_lists_limits_and_their_ends(iot, name):
    """In one test: the limits are the account's."""
    before = names(iot)
    some = [f"{name}-{number:03}" for number in range(100 - len(before))]
    active = [one for one in before if described(iot, one)["status"] == "ACTIVE"]
    room = 32 - len(active)
    try:
        for number, one in enumerate(some):
            create(iot, one, status="ACTIVE" if number < room else "INACTIVE")
        with refused("LimitExceededException", 410, "100 authorizers"):
            create(iot, f"{name}-z", status="INACTIVE")
        with refused("LimitExceededException", 410, "32 ACTIVE"):
            iot.update_authorizer(authorizerName=some[-1], status="ACTIVE")
        wanted = sorted([*before, *some])
        for size in (1, 7, 100):
            assert names(iot, pageSize=size, ascendingOrder=True) == wanted
        assert names(iot, pageSize=30) == wanted[::-1]
        assert len(iot.list_authorizers()["authorizers"]) == 25
        assert names(iot, status="ACTIVE", pageSize=5, ascendingOrder=True) == sorted([*active, *some[:room]])
        inactive = names(iot, status="INACTIVE", pageSize=5)
        assert sorted(inactive) == sorted(set(wanted) - set(active) - set(some[:room]))
        # One that goes makes room for one that comes.
        iot.update_authorizer(authorizerName=some[0], status="INACTIVE")
        iot.update_authorizer(authorizerName=some[-1], status="ACTIVE")
        iot.delete_authorizer(authorizerName=some[0])
        create(iot, some[0], status="INACTIVE")
    finally:
        for one in set(names(iot)) - set(before):
            delete(iot, one)
    with refused("InvalidRequestException", 400, "page token"):
        iot.list_authorizers(marker="AAAA")


def test_the_limit_holds_for_many_at_once(iot, name):
    room = 32 - len(names(iot, status="ACTIVE"))

    def one_more(number):
        try:
            create(iot, f"{name}-{number}")
        except iot.exceptions.LimitExceededException:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(one_more, range(room + 4)))
    try:
        assert sum(made) == room
    finally:
        for number, was_made in enumerate(made):
            if was_made:
                delete(iot, f"{name}-{number}")


# --- the default -------------------------------------------------------------------------------------------


def test_the_default_one(iot, name, made):
    for call in (iot.describe_default_authorizer, iot.clear_default_authorizer):
        with refused("ResourceNotFoundException", 404, "no default authorizer"):
            call()
    for _ in range(2):  # the same again changes nothing
        answer = iot.set_default_authorizer(authorizerName=made)
        assert (answer["authorizerName"], answer["authorizerArn"]) == (made, arn(f"authorizer/{made}"))
    assert iot.describe_default_authorizer()["authorizerDescription"] == described(iot, made)
    other = f"{name}-other"
    create(iot, other, status="INACTIVE")
    with refused("ResourceAlreadyExistsException", 409, made, "ClearDefaultAuthorizer"):
        iot.set_default_authorizer(authorizerName=other)
    iot.update_authorizer(authorizerName=made, status="INACTIVE")
    with refused("DeleteConflictException", 409, made, "default"):
        iot.delete_authorizer(authorizerName=made)
    iot.clear_default_authorizer()
    iot.delete_authorizer(authorizerName=made)
    iot.delete_authorizer(authorizerName=other)


# --- a test ------------------------------------------------------------------------------------------------


def asked(answer):
    """The event that the function answers with."""
    (document,) = answer["policyDocuments"]
    return json.loads(json.loads(document)["Id"])


def test_a_signed_one_is_tried_with_a_token(iot, made):
    answer = iot.test_invoke_authorizer(authorizerName=made, token="abc", tokenSignature=sign("abc"))
    assert (answer["isAuthenticated"], answer["principalId"]) == (True, "somebody")
    assert (answer["refreshAfterInSeconds"], answer["disconnectAfterInSeconds"]) == (300, 3600)
    event = asked(answer)
    assert event.pop("connectionMetadata")["id"]
    assert event == {"token": "abc", "signatureVerified": True, "protocols": [], "protocolData": {}}


def test_a_token_may_be_in_the_contexts(iot, made):
    query = f"token=abc&x-amz-customauthorizer-signature={quoted(sign('abc'))}"
    for members in (
        {"httpContext": {"headers": {"Token": "abc", "X-Amz-CustomAuthorizer-Signature": sign("abc")}}},
        {"mqttContext": {"username": f"u?{query}"}},
        {
            "httpContext": {
                "queryString": f"?token=abc&x-amz-customauthorizer-signature={quoted(sign('abc'))}"
            }
        },
    ):
        assert asked(iot.test_invoke_authorizer(authorizerName=made, **members))["token"] == "abc"


def quoted(text):
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def test_without_a_good_signature_the_function_is_not_called(iot, made):
    for members, words in (
        ({}, "there is no token"),
        ({"token": "abc"}, "there is no x-amz-customauthorizer-signature"),
        ({"token": "abc", "tokenSignature": sign("abcd")}, "does not verify"),
    ):
        with refused("InvalidRequestException", 400, words):
            iot.test_invoke_authorizer(authorizerName=made, **members)


def test_an_unsigned_one_is_tried_with_what_clients_show(iot, unsigned):
    answer = iot.test_invoke_authorizer(
        authorizerName=unsigned,
        httpContext={"headers": {"Accept": "*/*"}, "queryString": "?a=b"},
        mqttContext={"username": "me", "password": b"secret", "clientId": "device"},
        tlsContext={"serverName": "localhost"},
    )
    event = asked(answer)
    assert event["signatureVerified"] is False
    assert event["protocols"] == ["tls", "http", "mqtt"]
    password = base64.b64encode(b"secret").decode()
    assert event["protocolData"] == {
        "tls": {"serverName": "localhost"},
        "http": {"headers": {"accept": "*/*"}, "queryString": "?a=b"},
        "mqtt": {"username": "me", "password": password, "clientId": "device"},
    }


def test_a_test_says_what_a_client_would_meet(iot, made):
    def invoke(token):
        return iot.test_invoke_authorizer(authorizerName=made, token=token, tokenSignature=sign(token))

    answer = invoke("refuse")
    answer.pop("ResponseMetadata")
    assert answer == {"isAuthenticated": False}
    yes = {"isAuthenticated": True, "principalId": "a"}
    for document, words in (
        ("raise", "raised ValueError"),
        ({}, "isAuthenticated is not there"),
        ({"isAuthenticated": True}, "principalId"),
        (yes | {"policyDocuments": "x"}, "policyDocuments is a string"),
        (yes | {"policyDocuments": ["x"] * 11}, "more than 10"),
        (yes | {"policyDocuments": ["x" * 2049]}, "more than 2048"),
        (yes | {"policyDocuments": [{"Statement": []}]}, "policyDocuments[0]"),
        (yes | {"refreshAfterInSeconds": 299}, "refreshAfterInSeconds is 299, not 300 to 86400"),
        (yes | {"disconnectAfterInSeconds": "x"}, "disconnectAfterInSeconds is a string"),
    ):
        with refused("InvalidResponseException", 400, words):
            invoke(document if isinstance(document, str) else json.dumps(document))
    answer = invoke(json.dumps(yes))
    assert answer["policyDocuments"] == []
    assert answer["disconnectAfterInSeconds"] == 86400
    assert "refreshAfterInSeconds" not in answer


def test_one_that_is_inactive_can_be_tried(iot, made):
    iot.update_authorizer(authorizerName=made, status="INACTIVE")
    answer = iot.test_invoke_authorizer(authorizerName=made, token="a", tokenSignature=sign("a"))
    assert answer["isAuthenticated"] is True
