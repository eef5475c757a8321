"""Custom authorizers at MQTT over WebSocket and at HTTPS publish."""

from __future__ import annotations

import http.client
import json

import pytest
import urllib3
from botocore import UNSIGNED
from botocore.config import Config

from api.making import refused
from interop.authorizing import (
    BAD_PASSWORD,
    FUNCTION,
    NAME,
    NOT_AUTHORIZED,
    PASSWORD,
    SIGNATURE,
    TOKEN,
    create,
    events,
    last_refusal,
    public,
    query,
    signature,
    username,
)
from interop.devices import Factory, allow, until
from interop.sockets import Refused, SocketWire
from interop.wire import tls_context


@pytest.fixture(scope="module")
def iot(gate):
    return gate.client("iot")


@pytest.fixture(scope="module")
def plain(iot):
    return create(iot, "plain-http")


@pytest.fixture(scope="module")
def signed(iot):
    return create(iot, "signed-http", signed=True)


@pytest.fixture
def record(tmp_path):
    return tmp_path / "events"


HEADERS = [(NAME, "signed-http"), (SIGNATURE, signature()), ("token", TOKEN)]


# --- MQTT over WebSocket -----------------------------------------------------------------------------------


def test_credentials_in_headers_of_the_upgrade(gate, signed, name, record):
    headers = [*HEADERS, ("Record", str(record))]
    with SocketWire(gate, "/mqtt", headers=headers) as wire:
        assert wire.connect(name).code == 0
        wire.subscribe(f"own/{name}/+")
        wire.publish(f"own/{name}/a", b"hello", qos=1)
        assert wire.message().payload == b"hello"
    (event,) = events(record)
    assert event["protocols"] == ["tls", "http", "mqtt"]
    assert (event["token"], event["signatureVerified"]) == (TOKEN, True)
    data = event["protocolData"]
    assert data["mqtt"] == {"clientId": name}
    assert data["http"]["headers"]["sec-websocket-protocol"] == "mqtt"
    assert data["http"]["headers"]["token"] == TOKEN
    assert data["http"]["queryString"] == ""


def test_credentials_in_the_query_of_the_upgrade(gate, signed, name, record):
    asked = query(name=signed, signature=signature(), token=TOKEN, record=record)
    with SocketWire(gate, f"/mqtt?{asked}") as wire:
        assert wire.connect(name, 5).code == 0
    (event,) = events(record)
    assert event["protocolData"]["http"]["queryString"] == f"?{asked}"


def test_credentials_in_the_user_name_of_connect(gate, plain, name, record):
    with SocketWire(gate, "/mqtt") as wire:
        user = username(name=plain, record=record)
        assert wire.connect(name, 5, username=user, password=PASSWORD).code == 0
    (event,) = events(record)
    assert set(event["protocolData"]) == {"tls", "http", "mqtt"}
    assert event["protocolData"]["mqtt"]["username"] == user


def test_a_name_in_the_query_and_a_password_in_connect(gate, plain, name):
    target = f"/mqtt?{query(name=plain)}"
    with SocketWire(gate, target) as wire:
        assert wire.connect(name, 5, username="", password=PASSWORD).code == 0
    with SocketWire(gate, target) as wire:
        assert wire.connect(name, 5, username=username(do="refuse")).code == BAD_PASSWORD


def test_an_upgrade_that_shows_wrong_credentials_is_refused_as_such(gate, signed, record):
    headers = [*HEADERS[:2], ("token", "another"), ("record", str(record))]
    with pytest.raises(Refused) as caught:
        SocketWire(gate, "/mqtt", headers=headers)
    assert caught.value.status == 403
    found = last_refusal(gate)
    assert "signature does not verify" in found["reason"]
    assert found["effect"] == "the WebSocket upgrade was answered 403"
    assert events(record) == []
    with pytest.raises(Refused) as caught:
        SocketWire(gate, f"/mqtt?{query(name='nobody')}")
    assert caught.value.status == 403


def test_a_token_in_the_upgrade_and_its_signature_in_connect(gate, signed, name):
    with SocketWire(gate, "/mqtt", headers=[(NAME, signed), ("token", TOKEN)]) as wire:
        assert wire.connect(name, 5, username=username(signature=signature("another"))).code == BAD_PASSWORD
    with SocketWire(gate, "/mqtt", headers=[(NAME, signed), ("token", TOKEN)]) as wire:
        assert wire.connect(name, 5, username=username(signature=signature())).code == 0


def test_an_upgrade_without_any_name_is_decided_at_connect(gate, plain, name):
    with SocketWire(gate, "/mqtt") as wire:
        assert wire.connect(name, 5).code == NOT_AUTHORIZED
    assert "there is no default one" in last_refusal(gate, clientId=name)["reason"]


