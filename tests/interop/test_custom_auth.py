"""Custom authorizers at MQTT, as it looks on the wire: ALPN ``mqtt``, no certificate."""

from __future__ import annotations

import base64
import json
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from interop.authorizing import (
    BAD_PASSWORD,
    NAME,
    NOT_AUTHORIZED,
    PASSWORD,
    TOKEN,
    create,
    events,
    last_refusal,
    public,
    signature,
    username,
    wire,
)
from interop.devices import Factory, allow, until
from interop.packets import CONNACK, connect_packet
from interop.wire import Closed
from sekisho.mqtt.reasons import Reason

OTHER = rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def iot(gate):
    return gate.client("iot")


@pytest.fixture(scope="module")
def plain(iot):
    """An authorizer that wants no signed token."""
    return create(iot, "plain")


@pytest.fixture(scope="module")
def signed(iot):
    return create(iot, "signed", signed=True)


def refused(node, client_id, code, version=5, **connect):
    with wire(node) as client:
        if version == 4 and code == NOT_AUTHORIZED:
            with pytest.raises(Closed):
                client.connect(client_id, 4, **connect)
        else:
            # 3.1.1: 4 is "bad user name or password", which AWS answers.
            wanted = 4 if version == 4 else code
            assert client.connect(client_id, version, **connect).code == wanted
            client.until_closed()
    told = last_refusal(node, clientId=client_id)
    assert ("without CONNACK" in told["effect"]) == (code == NOT_AUTHORIZED)
    return told["reason"]


def test_a_user_name_and_a_password_let_a_client_in(gate, plain, name, version):
    with wire(gate) as client:
        assert client.connect(name, version, username=username(name=plain), password=PASSWORD).code == 0
        client.subscribe(f"own/{name}/+")
        client.publish(f"own/{name}/a", b"hello", qos=1)
        assert client.message().payload == b"hello"


def test_it_may_do_what_the_returned_policies_say_and_no_more(gate, plain, name):
    with wire(gate) as client:
        assert client.connect(name, 5, username=username(name=plain), password=PASSWORD).code == 0
        assert client.subscribe("own/another/+") == [Reason.NOT_AUTHORIZED]
        found = last_refusal(gate, clientId=name)
    assert found["principal"].endswith(":authorizer/plain/somebody")
    assert found["action"] == "iot:Subscribe"
    (policy,) = found["policies"]
    assert policy["policyName"] == "(policy 1 of authorizer plain)"
    assert found["variables"]["iot:ClientId"] == name
    assert found["decision"] == "IMPLICIT_DENY"


def test_the_function_gets_the_documented_event(gate, plain, name, tmp_path):
    record = tmp_path / "events"
    user = username("me", name=plain, record=record)
    with wire(gate) as client:
        assert client.connect(name, username=user, password=PASSWORD).code == 0
    (event,) = events(record)
    assert uuid.UUID(event["connectionMetadata"].pop("id"))
    assert event == {
        "signatureVerified": False,
        "protocols": ["tls", "mqtt"],
        "protocolData": {
            "tls": {"serverName": "localhost"},
            "mqtt": {
                "username": user,
                "password": base64.b64encode(PASSWORD).decode(),
                "clientId": name,
            },
        },
        "connectionMetadata": {},
    }


def test_what_a_client_does_not_send_is_not_in_the_event(gate, plain, tmp_path):
    record = tmp_path / "events"
    with wire(gate) as client:
        assert client.connect("", 5, username=username("", name=plain, record=record)).code == 0
    (event,) = events(record)
    assert set(event["protocolData"]["mqtt"]) == {"username"}


def test_a_signed_token_lets_a_client_in(gate, signed, name, tmp_path, version):
    record = tmp_path / "events"
    user = username(name=signed, token=TOKEN, signature=signature(), record=record)
    with wire(gate) as client:
        assert client.connect(name, version, username=user).code == 0
    (event,) = events(record)
    assert (event["token"], event["signatureVerified"]) == (TOKEN, True)


