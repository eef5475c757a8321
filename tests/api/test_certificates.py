"""Certificates: issued for a request or with new keys, described, listed, changed, deleted."""

from __future__ import annotations

import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509.oid import ExtensionOID, NameOID

from api.making import KEY, UNKNOWN_ID, arn, certificate, csr, document, listed, refused

LAST_MOMENT = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
STATES = ("ACTIVE", "INACTIVE", "REVOKED")
RSA_KEY = rsa.generate_private_key(65537, 2048)


def described(iot, id):
    return iot.describe_certificate(certificateId=id)["certificateDescription"]


def public(key) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


# --- issuing ---


def test_a_certificate_for_a_request(iot, node):
    before = datetime.now(UTC).replace(microsecond=0)
    request = csr("device 7", ORGANIZATION_NAME="Ö & Co", COUNTRY_NAME="DE", SERIAL_NUMBER="0007")
    made = iot.create_certificate_from_csr(certificateSigningRequest=request)
    found = x509.load_pem_x509_certificate(made["certificatePem"].encode())
    assert made["certificateId"] == hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest()
    assert made["certificateArn"] == arn(f"cert/{made['certificateId']}")
    assert found.subject == x509.load_pem_x509_csr(request.encode()).subject
    assert public(found.public_key()) == public(KEY.public_key())
    assert found.not_valid_after_utc == LAST_MOMENT
    assert (
        before - timedelta(minutes=2)
        <= found.not_valid_before_utc
        <= datetime.now(UTC) - timedelta(minutes=2)
    )
    authority = x509.load_pem_x509_certificate(Path(node.ca).read_bytes())
    found.verify_directly_issued_by(authority)


def test_what_is_issued_looks_as_aws_does_it(iot):
    pem = certificate(iot).pem
    found = x509.load_pem_x509_certificate(pem.encode())
    assert found.version is x509.Version.v3
    assert isinstance(found.signature_hash_algorithm, hashes.SHA256)
    assert found.serial_number.bit_length() in range(153, 161)
    assert {(one.oid, one.critical) for one in found.extensions} == {
        (ExtensionOID.AUTHORITY_KEY_IDENTIFIER, False),
        (ExtensionOID.SUBJECT_KEY_IDENTIFIER, False),
        (ExtensionOID.BASIC_CONSTRAINTS, True),
        (ExtensionOID.KEY_USAGE, True),
    }
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and not usage.key_cert_sign
    assert len(found.issuer.rdns) == 1
    assert pem == ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(pem))


def test_the_same_request_twice_gives_two_certificates(iot):
    request = csr()
    first, second = (
        iot.create_certificate_from_csr(certificateSigningRequest=request)["certificateId"] for _ in range(2)
    )
    assert first != second
    assert described(iot, first)["status"] == described(iot, second)["status"] == "INACTIVE"


@pytest.mark.parametrize(
    "key",
    [RSA_KEY, ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP521R1())],
    ids=["rsa-2048", "p-384", "p-521"],
)
def test_requests_with_other_keys(iot, key):
    made = iot.create_certificate_from_csr(certificateSigningRequest=csr(key=key))
    found = x509.load_pem_x509_certificate(made["certificatePem"].encode())
    assert public(found.public_key()) == public(key.public_key())


def test_a_request_with_crlf_and_words_around_it(iot):
    text = "made by hand\r\n" + csr().replace("\n", "\r\n")
    assert iot.create_certificate_from_csr(certificateSigningRequest=text)["certificateId"]


def test_new_keys(iot):
    made = iot.create_keys_and_certificate()
    private = load_pem_private_key(made["keyPair"]["PrivateKey"].encode(), None)
    assert made["keyPair"]["PrivateKey"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert private.key_size == 2048
    found = x509.load_pem_x509_certificate(made["certificatePem"].encode())
    assert public(found.public_key()) == public(private.public_key())
    assert public(load_pem_public_key(made["keyPair"]["PublicKey"].encode())) == public(private.public_key())
    assert found.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "AWS IoT Certificate")])
    assert found.not_valid_after_utc == LAST_MOMENT
    assert made["certificateId"] == hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest()
    assert made["certificateArn"] == arn(f"cert/{made['certificateId']}")


