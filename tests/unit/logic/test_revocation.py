"""Revocation lists: what is made can be read, and what cannot be honoured is refused."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.logic.certificates import certificate_pem, make_ca
from sekisho.logic.revocation import (
    MOST_CHARS,
    BadRevocationList,
    make_revocation_list,
    parse_revocation_list,
    record_of,
    serial_text,
    sign_revocation_list,
)

NOW = 1_700_000_000.0
CA, KEY = make_ca("Sekisho", NOW)
CA_PEM = certificate_pem(CA)
OTHER, _ = make_ca("Sekisho", NOW)


def pem(der: bytes) -> str:
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM).decode()


def records(*serials):
    return b"".join(record_of(serial, NOW) for serial in serials)


SERIALS = st.lists(st.integers(1, 2**159 - 1).map(serial_text), unique=True, max_size=20)


@given(SERIALS, st.integers(0, 2**64))
@settings(deadline=None)
def test_a_list_says_what_was_put_on_it(serials, number):
    der = sign_revocation_list(CA, KEY, number, records(*sorted(serials)), NOW, NOW + 10)
    assert parse_revocation_list(pem(der), CA_PEM, NOW) == (number, NOW, NOW + 10, sorted(serials))


def test_a_worker_makes_the_same():
    key = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    what = (3, records(serial_text(7)), NOW, NOW + 10)
    assert make_revocation_list(CA_PEM, key, *what) == sign_revocation_list(CA, KEY, *what)


@pytest.mark.parametrize(
    ("ca", "now", "words"),
    [
        (OTHER, NOW, "key has not signed"),  # the same name, another key
        (make_ca("Another", NOW)[0], NOW, "another issuer"),
        (CA, NOW - 1, "not in force before"),
        (CA, NOW + 10, "was to be replaced at"),
    ],
)
def test_a_list_is_of_one_ca_and_one_time(ca, now, words):
    der = sign_revocation_list(CA, KEY, 1, b"", NOW, NOW + 10)
    with pytest.raises(BadRevocationList, match=words):
        parse_revocation_list(pem(der), certificate_pem(ca), now)


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text):
    with pytest.raises(BadRevocationList, match="not a revocation list in PEM"):
        parse_revocation_list(text, CA_PEM, NOW)


def test_a_list_that_is_too_long_is_not_read():
    with pytest.raises(BadRevocationList, match="more than"):
        parse_revocation_list(" " * (MOST_CHARS + 1), CA_PEM, NOW)


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
@settings(deadline=None)
def test_a_damaged_list_is_refused(at, damage):
    der = bytearray(sign_revocation_list(CA, KEY, 1, records(serial_text(5)), NOW, NOW + 10))
    before = bytes(der)
    at %= len(der)
    der[at : at + len(damage)] = damage
    if bytes(der[: len(before)]) == before:
        return
    text = "-----BEGIN X509 CRL-----\n" + base64.encodebytes(bytes(der)).decode()
    with pytest.raises(BadRevocationList):
        parse_revocation_list(text + "-----END X509 CRL-----\n", CA_PEM, NOW)
