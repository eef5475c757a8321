"""Questions 2 and 16: which CA is for what, and whether a certificate without its CA is less secure."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from api.authorities import DAY, Authority, Issued, self_signed
from interop.authorities import Newcomer, device_key
from interop.devices import NUMBERS, allow, document


@pytest.fixture
def name(request):
    """A client id, a thing's name and a common name of the test's own."""
    return f"{request.node.name.removeprefix('test_')[:40].replace('_', '-')}-{next(NUMBERS)}"


@pytest.fixture
def give(iot):
    """Gives a certificate a thing and the right to connect as it."""

    def thing_and_policy(name: str, certificate_arn: str) -> None:
        iot.create_thing(thingName=name)
        iot.attach_thing_principal(thingName=name, principal=certificate_arn)
        allowed = document(allow("Connect", "client/${iot:Connection.Thing.ThingName}"))
        iot.create_policy(policyName=name, policyDocument=allowed)
        iot.attach_policy(policyName=name, target=certificate_arn)

    return thing_and_policy


def audit_of(node, request_id):
    with contextlib.closing(
        sqlite3.connect(f"file:{node.data / 'sekisho.db'}?mode=ro", uri=True)
    ) as database:
        return database.execute(
            "SELECT principal, operation, outcome, source_ip, detail FROM audit WHERE request_id = ?",
            [request_id],
        ).fetchall()


def user(node, name: str, *actions: str):
    """An ``iot`` client of a new IAM user that may do so much."""
    iam = node.client("iam")
    iam.create_user(UserName=name)
    may = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    return node.client("iot", **keys)


def without_its_key(issued: Issued) -> Issued:
    """What a thief has who has read a certificate: its public key with a private key that is another's."""
    other = ec.generate_private_key(ec.SECP256R1())

    def point(key) -> bytes:
        return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    return issued._replace(key=Forged(other, point(other), point(issued.key)))


