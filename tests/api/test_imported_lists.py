"""A registered CA's revocation list is checked when it is imported, and honoured from then on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from api.authorities import CA_TRUE, DAY, Authority, Issued
from api.making import UNKNOWN_ID, refused
from interop.authorities import Newcomer
from interop.devices import ANYTHING, document

NOT_OURS = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
"""A CA that signs certificates and no lists."""


def crl(
    authority: Authority,
    *issued: Issued,
    number: int | None = 1,
    since: timedelta = -DAY,
    until: timedelta | None = DAY,
    key: Any = None,
    name: x509.Name | None = None,
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    reason: x509.ReasonFlags | None = None,
) -> str:
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(name or authority.name)
    builder = builder.last_update(now + since).next_update(now + (until or DAY))
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    for one in issued:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
        entry = entry.revocation_date(now - DAY)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key or authority.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.fixture
def authority(iot, name):
    made = Authority(name)
    made.register(iot, allowAutoRegistration=True)
    return made


@pytest.fixture
def make(node, iot, name, authority, tmp_path):
    """Makes a device with a certificate of the authority that may do anything."""
    iot.create_policy(policyName=name, policyDocument=document(*ANYTHING))

    def device(common_name: str) -> tuple[Newcomer, Issued]:
        issued = authority.sign(common_name)
        made = iot.register_certificate(certificatePem=issued.pem, status="ACTIVE")
        iot.attach_policy(policyName=name, target=made["certificateArn"])
        return Newcomer(node, tmp_path, issued), issued

    return device


def test_who_is_on_the_list_is_cut_off_and_stays_out(own, make, authority, name):
    (good, _), (bad, stolen) = make("good"), make("bad")
    with good.wire() as one, bad.wire() as other:
        assert one.connect(f"{name}-good").code == other.connect(f"{name}-bad", 5).code == 0
        shown = own.import_revocation_list(
            caCertificateId=authority.id, revocationList=crl(authority, stolen)
        )
        assert (shown["entries"], shown["number"]) == (1, "1")
        assert other.until_closed() is not None
        one.ping()
    for version in (4, 5):
        assert bad.is_refused(f"{name}-bad", version)
    assert not good.is_refused(f"{name}-good")
    refusal = own.list_refusals(certificateId=bad.id)["refusals"][0]
    assert f"is on the revocation list of CA certificate {authority.id}" in refusal["reason"]
    described = own.describe_revocation_list(caCertificateId=authority.id)
    assert {k: v for k, v in described.items() if k != "ResponseMetadata"} == {
        k: v for k, v in shown.items() if k != "ResponseMetadata"
    }


def test_a_later_list_may_free_and_an_older_one_may_not(own, make, authority, name):
    device, issued = make("held")

    def put(*listed: Issued, **how: Any) -> None:
        own.import_revocation_list(
            caCertificateId=authority.id, revocationList=crl(authority, *listed, **how)
        )

    put(issued, number=7)
    assert device.is_refused(name)
    with refused("ConflictException", 409, "the number 6, the one in force 7"):
        put(number=6)
    with refused("ConflictException", 409, "has no number"):
        put(number=None)
    with refused("ConflictException", 409, "older than the one in force"):
        put(number=8, since=-2 * DAY)
    assert device.is_refused(name)
    put(number=8)
    assert not device.is_refused(name)
    put(issued, number=9, reason=x509.ReasonFlags.remove_from_crl)
    assert not device.is_refused(name)


def test_who_is_on_the_list_is_not_registered_at_its_first_connect(node, iot, own, authority, name, tmp_path):
    issued = authority.sign("never-seen")
    own.import_revocation_list(caCertificateId=authority.id, revocationList=crl(authority, issued))
    newcomer = Newcomer(node, tmp_path, issued, authority)
    assert newcomer.is_refused(name)
    with refused("ResourceNotFoundException", 404):
        iot.describe_certificate(certificateId=issued.id)
    [refusal] = own.list_refusals(certificateId=issued.id)["refusals"]
    assert "it is on the revocation list" in refusal["reason"]


def test_another_cas_certificate_with_the_same_number_is_not_meant(node, iot, own, authority, make, name):
    device, issued = make("same-number")
    other = Authority("another")
    other.register(iot)
    own.import_revocation_list(caCertificateId=other.id, revocationList=crl(other, issued))
    assert not device.is_refused(name)


ISSUER_POINT = x509.IssuingDistributionPoint(
    full_name=[x509.UniformResourceIdentifier("http://a/b")],
    relative_name=None,
    only_contains_user_certs=True,
    only_contains_ca_certs=False,
    only_some_reasons=None,
    indirect_crl=False,
    only_contains_attribute_certs=False,
)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"key": Authority("x").key}, "key has not signed the list"),
        ({"name": Authority("x").name}, "of another issuer"),
        ({"since": DAY, "until": 2 * DAY}, "not in force before"),
        ({"since": -2 * DAY, "until": -DAY}, "was to be replaced at"),
        (
            {"extra": ((x509.DeltaCRLIndicator(1), True),)},
            "critical extension that is not supported: 2.5.29.27",
        ),
        ({"extra": ((ISSUER_POINT, True),)}, "critical extension that is not supported: 2.5.29.28"),
    ],
)
def test_a_list_that_cannot_be_honoured_is_refused(own, authority, how, words):
    with refused("InvalidRequestException", 400, words):
        own.import_revocation_list(caCertificateId=authority.id, revocationList=crl(authority, **how))
    with refused("ResourceNotFoundException", 404):
        own.describe_revocation_list(caCertificateId=authority.id)


@pytest.mark.parametrize("text", ["no list", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "ü"])
def test_what_is_no_list(own, authority, text):
    with refused("InvalidRequestException", 400, "not a revocation list in PEM"):
        own.import_revocation_list(caCertificateId=authority.id, revocationList=text)


def test_a_ca_that_may_not_sign_lists(iot, own, name):
    authority = Authority(name, extensions=(CA_TRUE, (NOT_OURS, True)))
    authority.register(iot)
    with refused("InvalidRequestException", 400, "does not include cRLSign"):
        own.import_revocation_list(caCertificateId=authority.id, revocationList=crl(authority))


def test_the_ca_must_be_registered(own):
    authority = Authority("nobody")
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        own.import_revocation_list(caCertificateId=UNKNOWN_ID, revocationList=crl(authority))
