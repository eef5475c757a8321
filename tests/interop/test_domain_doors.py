"""What a domain demands of clients: a protocol, a way of saying who one is, a function that is asked."""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from interop.devices import ANYTHING, until
from interop.domains import code
from interop.domains import device as device
from interop.domains import domain as domain
from interop.domains import operator as operator
from interop.domains import who as who
from interop.sockets import Frames, Refused, credentials, presigned
from interop.wire import Closed, Wire, tls_context
from nodes import running

REGION = "us-east-1"
FUNCTION = f"arn:aws:lambda:{REGION}:000000000000:function:check"
X509, SIGV4 = "AWS_X509", "AWS_SIGV4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checks")


@pytest.fixture(scope="module")
def node(tmp_path_factory, folder):
    path = Path(__file__).parent / "functions"
    os.environ["CHECKS_FOLDER"] = str(folder)
    settings = (f"functions.path={path}", "functions.check=checks:check")
    try:
        with running(tmp_path_factory.mktemp("doors") / "node", *settings) as node:
            yield node
    finally:
        del os.environ["CHECKS_FOLDER"]


class Ways:
    """All the ways in, each of which says whether it was let through."""

    def __init__(self, domain, who, name):
        self.domain, self.who, self.name = domain, who, name
        self.node = domain.operator.node

    def mqtt(self):
        return self._connects(self.domain.wire(self.who))

    def mqtt_by_alpn(self):
        address = self.node.address("https")
        return self._connects(self.domain.wire(self.who, address=address, alpn=["x-amzn-mqtt-ca"]))

    def websocket(self):
        with self.domain.wire(address=self.node.address("https")) as wire:
            frames = Frames(wire.sock)
            host = self.domain.host
            try:
                frames.open(host, presigned(self.node, host=host), [], ["mqtt"])
            except Refused as refused:
                assert refused.status == 403
                return False
            wire.sock = frames
            return wire.connect(self.name).code == 0

    def https(self):
        return self._post({}, self.who)

    def https_signed(self):
        request = AWSRequest("POST", f"https://{self.domain.host}{self._target}", data=b"hello")
        SigV4Auth(credentials(self.node), "iotdata", REGION).add_auth(request)
        return self._post(dict(request.headers.items()), None)

    @property
    def _target(self):
        return f"/topics/{self.name}?qos=1"

    def _connects(self, wire):
        with wire:
            try:
                return wire.connect(self.name).code == 0
            except Closed:
                return False

    def _post(self, headers, who):
        host, ca = self.domain.host, self.domain.operator.ca

        class Connection(http.client.HTTPSConnection):
            def connect(self):
                http.client.HTTPConnection.connect(self)
                identity = who.identity if who is not None else None
                self.sock = tls_context(ca, identity).wrap_socket(self.sock, server_hostname=host)

        connection = Connection(*self.node.address("https"), timeout=10)
        try:
            connection.request("POST", self._target, b"hello", {"host": host} | headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 403)
            return answer.status == 200
        finally:
            connection.close()

    def open(self):
        ways = ("mqtt", "mqtt_by_alpn", "websocket", "https", "https_signed")
        return {way for way in ways if getattr(self, way)()}


MQTT, HTTPS = {"mqtt", "mqtt_by_alpn"}, {"https", "https_signed"}

OPEN = {
    ("DEFAULT", "DEFAULT"): MQTT | HTTPS | {"websocket"},
    ("DEFAULT", "SECURE_MQTT"): MQTT,
    ("DEFAULT", "MQTT_WSS"): {"websocket"},
    ("DEFAULT", "HTTPS"): HTTPS,
    (X509, "SECURE_MQTT"): MQTT,
    (X509, "HTTPS"): {"https"},
    (SIGV4, "MQTT_WSS"): {"websocket"},
    (SIGV4, "HTTPS"): {"https_signed"},
    ("CUSTOM_AUTH", "SECURE_MQTT"): set(),
    ("CUSTOM_AUTH", "MQTT_WSS"): set(),
    ("CUSTOM_AUTH", "HTTPS"): set(),
    ("CUSTOM_AUTH_X509", "SECURE_MQTT"): set(),
    ("CUSTOM_AUTH_X509", "HTTPS"): set(),
}


