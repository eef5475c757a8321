"""Certificates that others have issued, registered with and without their CA."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa

from api.authorities import DAY, Authority, issue, name_of, self_signed
from api.making import UNKNOWN_ID, arn, listed, refused

INVALID = "CertificateValidationException"
EXISTS = "The certificate is already provisioned or registered"
RSA_KEY = rsa.generate_private_key(65537, 2048)


def described(iot, id):
    return iot.describe_certificate(certificateId=id)["certificateDescription"]


@pytest.fixture
def ca(iot, name) -> Authority:
    """A CA that is registered and ACTIVE."""
    authority = Authority(name)
    authority.register(iot)
    return authority


# --- without a CA ---


def test_without_a_ca(iot, name):
    mine = self_signed(name)
    made = iot.register_certificate_without_ca(certificatePem=mine.pem, status="ACTIVE")
    assert (made["certificateId"], made["certificateArn"]) == (mine.id, arn(f"cert/{mine.id}"))
    found = described(iot, mine.id)
    assert (found["status"], found["certificateMode"]) == ("ACTIVE", "SNI_ONLY")
    assert (found["certificatePem"], found["ownedBy"]) == (mine.pem, "000000000000")
    assert "caCertificateId" not in found
    assert found["validity"]["notAfter"] == mine.certificate.not_valid_after_utc


def test_without_a_ca_under_a_ca_that_is_registered(iot, name, ca):
    """The CA is not asked: the certificate has no CA and needs the server name."""
    leaf = ca.sign(name)
    iot.register_certificate_without_ca(certificatePem=leaf.pem)
    found = described(iot, leaf.id)
    assert (found["status"], found["certificateMode"]) == ("INACTIVE", "SNI_ONLY")
    assert "caCertificateId" not in found


def test_the_id_does_not_depend_on_how_the_pem_looks(iot, name):
    mine = self_signed(name)
    ragged = "Bag Attributes\r\n    friendlyName: x\r\n" + mine.pem.replace("\n", "\r\n") + "\r\n\r\n"
    assert iot.register_certificate_without_ca(certificatePem=ragged)["certificateId"] == mine.id
    assert described(iot, mine.id)["certificatePem"] == mine.pem
    with refused("ResourceAlreadyExistsException", 409, EXISTS):
        iot.register_certificate_without_ca(certificatePem=mine.pem)


# --- under a CA ---


@pytest.mark.parametrize("mode", ["DEFAULT", "SNI_ONLY"])
def test_under_its_ca(iot, name, mode):
    ca = Authority(name)
    ca.register(iot, mode=mode)
    leaf = ca.sign(name)
    made = iot.register_certificate(certificatePem=leaf.pem)
    assert (made["certificateId"], made["certificateArn"]) == (leaf.id, arn(f"cert/{leaf.id}"))
    found = described(iot, leaf.id)
    assert (found["status"], found["certificateMode"]) == ("INACTIVE", mode)
    assert found["caCertificateId"] == ca.id


def test_the_ca_must_be_registered(iot, name):
    leaf = Authority(name).sign(name)
    with refused(INVALID, 400, "issuer is not a CA that is registered"):
        iot.register_certificate(certificatePem=leaf.pem)


def test_the_ca_named_must_be_registered(iot, name, ca):
    stranger = Authority(name)
    with refused(INVALID, 400, stranger.id, "is not registered"):
        iot.register_certificate(certificatePem=ca.sign(name).pem, caCertificatePem=stranger.pem)


def test_the_ca_must_be_active(iot, name):
    ca = Authority(name)
    ca.register(iot, active=False)
    with refused("CertificateStateException", 406, ca.id, "INACTIVE"):
        iot.register_certificate(certificatePem=ca.sign(name).pem)
    iot.update_ca_certificate(certificateId=ca.id, newStatus="ACTIVE")
    iot.register_certificate(certificatePem=ca.sign(name).pem)


def test_the_ca_must_have_signed_it(iot, name, ca):
    """Another key under the same name, and another registered CA that is named."""
    impostor = Authority(name)
    with refused(INVALID, 400, f"not signed by CA certificate {ca.id}"):
        iot.register_certificate(certificatePem=impostor.sign(name).pem)
    other = Authority(f"{name}-other")
    other.register(iot)
    with refused(INVALID, 400, f"not signed by CA certificate {other.id}"):
        iot.register_certificate(certificatePem=ca.sign(name).pem, caCertificatePem=other.pem)


def test_only_the_direct_issuer_counts(iot, name, ca):
    key = ec.generate_private_key(ec.SECP256R1())
    between = ca.sign(f"{name}-between", key, extensions=((x509.BasicConstraints(True, None), True),))
    leaf = issue(name_of(name), between.certificate.subject, key)
    with refused(INVALID, 400, "issuer is not a CA"):
        iot.register_certificate(certificatePem=leaf.pem)
    with refused(INVALID, 400, "not signed by"):
        iot.register_certificate(certificatePem=leaf.pem, caCertificatePem=ca.pem)


def test_several_cas_of_one_name(iot, name, ca):
    """Which one is meant must be said, also where one key alone fits."""
    twin = Authority(name)
    twin.register(iot)
    leaf = twin.sign(name)
    with refused("CertificateConflictException", 409, "caCertificatePem"):
        iot.register_certificate(certificatePem=leaf.pem)
    iot.register_certificate(certificatePem=leaf.pem, caCertificatePem=twin.pem)
    assert described(iot, leaf.id)["caCertificateId"] == twin.id


def test_a_ca_that_has_expired_registers_nothing(iot, name, turned):
    ca = Authority(name, ends=30 * DAY)
    ca.register(iot)
    turned.set_clock(advanceSeconds=40 * 86400)
    with refused("CertificateStateException", 406, ca.id, "not valid at this time"):
        iot.register_certificate(certificatePem=ca.sign(name).pem)


# --- in which state ---


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
def test_the_state_it_begins_in(iot, name, ca, status):
    with_ca, without = ca.sign(name), self_signed(name)
    iot.register_certificate(certificatePem=with_ca.pem, status=status)
    iot.register_certificate_without_ca(certificatePem=without.pem, status=status)
    assert described(iot, with_ca.id)["status"] == described(iot, without.id)["status"] == status


@pytest.mark.parametrize("status", ["PENDING_ACTIVATION", "PENDING_TRANSFER", "REGISTER_INACTIVE"])
def test_states_that_it_cannot_begin_in(iot, name, ca, status):
    words = f"Not allowed to register certificate with {status} status"
    with refused("CertificateStateException", 406, words):
        iot.register_certificate(certificatePem=ca.sign(name).pem, status=status)
    with refused("CertificateStateException", 406, words):
        iot.register_certificate_without_ca(certificatePem=self_signed(name).pem, status=status)


def test_registered_as_revoked_is_for_ever(iot, name):
    mine = self_signed(name)
    iot.register_certificate_without_ca(certificatePem=mine.pem, status="REVOKED")
    with refused("CertificateStateException", 406, "REVOKED"):
        iot.update_certificate(certificateId=mine.id, newStatus="ACTIVE")


def test_set_as_active_is_the_older_way(iot, name, ca):
    for number, (how, status) in enumerate(
        [({"setAsActive": True}, "ACTIVE"), ({"setAsActive": False}, "INACTIVE"), ({}, "INACTIVE")]
    ):
        leaf = ca.sign(f"{name}-{number}")
        iot.register_certificate(certificatePem=leaf.pem, **how)
        assert described(iot, leaf.id)["status"] == status
    with refused("InvalidRequestException", 400, "contradict"):
        iot.register_certificate(certificatePem=ca.sign(name).pem, setAsActive=True, status="REVOKED")


# --- what is registered already ---


def test_a_certificate_is_registered_once(iot, name, ca):
    leaf = ca.sign(name)
    iot.register_certificate(certificatePem=leaf.pem)
    for again in (iot.register_certificate, iot.register_certificate_without_ca):
        with pytest.raises(iot.exceptions.ResourceAlreadyExistsException) as caught:
            again(certificatePem=leaf.pem)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
        assert caught.value.response["resourceId"] == leaf.id
        assert caught.value.response["resourceArn"] == arn(f"cert/{leaf.id}")
    iot.delete_certificate(certificateId=leaf.id)
    iot.register_certificate_without_ca(certificatePem=leaf.pem)


def test_a_certificate_of_the_node_is_registered_already(iot, cert):
    with refused("ResourceAlreadyExistsException", 409, EXISTS):
        iot.register_certificate_without_ca(certificatePem=cert.pem)


# --- what a certificate may be ---


@pytest.mark.parametrize(
    ("key", "how"),
    [
        (RSA_KEY, {}),
        (RSA_KEY, {"algorithm": hashes.SHA384()}),
        (RSA_KEY, {"rsa_padding": padding.PSS(padding.MGF1(hashes.SHA256()), 32)}),
        (ec.generate_private_key(ec.SECP384R1()), {"algorithm": hashes.SHA512()}),
        (ec.generate_private_key(ec.SECP521R1()), {}),
    ],
    ids=["rsa", "rsa-sha384", "rsa-pss", "p-384", "p-521"],
)
def test_keys_and_signatures(iot, name, key, how):
    mine = self_signed(name, key, **how)
    assert iot.register_certificate_without_ca(certificatePem=mine.pem)["certificateId"] == mine.id


def test_a_certificate_that_is_signed_with_dsa(iot, name):
    """DSA_WITH_SHA256 is among the signatures that AWS IoT takes; a DSA key of the device's is not."""
    signer = dsa.generate_private_key(2048)
    mine = self_signed(name, signing_key=signer)
    iot.register_certificate_without_ca(certificatePem=mine.pem)
    with refused(INVALID, 400, "DSA key"):
        iot.register_certificate_without_ca(certificatePem=self_signed(name, signer).pem)