def test_q12_the_private_key_is_nowhere_afterwards(iot, node, sql):
    made = iot.create_keys_and_certificate()
    body = "".join(made["keyPair"]["PrivateKey"].splitlines()[1:-1])
    described_text = repr(iot.describe_certificate(certificateId=made["certificateId"]))
    everything = [described_text, node.log]
    everything += [file.read_text("latin-1") for file in node.data.rglob("*") if file.is_file()]
    for table in ("resource", "audit"):
        column = "body" if table == "resource" else "detail"
        everything += [row[0] for row in sql(f"SELECT {column} FROM {table}")]
    flat = "".join(everything).replace("\\n", "").replace("\n", "")
    assert made["certificateId"] in flat
    for start in range(0, len(body) - 40, 40):
        assert body[start : start + 40] not in flat


@pytest.mark.parametrize(
    "active, status",
    [({}, "INACTIVE"), ({"setAsActive": False}, "INACTIVE"), ({"setAsActive": True}, "ACTIVE")],
)
def test_set_as_active(iot, active, status):
    made = iot.create_certificate_from_csr(certificateSigningRequest=csr(), **active)
    assert described(iot, made["certificateId"])["status"] == status
    made = iot.create_keys_and_certificate(**active)
    assert described(iot, made["certificateId"])["status"] == status


# --- describing ---


def test_describe(iot):
    before = datetime.now(UTC) - timedelta(seconds=1)
    cert = certificate(iot)
    found = described(iot, cert.id)
    parsed = x509.load_pem_x509_certificate(cert.pem.encode())
    assert before < found.pop("creationDate") <= found.pop("lastModifiedDate") <= datetime.now(UTC)
    assert found.pop("generationId")
    assert found == {
        "certificateArn": cert.arn,
        "certificateId": cert.id,
        "status": "ACTIVE",
        "certificatePem": cert.pem,
        "ownedBy": "000000000000",
        "customerVersion": 1,
        "certificateMode": "DEFAULT",
        "validity": {
            "notBefore": parsed.not_valid_before_utc,
            "notAfter": LAST_MOMENT,
        },
    }


def test_describe_an_unknown_certificate(iot):
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        iot.describe_certificate(certificateId=UNKNOWN_ID)


@pytest.mark.parametrize("id", ["z" * 64, "0" * 65])
def test_an_id_of_forbidden_form(iot, id):
    with refused("InvalidRequestException", 400, "certificateId"):
        iot.describe_certificate(certificateId=id)


def test_list(iot, cert):
    found = [
        one for one in listed(iot, "list_certificates", "certificates") if one["certificateId"] == cert.id
    ]
    assert len(found) == 1
    assert found[0].pop("creationDate") <= datetime.now(UTC)
    assert found == [
        {
            "certificateArn": cert.arn,
            "certificateId": cert.id,
            "status": "ACTIVE",
            "certificateMode": "DEFAULT",
        }
    ]


def test_list_in_the_order_of_creation(iot, turned):
    made = []
    for _ in range(3):
        turned.set_clock(advanceSeconds=1)
        made.append(certificate(iot).id)

    def found(**order):
        everything = listed(iot, "list_certificates", "certificates", **order)
        return [one["certificateId"] for one in everything if one["certificateId"] in made]

    assert found() == found(ascendingOrder=False) == made[::-1]
    assert found(ascendingOrder=True) == made


# --- states ---


@pytest.mark.parametrize("old", STATES)
@pytest.mark.parametrize("new", STATES)
def test_every_transition(iot, cert, old, new):
    iot.update_certificate(certificateId=cert.id, newStatus=old)
    if old == "REVOKED" != new:  # revoked is for ever
        with refused("CertificateStateException", 406, "REVOKED", cert.id):
            iot.update_certificate(certificateId=cert.id, newStatus=new)
        assert described(iot, cert.id)["status"] == "REVOKED"
    else:
        iot.update_certificate(certificateId=cert.id, newStatus=new)
        assert described(iot, cert.id)["status"] == new