def test_a_bearer_in_the_authorization_header_is_the_authorizers(gate, plain, name, record):
    headers = [(NAME, plain), ("Authorization", "Bearer abc"), ("record", str(record))]
    with SocketWire(gate, "/mqtt", headers=headers) as wire:
        assert wire.connect(name).code == 0
    assert events(record)[0]["protocolData"]["http"]["headers"]["authorization"] == "Bearer abc"


def test_who_has_signed_needs_no_authorizer(gate, plain, name):
    with SocketWire(gate) as wire:
        assert wire.connect(name).code == 0


# --- HTTPS publish -----------------------------------------------------------------------------------------


class Requests:
    """One connection to the node, for many requests."""

    def __init__(self, node, identity=None, alpn=None):
        context = tls_context(node.ca, identity)
        if alpn:
            context.set_alpn_protocols([alpn])
        self._connection = http.client.HTTPSConnection(*node.address("https"), context=context, timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._connection.close()

    def post(self, target, headers=(), payload=b"hello"):
        self._connection.request("POST", target, payload, dict(headers))
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())["message"]


@pytest.fixture
def post(gate):
    with Requests(gate) as requests:
        yield requests.post


@pytest.fixture
def observed(gate, iot, name, tmp_path):
    device = Factory(gate, iot, tmp_path)("observer", statements=[allow("*", "*")])
    with device.online(f"observer-{name}"[:100]) as wire:
        wire.subscribe("shared/#")
        yield wire


def test_credentials_in_headers_of_a_publish(post, signed, record, observed):
    headers = [*HEADERS, ("record", str(record))]
    assert post("/topics/shared/a?qos=1", headers) == (200, "OK")
    got = observed.message()
    assert (got.topic, got.payload) == ("shared/a", b"hello")
    (event,) = events(record)
    assert event["protocols"] == ["tls", "http"]
    assert set(event["protocolData"]) == {"tls", "http"}
    assert event["protocolData"]["http"]["queryString"] == "?qos=1"
    assert (event["token"], event["signatureVerified"]) == (TOKEN, True)


def test_credentials_in_the_query_of_a_publish(post, signed, observed):
    asked = query(name=signed, signature=signature(), token=TOKEN, qos=1)
    assert post(f"/topics/shared/b?{asked}") == (200, "OK")
    assert observed.message().topic == "shared/b"


def test_a_publish_by_urllib3(gate, plain, observed):
    host, port = gate.address("https")
    pool = urllib3.PoolManager(ca_certs=gate.ca)
    answer = pool.request("POST", f"https://{host}:{port}/topics/shared/c?{query(name=plain)}", body=b"c")
    assert answer.status == 200
    assert observed.message().payload == b"c"


def test_a_publish_by_boto3(gate, signed, observed):
    client = gate.client("iot-data", config=Config(signature_version=UNSIGNED))
    add = lambda model, params, **_: params["headers"].update(HEADERS)  # noqa: E731
    client.meta.events.register("before-call.iot-data.Publish", add)
    client.publish(topic="shared/d", qos=1, payload=b"d")
    assert observed.message().payload == b"d"
    with refused("ForbiddenException", 403):
        client.publish(topic="elsewhere", payload=b"d")


def test_a_publish_with_wrong_credentials_never_reaches_the_function(gate, post, signed, record):
    headers = [*HEADERS[:2], ("token", "another"), ("record", str(record))]
    assert post("/topics/shared/a", headers) == (403, "Forbidden")
    assert events(record) == []
    found = last_refusal(gate)
    assert "signature does not verify" in found["reason"]
    assert (found["action"], found["resource"]) == ("iot:Publish", "shared/a")


@pytest.mark.parametrize("do", ["refuse", "die", "answer a list"])
def test_a_publish_that_the_function_does_not_grant(gate, post, plain, do):
    assert post(f"/topics/shared/a?{query(name=plain, do=do)}") == (403, "Forbidden")
    assert "authorizer plain-http" in last_refusal(gate)["reason"]


def test_a_publish_that_the_returned_policies_do_not_allow(gate, post, plain):
    assert post(f"/topics/elsewhere?{query(name=plain)}") == (403, "Forbidden")
    found = last_refusal(gate)
    assert found["principal"].endswith(":authorizer/plain-http/somebody")
    assert found["decision"] == "IMPLICIT_DENY"
    # Without a connection there is no client id, and so no topic of one's own.
    assert post(f"/topics/own/me/a?{query(name=plain)}") == (403, "Forbidden")