@pytest.mark.parametrize(("authentication", "protocol"), OPEN)
def test_a_domain_lets_in_what_it_is_for(domain, who, name, authentication, protocol):
    ways = Ways(domain, who, name)
    domain.change(authenticationType=authentication, applicationProtocol=protocol)
    until(lambda: ways.open() == OPEN[authentication, protocol])


def reasons(node, **about):
    return [one["reason"] for one in node.client("sekisho").list_refusals(**about)["refusals"]]


def test_explain_tells_what_the_domain_wanted(node, domain, who, name):
    ways = Ways(domain, who, name)
    domain.change(authenticationType=X509, applicationProtocol="HTTPS")
    until(lambda: not ways.mqtt())
    assert "applicationProtocol HTTPS, and this is SECURE_MQTT" in reasons(node, clientId=name)[0]
    assert not ways.https_signed()
    assert not ways.websocket()
    told = " ".join(reasons(node, maxResults=5))
    assert "authenticationType AWS_X509: it asks for a client certificate" in told
    assert "and this is MQTT_WSS" in told
    domain.change(authenticationType="CUSTOM_AUTH", applicationProtocol="SECURE_MQTT")
    until(lambda: not ways.mqtt() and "authorizer" in reasons(node, clientId=name)[0])
    assert "no authorizer is named, and there is no default one" in reasons(node, clientId=name)[0]


def test_all_else_is_as_ever_under_other_names(node, domain, who, name):
    domain.change(authenticationType=SIGV4, applicationProtocol="HTTPS")
    until(lambda: not Ways(domain, who, name).mqtt())
    with Wire(node.mqtt, node.ca, who.identity) as wire:
        assert wire.connect(name).code == 0


@pytest.fixture
def asked(domain):
    """The domain asks a function about each certificate."""
    domain.change(
        authenticationType=X509,
        applicationProtocol="SECURE_MQTT",
        clientCertificateConfig={"clientCertificateCallbackArn": FUNCTION},
    )
    return domain


def events(folder):
    path = folder / "events"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    ("verdict", "comes"),
    [
        ('{"isAuthenticated": true}', True),
        ('{"isAuthenticated": false}', False),
        ('{"isAuthenticated": "true"}', False),
        ("{}", False),
        ("[]", False),
        ("raise", False),
    ],
)
def test_a_function_is_asked_at_every_connect(node, folder, asked, device, name, verdict, comes):
    who = device("asked", statements=ANYTHING)
    (folder / who.certificate_id).write_text(verdict)

    def mine():
        return [event for event in events(folder) if event["principalId"] == who.certificate_id]

    def connects():
        return code(asked, name, who) == 0

    until(lambda: connects() == comes and mine())
    before = len(mine())
    assert connects() == comes
    assert len(mine()) == before + 1
    event = mine()[-1]
    assert event.pop("connectionMetadata")["id"]
    assert event == {
        "principalId": who.certificate_id,
        "serverName": asked.host,
        "clientCertificateChain": [who.certificate.read_text()],
    }
    if not comes:
        assert "clientCertificateCallbackArn" in reasons(node, clientId=name)[0]


def test_a_function_is_asked_before_an_https_request_too(folder, asked, device, name):
    who = device("asked", statements=ANYTHING)
    verdict = folder / who.certificate_id
    verdict.write_text('{"isAuthenticated": true}')
    asked.change(applicationProtocol="HTTPS")
    ways = Ways(asked, who, name)
    until(ways.https)
    verdict.write_text('{"isAuthenticated": false}')
    assert not ways.https()


def test_a_function_that_allows_gives_no_rights(folder, asked, device, name):
    who = device("asked", statements=[])
    (folder / who.certificate_id).write_text('{"isAuthenticated": true}')
    ways = Ways(asked, who, name)
    until(lambda: not ways.mqtt() and any(e["principalId"] == who.certificate_id for e in events(folder)))
    assert not ways.mqtt()