ODD_KEYS = {
    "ed25519": (ed25519.Ed25519PrivateKey.generate(), {"algorithm": None}, "Ed25519"),
    "rsa-1024": (rsa.generate_private_key(65537, 1024), {}, "1024 bits"),
    "secp256k1": (ec.generate_private_key(ec.SECP256K1()), {}, "secp256k1"),
    "sha-224": (RSA_KEY, {"algorithm": hashes.SHA224()}, "SHA224"),
    "sha3": (RSA_KEY, {"algorithm": hashes.SHA3_256()}, "SHA3-256"),
    "expired": (RSA_KEY, {"begins": -2 * DAY, "ends": -DAY}, "expired at"),
    "not yet valid": (RSA_KEY, {"begins": DAY}, "not valid before"),
}


@pytest.mark.parametrize("odd", ODD_KEYS)
def test_what_is_not_taken(iot, name, ca, odd):
    key, how, words = ODD_KEYS[odd]
    signing = {} if odd in ("ed25519", "sha-224", "sha3") else {"signing_key": RSA_KEY}
    with refused(INVALID, 400, words):
        iot.register_certificate_without_ca(certificatePem=self_signed(name, key, **signing, **how).pem)


BROKEN = {
    "no pem": ("hello", "not PEM"),
    "cut off": ("-----BEGIN CERTIFICATE-----\nMIIB", "cut off"),
    "not der": ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not DER"),
    "a request": (
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
        "CERTIFICATE REQUEST",
    ),
    "a private key": ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "private key"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_no_certificate(iot, broken):
    pem, words = BROKEN[broken]
    with refused(INVALID, 400, words):
        iot.register_certificate_without_ca(certificatePem=pem)
    with refused(INVALID, 400, words):
        iot.register_certificate(certificatePem=pem)


def test_a_chain_is_not_one_certificate(iot, name, ca):
    with refused(INVALID, 400, "2 PEM blocks"):
        iot.register_certificate(certificatePem=ca.sign(name).pem + ca.pem)


# --- the certificates of a CA ---


def test_the_certificates_of_a_ca(iot, name, ca, turned):
    made = []
    for number in range(3):
        turned.set_clock(advanceSeconds=1)
        leaf = ca.sign(f"{name}-{number}")
        iot.register_certificate(certificatePem=leaf.pem, status="ACTIVE")
        made.append(leaf.id)
    iot.register_certificate_without_ca(certificatePem=ca.sign(name).pem)

    def found(**order):
        everything, members = [], {"caCertificateId": ca.id, "pageSize": 2} | order
        while True:
            page = iot.list_certificates_by_ca(**members)
            everything += page["certificates"]
            if "nextMarker" not in page:
                return [one["certificateId"] for one in everything]
            members["marker"] = page["nextMarker"]

    assert found() == made[::-1]
    assert found(ascendingOrder=True) == made
    iot.update_certificate(certificateId=made[1], newStatus="INACTIVE")
    iot.delete_certificate(certificateId=made[1])
    assert found() == [made[2], made[0]]
    one = iot.list_certificates_by_ca(caCertificateId=ca.id)["certificates"][0]
    assert set(one) == {"certificateArn", "certificateId", "status", "certificateMode", "creationDate"}
    iot.update_ca_certificate(certificateId=ca.id, newStatus="INACTIVE")
    iot.delete_ca_certificate(certificateId=ca.id)
    assert found() == [made[2], made[0]]
    assert described(iot, made[0])["status"] == "ACTIVE"


def test_the_certificates_of_an_unknown_ca(iot):
    assert iot.list_certificates_by_ca(caCertificateId=UNKNOWN_ID)["certificates"] == []


def test_a_marker_of_ones_own(iot):
    with refused("InvalidRequestException", 400, "not one that this operation gave"):
        iot.list_certificates_by_ca(caCertificateId=UNKNOWN_ID, marker="AAAA")


def test_they_are_in_the_list_of_all(iot, name):
    mine = self_signed(name)
    iot.register_certificate_without_ca(certificatePem=mine.pem)
    found = {one["certificateId"]: one for one in listed(iot, "list_certificates", "certificates")}
    assert found[mine.id]["certificateMode"] == "SNI_ONLY"


# --- in the audit table ---


def test_who_has_registered_what_is_written_down(iot, name, sql):
    mine = self_signed(name)
    made = iot.register_certificate_without_ca(certificatePem=mine.pem)
    id = made["ResponseMetadata"]["RequestId"]
    [(principal, operation, outcome, detail)] = sql(
        f"SELECT principal, operation, outcome, detail FROM audit WHERE request_id = '{id}'"
    )
    assert (operation, outcome) == ("RegisterCertificateWithoutCA", "Success")
    assert principal == "arn:aws:iam::000000000000:root"
    assert json.loads(detail)["certificateArn"] == arn(f"cert/{mine.id}")


def test_registered_by_several_at_once(iot, name, ca):
    leaf = ca.sign(name)

    def register(number: int) -> str:
        operation = iot.register_certificate if number % 2 else iot.register_certificate_without_ca
        try:
            operation(certificatePem=leaf.pem)
        except iot.exceptions.ResourceAlreadyExistsException as error:
            assert error.response["resourceId"] == leaf.id
            return "refused"
        return described(iot, leaf.id)["certificateMode"]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(register, range(6)))
    assert sorted(answers)[1:] == ["refused"] * 5
    listed_by_ca = iot.list_certificates_by_ca(caCertificateId=ca.id)["certificates"]
    assert len(listed_by_ca) == ("DEFAULT" in answers)
