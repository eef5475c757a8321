"""CONNECT as it looks on the wire: who gets in, and what those see who do not."""

from __future__ import annotations

import datetime
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from interop.devices import ANYTHING, allow, new_key
from interop.packets import Will, connect_packet, text
from interop.wire import Closed, Wire

NOT_AUTHORIZED = 0x87


def refused(wire: Wire, client_id: str, code: int = NOT_AUTHORIZED, version: int = 4, **more) -> None:
    """3.1.1: closed without a byte of CONNACK. 5: a CONNACK with the code, then closed."""
    with wire:
        if version == 4:
            with pytest.raises(Closed):
                wire.connect(client_id, 4, **more)
            assert wire.received == 0
        else:
            assert wire.connect(client_id, 5, **more).code == code
            assert wire.until_closed() is None


def last_refusal(own, **filters):
    return own.list_refusals(maxResults=1, **filters)["refusals"][0]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A certificate that no one registered, signed by itself."""
    folder = tmp_path_factory.mktemp("stranger")
    key, key_pem = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key").write_bytes(key_pem)
    return str(folder / "crt"), str(folder / "key")


# --- who is not let in -------------------------------------------------------------------------------------


def test_an_unregistered_certificate_gets_through_tls_and_no_further(node, own, stranger, version):
    with Wire(node.mqtt, node.ca, stranger) as wire:
        assert wire.sock.version() == "TLSv1.3"
        refused(wire, "stranger", version=version)
    refusal = last_refusal(own, clientId="stranger")
    assert refusal["action"] == "iot:Connect"
    assert refusal["reason"].startswith("DEVICE_CERTIFICATE_NOT_REGISTERED")


def test_no_certificate(node, own, version):
    refused(Wire(node.mqtt, node.ca), "nobody", version=version)
    assert "no client certificate" in last_refusal(own, clientId="nobody")["reason"]


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_a_certificate_that_is_not_active(device, iot, own, status, version):
    sleeping = device("sleeping", active=False)
    iot.update_certificate(certificateId=sleeping.certificate_id, newStatus=status)
    refused(sleeping.wire(), sleeping.name, version=version)
    refusal = last_refusal(own, certificateId=sleeping.certificate_id)
    assert refusal["reason"].startswith(f"DEVICE_CERTIFICATE_{status}")


def test_a_certificate_is_activated_and_gets_in(device, iot):
    sleeping = device("sleeping", active=False)
    refused(sleeping.wire(), sleeping.name)
    iot.update_certificate(certificateId=sleeping.certificate_id, newStatus="ACTIVE")
    with sleeping.online() as wire:
        wire.ping()


def test_an_expired_certificate(device, own, version):
    old = device("old")
    own.set_clock(to=datetime.datetime(2050, 1, 1, tzinfo=datetime.UTC))
    try:
        refused(old.wire(), old.name, version=version)
        assert "not valid at this time" in last_refusal(own, clientId=old.name)["reason"]
    finally:
        own.set_clock(reset=True)
    with old.online(version=version) as wire:
        wire.ping()


def test_a_certificate_without_a_policy(device, version):
    """[MQTT-3.1.4-2]"""
    bare = device("bare", statements=[])
    refused(bare.wire(), bare.name, version=version)


def test_the_client_id_of_another(device, own, version):
    one, other = device("one"), device("other")
    refused(one.wire(), other.name, version=version)
    refusal = last_refusal(own, clientId=other.name)
    assert refusal["certificateId"] == one.certificate_id
    assert refusal["resource"].endswith(f":client/{other.name}")


@pytest.mark.parametrize("client_id", ["$me", "x" * 129], ids=["begins with $", "too long"])
def test_client_ids_that_cannot_be(anything, client_id, version):
    """[MQTT-3.1.3-8] [MQTT-3.2.2-7]"""
    refused(anything.wire(), client_id, code=0x85, version=version)


def test_the_refusal_of_mqtt_5_says_why(anything):
    with anything.wire() as wire:
        answer = wire.connect("x" * 129, 5)
    assert answer.properties[0x1F] == b"the client identifier is longer than 128 bytes"


def test_an_empty_client_id_is_refused_in_3_1_1_and_given_one_in_5(anything):
    refused(anything.wire(), "")
    with anything.wire() as wire:
        answer = wire.connect("", 5)
        assert answer.code == 0
        assert len(answer.properties[0x12]) > 10
        wire.ping()


def test_the_longest_client_id(anything):
    with anything.online("ü" * 64) as wire:
        wire.ping()


def test_the_first_packet_must_be_a_connect(anything):
    """[MQTT-3.1.0-1] [3.1.1 MQTT-3.1.0-1]"""
    with anything.wire() as wire:
        wire.send(b"\xc0\x00")
        assert wire.until_closed() is None
        assert wire.received == 0


def test_mqtt_3_1_is_not_spoken(anything):
    """[MQTT-3.1.2-2]"""
    with anything.wire() as wire:
        body = text("MQIsdp") + b"\x03\x02\x00\x3c" + text("old")
        wire.send(bytes([0x10, len(body)]) + body)
        assert wire.until_closed() is None


# --- wills -------------------------------------------------------------------------------------------------


def test_a_will_needs_the_right_to_publish_it(device, own, version):
    author = device("author")
    refused(author.wire(), author.name, version=version, will=Will("devices/someone-else/will"))
    refusal = last_refusal(own, clientId=author.name)
    assert refusal["action"] == "iot:Publish"
    assert refusal["resource"].endswith(":topic/devices/someone-else/will")
    with author.online(version=version, will=Will(f"devices/{author.name}/will")) as wire:
        wire.ping()


@pytest.mark.parametrize(
    ("will", "code"),
    [
        (Will("a/b", qos=2), 0x9B),
        (Will("a/+"), 0x90),
        (Will("a/b/c/d/e/f/g/h/i"), 0x90),
        (Will("a/b", b"x" * 65535, qos=1), 0),
    ],
    ids=["qos 2", "wildcard", "too many slashes", "long"],
)
def test_what_a_will_may_be(anything, will, code):
    """[MQTT-3.2.2-12]"""
    if code:
        refused(anything.wire(), "willing", will=will)
        refused(anything.wire(), "willing", code=code, version=5, will=will)
    else:
        with anything.online("willing", will=will) as wire:
            wire.ping()


CLEAN, PERSISTENT, WILLING = {}, {"clean": False}, {"will": Will("a")}

EXAMPLES = {
    "with PersistentConnect": ("ForAllValues:StringEquals", ["PersistentConnect"], (True, True, False)),
    "without PersistentConnect": ("ForAllValues:StringNotEquals", ["PersistentConnect"], (True, False, True)),
    "clean, with or without LastWill": ("ForAllValues:StringEquals", ["LastWill"], (True, False, True)),
    "only with PersistentConnect": ("ForAnyValue:StringEquals", ["PersistentConnect"], (False, True, False)),
    "default features only": ("ForAllValues:StringEquals", [], (True, False, False)),
}
"""Name → condition on iot:ConnectAttributes → who may connect: clean, persistent, with a will (AWS IoT
Developer Guide, Connect policy examples)."""


@pytest.mark.parametrize("example", EXAMPLES)
def test_connect_attributes(device, example):
    operator, values, expected = EXAMPLES[example]
    condition = {operator: {"iot:ConnectAttributes": values}}
    gated = device(
        "gated", statements=[allow("Connect", "*", Condition=condition), allow("Publish", "topic/a")]
    )
    for more, allowed in zip((CLEAN, PERSISTENT, WILLING), expected, strict=True):
        if allowed:
            gated.online(**more).close()
        else:
            refused(gated.wire(), gated.name, **more)


def test_the_topic_of_the_will_as_a_condition(device):
    """``iot:LastWillTopic`` (AWS IoT Developer Guide, Connect policy examples)."""
    topic = "arn:aws:iot:us-east-1:000000000000:topic/my/lastwill"
    condition = {"ArnEquals": {"iot:LastWillTopic": topic}}
    gated = device("gated", statements=[allow("Connect", "*", Condition=condition), allow("Publish", "*")])
    gated.online(will=Will("my/lastwill")).close()
    refused(gated.wire(), gated.name, will=Will("my/other"))
    refused(gated.wire(), gated.name)


# --- what those see who are let in -------------------------------------------------------------------------


def test_the_connack_of_mqtt_5(anything):
    """[MQTT-3.1.4-5] [MQTT-3.2.2-9]"""
    session_expiry = b"\x11\x00\x00\x0e\x10"
    with anything.wire() as wire:
        answer = wire.connect("five", 5, keep_alive=600, clean=False, properties=session_expiry)
    assert answer.code == 0
    assert not answer.session_present
    assert answer.properties == {
        0x11: 3600,  # session expiry
        0x13: 600,  # server keep alive
        0x21: 100,  # receive maximum
        0x22: 8,  # topic aliases
        0x24: 1,  # maximum QoS
        0x25: 1,  # retain
        0x27: 149504,  # maximum packet size
        0x28: 1,  # wildcard subscriptions
        0x29: 0,  # subscription identifiers: AWS has none
        0x2A: 1,  # shared subscriptions
    }


@pytest.mark.parametrize(
    ("asked", "granted"), [(0, 1200), (1, 30), (29, 30), (30, 30), (1200, 1200), (9999, 1200)]
)
def test_the_keep_alive_is_clamped_and_said(anything, asked, granted):
    with anything.wire() as wire:
        assert wire.connect("five", 5, keep_alive=asked).properties[0x13] == granted


def test_a_second_connect_closes_the_connection(anything, version):
    """[MQTT-3.1.0-2] [3.1.1 MQTT-3.1.0-2]"""
    with anything.online("twice", version) as wire:
        wire.send(connect_packet("twice", version))
        assert wire.until_closed() == (0x82 if version == 5 else None)


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3(anything, tls):
    with anything.wire(tls=tls) as wire:
        assert wire.sock.version() == {0x303: "TLSv1.2", 0x304: "TLSv1.3"}[tls]
        assert wire.connect("tls").code == 0


@pytest.mark.parametrize("tls", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_tickets(anything, tls):
    """AWS IoT has none; in TLS 1.3 they come after the handshake, and before the CONNACK."""
    with anything.wire(tls=tls) as wire:
        assert wire.connect("tickets").code == 0
        assert not wire.sock.session.has_ticket


def test_tls_1_1_is_refused(node):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.load_verify_locations(node.ca)
    with (
        socket.create_connection(node.mqtt, 5) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol|version|handshake"),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.parametrize("server_name", [None, "someone-else.example"])
def test_server_name_none_or_foreign(anything, server_name):
    """The default account is meant; tests/interop/test_endpoints.py has the names of others."""
    with anything.wire(server_name=server_name) as wire:
        assert wire.connect("sni").code == 0


def test_the_certificate_of_the_node_is_for_its_name(anything):
    with anything.wire() as wire:
        names = wire.sock.getpeercert()["subjectAltName"]
    assert ("DNS", "localhost") in names


# --- ports and ALPN ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["mqtt", "https"])
@pytest.mark.parametrize("alpn", [None, ["x-amzn-mqtt-ca"], ["something-else"]])
def test_mqtt_by_alpn_or_by_first_byte(node, anything, port, alpn):
    """[MQTT-4.2-1] [3.1.1 MQTT-7.1.1-1]"""
    with anything.wire(address=node.address(port), alpn=alpn) as wire:
        expected = "x-amzn-mqtt-ca" if alpn == ["x-amzn-mqtt-ca"] else None
        assert wire.sock.selected_alpn_protocol() == expected
        assert wire.connect("alpn").code == 0
        wire.ping()


@pytest.mark.parametrize("alpn", [None, ["http/1.1"], ["x-amzn-http-ca"]])
def test_http_on_the_https_port(node, anything, alpn):
    with anything.wire(address=node.address("https"), alpn=alpn) as wire:
        wire.send(b"GET /things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        wire.sock.settimeout(5)
        answer = b""
        while data := wire.sock.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 403 ")  # not signed
    assert b"x-amzn-errortype" in answer.lower()


def test_http_on_the_mqtt_port_is_closed(anything):
    with anything.wire() as wire:
        wire.send(b"GET /things HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.until_closed() is None
        assert wire.received == 0


def test_alpn_for_mqtt_is_not_http(node, anything):
    with anything.wire(address=node.address("https"), alpn=["x-amzn-mqtt-ca"]) as wire:
        wire.send(b"GET /things HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.until_closed() is None
        assert wire.received == 0


def test_one_certificate_many_connections(device):
    many = device("many", statements=ANYTHING)
    wires = [many.online(f"many-{number}") for number in range(20)]
    for wire in wires:
        wire.ping()
        wire.close()
