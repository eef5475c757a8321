"""HTTPS publish with a client certificate, as ``curl --cert … --key …`` does it."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any, NamedTuple

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from interop.devices import WITHIN, allow, deny, until
from interop.sockets import REGION, credentials, host_of, secure
from interop.wire import Wire, tls_context


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


def post(node, identity, path, payload=b"", headers={}, alpn=None):  # noqa: B006
    context = tls_context(node.ca, identity)
    if alpn is not None:
        context.set_alpn_protocols([alpn])
    connection = http.client.HTTPSConnection(*node.address("https"), context=context, timeout=10)
    try:
        connection.request("POST", path, payload, dict(headers))
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, names, json.loads(answer.read()))
    finally:
        connection.close()


@pytest.fixture
def refusal(own):
    return lambda **filters: own.list_refusals(maxResults=1, **filters)["refusals"][0]


@pytest.mark.parametrize("alpn", [None, "x-amzn-http-ca", "http/1.1"])
@pytest.mark.parametrize("query", ["", "?qos=0", "?qos=1"])
def test_a_device_publishes(node, anything, observer, alpn, query):
    observer.subscribe("https/a/b")
    answer = post(node, anything.identity, f"/topics/https/a/b{query}", b"payload", alpn=alpn)
    assert answer.status == 200
    assert answer.body == {"message": "OK", "traceId": answer.headers["x-amzn-requestid"]}
    got = observer.message()
    assert (got.topic, got.payload) == ("https/a/b", b"payload")
    assert got.qos == (1 if query == "?qos=1" else 0)


def test_slashes_may_be_encoded(node, anything, observer):
    observer.subscribe("https/enc oded/x")
    assert post(node, anything.identity, "/topics/https%2Fenc%20oded%2Fx").status == 200
    assert observer.message().payload == b""


def test_a_connection_may_be_kept_for_several(node, anything, observer):
    observer.subscribe("https/kept")
    context = tls_context(node.ca, anything.identity)
    connection = http.client.HTTPSConnection(*node.address("https"), context=context, timeout=10)
    for n in range(3):
        connection.request("POST", "/topics/https/kept", bytes([n]))
        assert connection.getresponse().read()
    connection.close()
    assert [observer.message().payload for _ in range(3)] == [b"\0", b"\1", b"\2"]


def test_what_mqtt_5_adds_is_passed_on(node, anything):
    with anything.online("https-five", 5) as wire:
        wire.subscribe("https/five")
        answer = post(
            node,
            anything.identity,
            "/topics/https/five?qos=1&contentType=text%2Fplain&responseTopic=re%2Fply&messageExpiry=60",
            b"x",
            {
                "x-amz-mqtt5-user-properties": base64.b64encode(b'[{"a":"1"},{"a":"2"}]').decode(),
                "x-amz-mqtt5-payload-format-indicator": "UTF8_DATA",
                "x-amz-mqtt5-correlation-data": base64.b64encode(b"\x00\x01").decode(),
            },
        )
        assert answer.status == 200
        properties = wire.message().properties
    assert properties.pop(0x02) in (59, 60)
    assert properties == {
        0x01: 1,
        0x03: b"text/plain",
        0x08: b"re/ply",
        0x09: b"\x00\x01",
        0x26: [(b"a", b"1"), (b"a", b"2")],
    }


def test_a_retained_message_needs_its_own_right(node, device, anything, iot_data, refusal):
    may_not = device("https-plain", statements=[allow("Publish", "topic/https/retained")])
    path = "/topics/https/retained?retain=true"
    assert post(node, may_not.identity, path, b"kept").status == 403
    assert refusal()["action"] == "iot:RetainPublish"
    assert post(node, anything.identity, path, b"kept").status == 200
    assert iot_data.get_retained_message(topic="https/retained")["payload"] == b"kept"


def test_policies_decide_and_explain_says_why(node, device, refusal):
    only = device(
        "https-only", statements=[allow("Publish", "topic/https/mine"), allow("Connect", "client/*")]
    )
    assert post(node, only.identity, "/topics/https/mine").status == 200
    answer = post(node, only.identity, "/topics/https/theirs")
    assert answer.status == 403
    assert answer.headers["x-amzn-errortype"] == "ForbiddenException"
    assert answer.body == {"message": "Forbidden", "traceId": answer.headers["x-amzn-requestid"]}
    found = refusal(certificateId=only.certificate_id)
    assert (found["action"], found["decision"]) == ("iot:Publish", "IMPLICIT_DENY")
    assert found["resource"].endswith(":topic/https/theirs")
    assert found["policies"][0]["policyName"] == only.policy
    assert found["effect"] == "the request was answered 403 (Forbidden)"


def test_a_deny_wins(node, device):
    statements = [allow("*", "*"), deny("Publish", "topic/https/secret")]
    denied = device("https-denied", statements=statements)
    assert post(node, denied.identity, "/topics/https/secret").status == 403
    assert post(node, denied.identity, "/topics/https/open").status == 200


def test_variables_of_a_connection_have_no_value_those_of_the_certificate_do(node, device, refusal):
    thing = device(
        "https-thing", statements=[allow("Publish", "topic/https/${iot:Connection.Thing.ThingName}")]
    )
    assert post(node, thing.identity, f"/topics/https/{thing.name}").status == 403
    assert refusal(certificateId=thing.certificate_id)["missingVariables"] == [
        "iot:Connection.Thing.ThingName"
    ]
    client = device("https-client", statements=[allow("Publish", "topic/https/x${iot:ClientId}")])
    assert post(node, client.identity, "/topics/https/x").status == 403
    own = device("https-cert", statements=[allow("Publish", "topic/https/${iot:CertificateId}")])
    assert post(node, own.identity, f"/topics/https/{own.certificate_id}").status == 200
    name = allow("Publish", "topic/https/${iot:Certificate.Subject.CommonName}")
    named = device("https-named", statements=[name])
    assert post(node, named.identity, f"/topics/https/{named.name}").status == 200


def test_a_certificate_must_be_registered_and_active(node, device, iot, refusal):
    revoked = device("https-revoked", statements=[allow("*", "*")])
    assert post(node, revoked.identity, "/topics/https/x").status == 200
    iot.update_certificate(certificateId=revoked.certificate_id, newStatus="INACTIVE")
    until(lambda: post(node, revoked.identity, "/topics/https/x").status == 403, WITHIN)
    assert "INACTIVE" in refusal(certificateId=revoked.certificate_id)["reason"]
    iot.update_certificate(certificateId=revoked.certificate_id, newStatus="REVOKED")
    iot.detach_thing_principal(thingName=revoked.name, principal=revoked.arn)
    iot.delete_certificate(certificateId=revoked.certificate_id, forceDelete=True)
    until(lambda: "is not registered" in _reason(node, revoked, refusal), WITHIN)


def _reason(node, device, refusal):
    assert post(node, device.identity, "/topics/https/x").status == 403
    return refusal(certificateId=device.certificate_id)["reason"]


def test_without_a_certificate_or_a_signature_there_is_nothing(node, refusal):
    answer = post(node, None, "/topics/https/x")
    assert (answer.status, answer.body["message"]) == (403, "Forbidden")
    assert "no client certificate" in refusal()["reason"]


BAD = {
    "a qos that is none": ("/topics/https/x?qos=7", b"", 400),
    "no number": ("/topics/https/x?qos=many", b"", 400),
    "too many levels": ("/topics/" + "a/" * 9, b"", 400),
    "a wildcard": ("/topics/https/%23", b"", 400),
    "a reserved topic": ("/topics/$aws/events/presence/connected/x", b"", 400),
    "no topic": ("/topics/", b"", 404),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told_in_words(node, anything, name):
    path, payload, status = BAD[name]
    answer = post(node, anything.identity, path, payload)
    assert answer.status == status, answer.body
    assert answer.body["message"] and answer.body["traceId"]
    assert answer.headers["x-amzn-errortype"]


def test_a_payload_beyond_the_limit_is_refused(node, anything):
    answer = post(node, anything.identity, "/topics/https/x", bytes(131_073))
    assert answer.status in (400, 413)
    assert "131072" in answer.body["message"]
    answer = post(node, anything.identity, "/topics/https/x", bytes(1 << 21))
    assert answer.status == 413


def test_a_signature_goes_before_a_certificate(node, device, observer):
    """Its certificate may do nothing; the signature is the root's."""
    nobody = device("https-nobody", statements=[])
    observer.subscribe("https/signed")
    url = f"https://{host_of(node)}/topics/https/signed?qos=1"
    request = AWSRequest("POST", url, data=b"signed")
    SigV4Auth(credentials(node), "iotdevicegateway", REGION).add_auth(request)
    headers = dict(request.headers.items())
    context = tls_context(node.ca, nobody.identity)
    connection = http.client.HTTPSConnection(*node.address("https"), context=context, timeout=10)
    connection.request("POST", "/topics/https/signed?qos=1", b"signed", headers)
    assert connection.getresponse().status == 200
    connection.close()
    assert observer.message().payload == b"signed"


def test_mqtt_by_alpn_still_has_its_port(node, anything):
    for alpn in ("x-amzn-mqtt-ca", "mqtt"):
        with Wire(node.address("https"), node.ca, anything.identity, alpn=[alpn]) as wire:
            assert wire.connect(f"alpn-{alpn}").code == 0


def test_a_certificate_opens_nothing_else(node, anything):
    """Other operations are asked for with a signature."""
    with secure(node, identity=anything.identity) as sock:
        sock.sendall(b"GET /things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"403" in sock.recv(65536)[:20]