@pytest.mark.parametrize("status", ["PENDING_TRANSFER", "PENDING_ACTIVATION", "REGISTER_INACTIVE"])
def test_states_that_only_the_service_sets(iot, cert, status):
    with refused("CertificateStateException", 406, status, cert.id):
        iot.update_certificate(certificateId=cert.id, newStatus=status)
    assert described(iot, cert.id)["status"] == "ACTIVE"


def test_a_state_that_does_not_exist(iot, cert):
    with refused("InvalidRequestException", 400, "Value 'SLEEPING' at 'newStatus'", "enum value set"):
        iot.update_certificate(certificateId=cert.id, newStatus="SLEEPING")


def test_an_update_is_seen_in_the_description(iot, cert, turned):
    turned.set_clock(advanceSeconds=60)
    iot.update_certificate(certificateId=cert.id, newStatus="INACTIVE")
    found = described(iot, cert.id)
    assert found["customerVersion"] == 2
    assert found["lastModifiedDate"] > found["creationDate"]


def test_setting_the_state_it_has_is_no_change(iot, cert):
    before = described(iot, cert.id)
    iot.update_certificate(certificateId=cert.id, newStatus="ACTIVE")
    assert described(iot, cert.id) == before


def test_update_an_unknown_certificate(iot):
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        iot.update_certificate(certificateId=UNKNOWN_ID, newStatus="ACTIVE")


# --- deleting ---


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_delete(iot, cert, status):
    iot.update_certificate(certificateId=cert.id, newStatus=status)
    iot.delete_certificate(certificateId=cert.id)
    with refused("ResourceNotFoundException", 404, cert.id):
        iot.describe_certificate(certificateId=cert.id)


@pytest.mark.parametrize("force", [False, True])
def test_delete_an_active_certificate(iot, cert, force):
    words = f"Certificate must be deactivated (not ACTIVE) before deletion. Id: {cert.id}"
    with refused("CertificateStateException", 406, words):
        iot.delete_certificate(certificateId=cert.id, forceDelete=force)
    assert described(iot, cert.id)["status"] == "ACTIVE"


def test_delete_with_a_policy_attached(iot, name):
    cert = certificate(iot, active=False)
    iot.create_policy(policyName=name, policyDocument=document())
    iot.attach_policy(policyName=name, target=cert.arn)
    words = f"Certificate policies must be detached before deletion (arn: {cert.arn})"
    with refused("DeleteConflictException", 409, words):
        iot.delete_certificate(certificateId=cert.id)
    iot.delete_certificate(certificateId=cert.id, forceDelete=True)
    with refused("ResourceNotFoundException", 404):
        iot.describe_certificate(certificateId=cert.id)
    assert iot.list_targets_for_policy(policyName=name)["targets"] == []
    iot.delete_policy(policyName=name)


@pytest.mark.parametrize("force", [False, True])
def test_delete_with_a_thing_attached(iot, name, force):
    cert = certificate(iot, active=False)
    iot.create_thing(thingName=name)
    iot.attach_thing_principal(thingName=name, principal=cert.arn)
    with refused("DeleteConflictException", 409, cert.arn):
        iot.delete_certificate(certificateId=cert.id, forceDelete=force)
    iot.detach_thing_principal(thingName=name, principal=cert.arn)
    iot.delete_certificate(certificateId=cert.id)


def test_delete_an_unknown_certificate(iot):
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        iot.delete_certificate(certificateId=UNKNOWN_ID)


def test_a_certificate_is_issued_by_civil_time(iot, turned):
    moment = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    turned.set_clock(to=moment, frozen=True)
    cert = certificate(iot)
    parsed = x509.load_pem_x509_certificate(cert.pem.encode())
    assert parsed.not_valid_before_utc == moment - timedelta(minutes=2)
    assert parsed.not_valid_after_utc == LAST_MOMENT
    assert described(iot, cert.id)["creationDate"] == moment