@pytest.fixture(params=["no token", "no signature", "another's", "another token", "no base64", "too long"])
def forged(request):
    """What is passed, and what explain says of it."""
    good = {"token": TOKEN, "signature": signature()}
    match request.param:
        case "no token":
            return {"signature": signature()}, "there is no token"
        case "no signature":
            return {"token": TOKEN}, "there is no x-amz-customauthorizer-signature"
        case "another's":
            return good | {"signature": signature(key=OTHER)}, "signature does not verify"
        case "another token":
            return good | {"token": TOKEN[:-1]}, "signature does not verify"
        case "no base64":
            return good | {"signature": "?"}, "signature does not verify"
    return good | {"token": "x" * 7000}, "more than 6144"


def test_without_a_good_signature_the_function_is_not_called(gate, signed, name, tmp_path, forged, version):
    passed, words = forged
    record = tmp_path / "events"
    user = username(name=signed, record=record, **passed)
    reason = refused(gate, name, BAD_PASSWORD, version, username=user)
    assert reason.startswith("NOT_AUTHENTICATED: ")
    assert words in reason
    assert events(record) == []


def test_who_is_not_authenticated_is_told_so(gate, plain, name, version):
    reason = refused(gate, name, BAD_PASSWORD, version, username=username(name=plain, do="refuse"))
    assert reason == "NOT_AUTHENTICATED: authorizer plain does not authenticate this client"


FAILURES = {
    "hang": "did not answer within 5 s",
    "die": "process of the function decide ended",
    "raise": "raised ValueError",
    "answer a list": "answered a list, not a JSON object",
    "{}": "isAuthenticated is not there",
    '{"isAuthenticated": "true"}': "isAuthenticated is a string",
    '{"isAuthenticated": true, "principalId": "not-alphanumeric"}': "principalId",
    '{"isAuthenticated": true, "principalId": "a", "policyDocuments": ["{"]}': "policyDocuments[0]",
}


@pytest.mark.parametrize("do", FAILURES)
def test_a_function_that_fails_refuses_this_client_and_no_other(gate, plain, name, do, version):
    client_id = f"failing-{list(FAILURES).index(do)}-{version}"
    reason = refused(gate, client_id, NOT_AUTHORIZED, version, username=username(name=plain, do=do))
    assert reason.startswith("CUSTOM_AUTHORIZER_LAMBDA_EXECUTION_ERROR: ")
    assert FAILURES[do] in reason
    with wire(gate) as client:
        assert client.connect(f"after-{client_id}", username=username(name=plain)).code == 0


def test_who_is_allowed_nothing_is_not_let_in(gate, plain, name):
    answer = '{"isAuthenticated": true, "principalId": "a"}'
    reason = refused(gate, name, NOT_AUTHORIZED, username=username(name=plain, do=answer))
    assert "not authorized to connect as" in reason


# --- which authorizer --------------------------------------------------------------------------------------


def test_who_names_none_is_for_the_default_one(gate, iot, plain, name, tmp_path):
    record = tmp_path / "events"
    user = username(record=record)
    assert "there is no default one" in refused(gate, name, NOT_AUTHORIZED, username=user)
    iot.set_default_authorizer(authorizerName=plain)
    try:
        until(lambda: gives(gate, name, 0, user))
        assert len(events(record)) == 1
    finally:
        iot.clear_default_authorizer()
    until(lambda: gives(gate, name, NOT_AUTHORIZED, user))


def gives(node, client_id, code, user):
    with wire(node) as client:
        return client.connect(client_id, 5, username=user).code == code


def test_one_that_does_not_exist_or_is_inactive_lets_nobody_in(gate, iot, name):
    user = username(name=name)
    words = f'CUSTOM_AUTHORIZER_NOT_FOUND: authorizer "{name}" does not exist'
    assert refused(gate, name, NOT_AUTHORIZED, username=user) == words
    create(iot, name, status="INACTIVE")
    until(lambda: "is INACTIVE" in refused(gate, name, NOT_AUTHORIZED, username=user))
    iot.update_authorizer(authorizerName=name, status="ACTIVE")
    until(lambda: gives(gate, name, 0, user))


def test_keys_can_be_turned(gate, iot, name):
    create(iot, name, signed=True)
    user = username(name=name, token=TOKEN, signature=signature())
    until(lambda: gives(gate, name, 0, user))
    iot.update_authorizer(authorizerName=name, tokenSigningPublicKeys={"two": public(OTHER)})
    until(lambda: gives(gate, name, BAD_PASSWORD, user))
    user = username(name=name, token=TOKEN, signature=signature(key=OTHER))
    assert gives(gate, name, 0, user)