class Forged:
    """A private key in whose file stands the public key of another."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, own: bytes, claimed: bytes) -> None:
        self._key, self._own, self._claimed = key, own, claimed

    def private_bytes(self, encoding, format, encryption) -> bytes:
        der = self._key.private_bytes(Encoding.DER, format, encryption)
        assert der.count(self._own) == 1
        return (
            ssl.DER_cert_to_PEM_cert(der.replace(self._own, self._claimed))
            .replace("CERTIFICATE", "PRIVATE KEY")
            .encode()
        )


# --- question 2: is a certificate that is registered without its CA less secure? ---


def test_q02_the_same_mutual_tls_and_the_same_proof_of_the_key(node, iot, name, tmp_path, give):
    """No. Both devices prove in the handshake that they have their keys; who has only seen the certificate
    does not get through it, registered with its CA or without."""
    ca = Authority(name)
    ca.register(iot)
    with_ca, without = ca.sign(name, device_key()), self_signed(f"{name}-vendor")
    one = iot.register_certificate(certificatePem=with_ca.pem, status="ACTIVE")
    other = iot.register_certificate_without_ca(certificatePem=without.pem, status="ACTIVE")
    give(name, one["certificateArn"])
    give(f"{name}-vendor", other["certificateArn"])
    for issued, client_id in ((with_ca, name), (without, f"{name}-vendor")):
        device = Newcomer(node, tmp_path, issued)
        with device.wire() as wire:
            assert wire.sock.version() == "TLSv1.3"
            assert wire.connect(client_id).code == 0
        thief = Newcomer(node, tmp_path, without_its_key(issued))
        # The node's alert for a signature that does not fit (RFC 8446, 6.2).
        with pytest.raises(ssl.SSLError, match="DECRYPT_ERROR"), thief.wire() as wire:
            wire.connect(client_id)
        assert Newcomer(node, tmp_path, issued).paho(client_id)


def test_q02_registering_is_an_authorized_and_audited_act(node, iot, name, tmp_path, give):
    """What differs is who vouches for the device: not a CA's signature, but a named principal's request.
    Before it the certificate is worth nothing, and the audit table says who has made it worth something."""
    vendor = self_signed(name)
    device = Newcomer(node, tmp_path, vendor)
    assert device.is_refused(name)

    body = json.dumps({"certificatePem": vendor.pem, "status": "ACTIVE"}).encode()
    unsigned = urllib.request.Request(
        f"http://{node.endpoints['api']}/certificate/register-no-ca",
        body,
        {"content-type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(unsigned)
    with refusal.value:
        assert refusal.value.code == 403
    clerk = user(node, "clerk", "iot:DescribeCertificate")
    with pytest.raises(iot.exceptions.ClientError, match="not authorized to perform: iot:RegisterCert"):
        clerk.register_certificate_without_ca(certificatePem=vendor.pem, status="ACTIVE")
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_certificate(certificateId=vendor.id)

    made = iot.register_certificate_without_ca(certificatePem=vendor.pem, status="ACTIVE")
    [(principal, operation, outcome, address, detail)] = audit_of(node, made["ResponseMetadata"]["RequestId"])
    assert (operation, outcome) == ("RegisterCertificateWithoutCA", "Success")
    assert principal == "arn:aws:iam::000000000000:root"
    assert address in ("127.0.0.1", "::1")
    assert json.loads(detail)["certificateArn"] == made["certificateArn"]
    give(name, made["certificateArn"])
    assert device.paho(name)


def test_q02_one_certificate_in_two_devices_is_found(node, iot, own, name, tmp_path, give):
    """A copied key is a danger with any CA. The copy takes the connection from the original, and the original
    takes it back: that, and two connections at once, is found in the table of connections, and told."""
    vendor = self_signed(name)
    made = iot.register_certificate_without_ca(certificatePem=vendor.pem, status="ACTIVE")
    give(name, made["certificateArn"])
    device = Newcomer(node, tmp_path, vendor)
    shared = partial(own.list_shared_certificates, certificateId=device.id)
    original = partial(device.paho_online, name)
    copy = partial(device.paho_online, name, bind_address="127.0.0.2")
    with original() as first, copy() as second:
        assert first and second
        # A device that changes its network does as much. The way back it does not.
        assert shared()["sharedCertificates"] == []
        with original() as third:
            assert third
    [found] = shared()["sharedCertificates"]
    assert (found["clientIds"], found["ways"]) == ([name], ["TAKEOVERS"])
    assert found["sourceIps"] == ["127.0.0.1", "127.0.0.2"]


# --- question 16: which CA is for what? ---


def test_q16_the_platforms_ca(node, iot, name, tmp_path, give):
    """For devices that can be given something when they are made or set up: nothing to run, and an end that
    is the same for all."""
    made = iot.create_keys_and_certificate(setAsActive=True)
    give(name, made["certificateArn"])
    found = iot.describe_certificate(certificateId=made["certificateId"])["certificateDescription"]
    assert found["validity"]["notAfter"] == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert found["certificateMode"] == "DEFAULT"
    assert "caCertificateId" not in found
    parsed = x509.load_pem_x509_certificate(made["certificatePem"].encode())
    device = Newcomer(
        node, tmp_path, Issued(parsed, load_pem_private_key(made["keyPair"]["PrivateKey"].encode(), None))
    )
    assert device.paho(name)


def test_q16_ones_own_ca(node, iot, own, name, tmp_path, give):
    """For who decides himself how long a certificate is valid and what stands in it, and keeps the CA's key.
    The CA is proved once; after that each device registers itself at its first connect."""
    ca = Authority(name, ends=20 * 365 * DAY)
    code = iot.get_registration_code()["registrationCode"]
    iot.register_ca_certificate(
        caCertificate=ca.pem,
        verificationCertificate=ca.proof(code),
        setAsActive=True,
        allowAutoRegistration=True,
    )
    device = Newcomer(node, tmp_path, ca.sign(name, device_key(), ends=30 * DAY), ca)
    assert device.is_refused(name)
    found = iot.describe_certificate(certificateId=device.id)["certificateDescription"]
    assert (found["status"], found["caCertificateId"]) == ("PENDING_ACTIVATION", ca.id)
    give(name, found["certificateArn"])
    iot.update_certificate(certificateId=device.id, newStatus="ACTIVE")
    assert device.paho(name)

    # The batch is made: the CA registers nothing more, and what it has registered goes on.
    iot.update_ca_certificate(certificateId=ca.id, newStatus="INACTIVE")
    late = Newcomer(node, tmp_path, ca.sign(f"{name}-late", device_key()), ca)
    assert late.is_refused(f"{name}-late")
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_certificate(certificateId=late.id)
    assert device.paho(name)

    # Its end is the one that the CA gave it.
    own.set_clock(advanceSeconds=timedelta(days=31).total_seconds())
    try:
        assert device.is_refused(name)
    finally:
        own.set_clock(reset=True)


def test_q16_a_vendors_certificate(node, iot, name, tmp_path, give):
    """For parts that come with a certificate: the vendor keeps its CA, and each certificate is registered by
    itself before the device connects. The client must name its endpoint (SNI)."""
    vendor = Authority(f"{name} Semiconductors")
    chip = vendor.sign(name, device_key(), ends=99 * 365 * DAY)
    with pytest.raises(iot.exceptions.CertificateValidationException):
        iot.register_certificate(certificatePem=chip.pem)
    made = iot.register_certificate_without_ca(certificatePem=chip.pem, status="ACTIVE")
    found = iot.describe_certificate(certificateId=made["certificateId"])["certificateDescription"]
    assert found["certificateMode"] == "SNI_ONLY"
    assert found["validity"]["notAfter"] > datetime(2100, 1, 1, tzinfo=UTC)
    give(name, made["certificateArn"])
    assert Newcomer(node, tmp_path, chip, vendor).paho(name)
    assert Newcomer(node, tmp_path, chip).paho(name)
