"""Who has signed a certificate, and who may sign one."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from sekisho.logic import issuers
from sekisho.logic.certificates import BadCertificate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = NOW.timestamp()
DAY = timedelta(days=1)
KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
CA_TRUE = x509.BasicConstraints(ca=True, path_length=None)


def named(value="ca", oid=NameOID.COMMON_NAME, kind=None) -> x509.Name:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.Name([x509.NameAttribute(oid, value, kind, _validate=False)])


def made(subject, issuer, key, signing_key, *extensions, algorithm=None, begins=-DAY, ends=DAY, **more):
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).serial_number(7)
    builder = builder.public_key(key.public_key()).not_valid_before(NOW + begins).not_valid_after(NOW + ends)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(signing_key, algorithm or hashes.SHA256(), **more)


def pem(certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def usage(**uses):
    every = "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
    every += " key_cert_sign crl_sign encipher_only decipher_only"
    return x509.KeyUsage(**dict.fromkeys(every.split(), False) | uses)


CA = made(named(), named(), KEY, KEY, CA_TRUE)
LEAF = made(named("leaf"), named(), RSA_KEY, KEY)


def test_who_has_signed_it():
    assert issuers.has_signed(CA, LEAF)
    assert issuers.has_signed(CA, CA)
    assert not issuers.has_signed(LEAF, LEAF)
    assert not issuers.has_signed(LEAF, CA)


@pytest.mark.parametrize(
    "impostor",
    [ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1()), RSA_KEY],
    ids=["another key", "another curve", "another algorithm"],
)
def test_the_name_alone_is_no_signature(impostor):
    assert not issuers.has_signed(made(named(), named(), impostor, impostor, CA_TRUE), LEAF)


def test_the_key_alone_is_no_issuer():
    assert not issuers.has_signed(made(named("other"), named("other"), KEY, KEY, CA_TRUE), LEAF)


def test_every_signature_that_may_be_is_verified():
    signer = dsa.generate_private_key(2048)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    for key, more in (
        (RSA_KEY, {}),
        (RSA_KEY, {"algorithm": hashes.SHA512()}),
        (RSA_KEY, {"rsa_padding": pss}),
        (ec.generate_private_key(ec.SECP521R1()), {"algorithm": hashes.SHA384()}),
        (signer, {}),
    ):
        ca = made(named(), named(), key, key, CA_TRUE, **more)
        leaf = made(named("leaf"), named(), KEY, key, **more)
        assert issuers.has_signed(ca, leaf)
        assert not issuers.has_signed(CA, leaf)
        issuers.check_for_registration(leaf, AT)


ODD = {
    "bmp": named("日本", kind=_ASN1Type.BMPString),
    "universal": named("日本", kind=_ASN1Type.UniversalString),
    "teletex": named("x", kind=_ASN1Type.T61String),
    "printable": named("ca", kind=_ASN1Type.PrintableString),
    "a country of three letters": named("JPN", NameOID.COUNTRY_NAME),
    "empty": x509.Name([]),
    "two in one": x509.Name(
        [
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, "a"),
                    x509.NameAttribute(NameOID.SERIAL_NUMBER, "1"),
                ]
            )
        ]
    ),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_are_found_again(odd):
    name = ODD[odd]
    ca, leaf = made(name, name, KEY, KEY, CA_TRUE), made(named("leaf"), name, RSA_KEY, KEY)
    again = [x509.load_pem_x509_certificate(pem(one).encode()) for one in (ca, leaf)]
    assert issuers.subject_digest(again[0]) == issuers.issuer_digest(again[1])
    assert issuers.has_signed(*again)


def test_names_that_only_look_alike_differ():
    names = [named(), named("CA"), *ODD.values()]
    digests = {issuers.subject_digest(made(name, name, KEY, KEY)) for name in names}
    assert len(digests) == len(ODD) + 2


# --- what is a CA ---


def test_a_ca():
    assert issuers.parse_ca(pem(CA), AT).subject == named()
    able = made(named(), named(), KEY, KEY, CA_TRUE, usage(key_cert_sign=True))
    assert issuers.parse_ca(pem(able), AT)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (LEAF, "CA:TRUE"),
        (made(named(), named(), KEY, KEY, x509.BasicConstraints(False, None)), "CA:TRUE"),
        (made(named(), named(), KEY, KEY, CA_TRUE, usage(digital_signature=True)), "keyCertSign"),
        (made(named(), named(), KEY, KEY, CA_TRUE, begins=-2 * DAY, ends=-DAY), "expired at"),
        (made(named(), named(), KEY, KEY, CA_TRUE, begins=DAY, ends=2 * DAY), "not valid before"),
    ],
)
def test_what_is_no_ca(certificate, words):
    with pytest.raises(BadCertificate, match=words):
        issuers.parse_ca(pem(certificate), AT)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(KEY, hashes.SHA3_256()), (RSA_KEY, hashes.SHA3_512()), (RSA_KEY, hashes.SHA224())],
)
def test_signatures_that_are_not_taken(key, algorithm):
    odd = made(named(), named(), KEY, key, algorithm=algorithm)
    with pytest.raises(BadCertificate, match="signed with"):
        issuers.parse_for_registration(pem(odd), AT)


def test_the_last_moment():
    end = (NOW + DAY).timestamp()
    issuers.check_for_registration(LEAF, end)
    with pytest.raises(BadCertificate, match="expired at 2026-01-02T00:00:00Z"):
        issuers.check_for_registration(LEAF, end + 1)


def test_common_names():
    name = x509.Name([*named("a"), *named("o", NameOID.ORGANIZATION_NAME), *named("b")])
    assert issuers.common_names(made(name, name, KEY, KEY)) == ["a", "b"]
    assert issuers.common_names(made(ODD["empty"], named(), KEY, KEY)) == []