# --- which clients -----------------------------------------------------------------------------------------


def test_without_the_alpn_there_is_no_custom_authentication(gate, plain, name):
    for alpn, words in (("x-amzn-mqtt-ca", "no client certificate"), (None, "where ALPN says mqtt")):
        with wire(gate, alpn) as client:
            assert client.connect(name, 5, username=username(name=plain)).code == NOT_AUTHORIZED
        assert words in last_refusal(gate, clientId=name)["reason"]


def test_a_certificate_is_enough_unless_an_authorizer_is_named(gate, iot, plain, name, tmp_path):
    device = Factory(gate, iot, tmp_path)("both", statements=[allow("Connect", "*")])
    record = tmp_path / "events"
    for user, calls in (("user", 0), (username(name=plain, record=record), 1)):
        with wire(gate, identity=device.identity) as client:
            assert client.connect(name, username=user).code == 0
        assert len(events(record)) == calls


# --- afterwards --------------------------------------------------------------------------------------------


def test_events_tell_the_principal(gate, iot, plain, name, tmp_path):
    device = Factory(gate, iot, tmp_path)("observer", statements=[allow("*", "*")])
    with device.online(f"observer-{name}") as observer:
        observer.subscribe(f"$aws/events/presence/+/{name}")
        with wire(gate) as client:
            assert client.connect(name, username=username(name=plain)).code == 0
        payload = observer.message().payload
    assert b'"principalIdentifier":"somebody"' in payload


def test_neither_token_nor_password_is_logged_or_explained(gate, plain, signed, name):
    for user in (
        username(name=signed, token=TOKEN, signature=signature()),
        username(name=signed, token=TOKEN, signature=signature("other")),
        username(name=plain, token=TOKEN, do="raise"),
    ):
        with wire(gate) as client:
            client.connect(name, 5, username=user, password=PASSWORD)
    told = str(gate.client("sekisho").list_refusals(maxResults=50)["refusals"])
    for text in (gate.log, told):
        for secret in (TOKEN, PASSWORD.decode(), base64.b64encode(PASSWORD).decode(), signature()):
            assert secret not in text
    assert NAME not in gate.log


def test_each_account_has_authorizers_of_its_own(gate, plain, name, tmp_path):
    gate.command("account", "create", "111111111111")
    theirs = gate.client("iot", account="111111111111")
    host = theirs.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    answers = tmp_path / "answers"
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    answers.write_text(
        json.dumps({"isAuthenticated": True, "principalId": "a", "policyDocuments": [document]})
    )

    def code(server_name, **parameters):
        with wire(gate, server_name=server_name, check_name=True) as client:
            return client.connect(name, 5, username=username(answers=answers, **parameters)).code

    assert code("localhost", name=plain) == 0
    assert code(host, name=plain) == NOT_AUTHORIZED
    theirs.create_authorizer(
        authorizerName="theirs",
        authorizerFunctionArn="arn:aws:lambda:us-east-1:111111111111:function:decide",
        signingDisabled=True,
    )
    until(lambda: code(host, name="theirs") == 0)
    assert code("localhost", name="theirs") == NOT_AUTHORIZED


def test_clients_whose_function_hangs_keep_no_other_waiting(gate, iot, plain, name, tmp_path):
    device = Factory(gate, iot, tmp_path)("other", statements=[allow("*", "*")])
    hanging = [wire(gate) for _ in range(30)]
    try:
        for number, client in enumerate(hanging):
            user = username(name=plain, do="hang")
            client.send(connect_packet(f"{name[:60]}-{number}", 5, username=user))
        with device.online(f"other-{name}"[:100]) as other:
            other.subscribe("a")
            other.publish("a", b"hello")
            assert other.message().payload == b"hello"
            assert all(client.received == 0 for client in hanging)
        for client in hanging:
            assert client.take(CONNACK).body[1] == NOT_AUTHORIZED
    finally:
        for client in hanging:
            client.close()
    until(lambda: gives(gate, name, 0, username(name=plain)))