def test_x509_by_alpn_is_no_custom_authentication(gate, plain, iot, tmp_path, record):
    device = Factory(gate, iot, tmp_path)("both", statements=[allow("Publish", "topic/shared/*")])
    target = f"/topics/shared/a?{query(name=plain, record=record)}"
    for alpn, calls in (("x-amzn-http-ca", 0), (None, 1)):
        with Requests(gate, device.identity, alpn) as requests:
            assert requests.post(target) == (200, "OK")
        assert len(events(record)) == calls
    with Requests(gate, alpn="x-amzn-http-ca") as requests:
        assert requests.post(target) == (403, "Forbidden")


def test_each_request_calls_the_function_unless_caching_is_on(gate, iot, name, post, record):
    create(iot, name)
    answers = record.with_name("answers")
    document = {"Version": "2012-10-17", "Statement": [allow("Publish", "topic/shared/*")]}
    answer = {"isAuthenticated": True, "principalId": "a", "policyDocuments": [document]}
    answers.write_text(json.dumps(answer | {"refreshAfterInSeconds": 300}))
    target = f"/topics/shared/a?{query(name=name, record=record, answers=answers)}"

    def calls(*targets):
        """The ids of the connections that the function is called for by requests on one of them."""
        seen = len(events(record))
        with Requests(gate) as requests:
            for number, one in enumerate(targets):
                assert requests.post(one, payload=b"x" * number) == (200, "OK")
        return [event["connectionMetadata"]["id"] for event in events(record)[seen:]]

    until(lambda: post(target) == (200, "OK"))
    first, second, third = calls(target, target, target)
    assert first == second == third
    iot.update_authorizer(authorizerName=name, enableCachingForHttp=True)
    until(lambda: len(calls(target, target)) == 1)
    # Once on a connection, whatever the body; for other credentials and on other connections again.
    one, again = calls(target, target, f"{target}&user=another")
    assert one == again
    assert calls(target, target) != [one]


def test_what_is_kept_for_one_token_is_no_other_tokens(gate, iot, name, record):
    """Whatever the name of its header, also one that is not of what a function is asked again for."""
    keys = {"tokenKeyName": "traceparent", "tokenSigningPublicKeys": {"one": public()}}
    iot.create_authorizer(
        authorizerName=name, authorizerFunctionArn=FUNCTION, enableCachingForHttp=True, **keys
    )
    answers = record.with_name("answers")
    document = {"Version": "2012-10-17", "Statement": [allow("Publish", "topic/shared/*")]}
    answer = {"isAuthenticated": True, "principalId": "a", "policyDocuments": [document]}
    answers.write_text(json.dumps(answer | {"refreshAfterInSeconds": 300}))
    target = f"/topics/shared/a?{query(name=name, record=record, answers=answers, signature=signature())}"
    with Requests(gate) as requests:
        until(lambda: requests.post(target, {"traceparent": TOKEN}) == (200, "OK"))
        assert requests.post(target, {"traceparent": "another"}) == (403, "Forbidden")
        assert requests.post(target, {"traceparent": TOKEN}) == (200, "OK")


def test_what_is_not_to_be_refreshed_is_not_kept(gate, iot, name, record, post):
    create(iot, name, enableCachingForHttp=True)
    target = f"/topics/shared/a?{query(name=name, record=record)}"
    until(lambda: post(target) == (200, "OK"))
    seen = len(events(record))
    assert post(target) == (200, "OK")
    assert len(events(record)) == seen + 1


def test_the_default_one_is_asked_at_each_door(gate, iot, plain, name, post, record):
    headers = [("record", str(record))]
    iot.set_default_authorizer(authorizerName=plain)
    try:
        until(lambda: post("/topics/shared/a", headers) == (200, "OK"))
        with SocketWire(gate, "/mqtt", headers=headers) as wire:
            assert wire.connect(name).code == 0
        assert [event["protocols"] for event in events(record)] == [["tls", "http"], ["tls", "http", "mqtt"]]
    finally:
        iot.clear_default_authorizer()
    until(lambda: post("/topics/shared/a", headers) == (403, "Forbidden"))


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"StringEquals": {"iot:DomainName": "localhost"}}, True),
        ({"StringEquals": {"iot:DomainName": "elsewhere"}}, False),
    ],
)
def test_the_returned_policies_may_have_conditions(gate, plain, post, record, condition, allowed):
    answers = record.with_name("answers")
    document = {"Version": "2012-10-17", "Statement": [allow("Publish", "*", Condition=condition)]}
    answer = {"isAuthenticated": True, "principalId": "a", "policyDocuments": [json.dumps(document)]}
    answers.write_text(json.dumps(answer))
    status, _ = post(f"/topics/anything?{query(name=plain, answers=answers)}")
    assert status == (200 if allowed else 403)
    if not allowed:
        assert "not authorized to publish to anything" in last_refusal(gate)["reason"]
