"""A vendor's manifest: what is verified before it is believed, and what each bad entry is told."""

import copy
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from recipients import self_signed
from sekisho.logic.manifest import MAX_ENTRY, BadEntry, BadManifest, read_entry, read_manifest, vendor_keys
from vendors import Vendor, base64url

VENDOR = Vendor()
KEYS = vendor_keys([VENDOR.certificate])
CHIP = VENDOR.chip("0123f1822c38dd7a01")
ENTRY = VENDOR.entry(CHIP)


def test_an_entry_is_its_id_and_the_certificate_of_its_first_key():
    chip = read_entry(ENTRY, KEYS)
    assert chip.unique_id == "0123f1822c38dd7a01"
    assert x509.load_pem_x509_certificate(chip.certificate.encode()) == CHIP.certificate


def test_any_of_several_vendor_certificates_will_do():
    keys = vendor_keys([Vendor("another").certificate, VENDOR.certificate])
    assert read_entry(ENTRY, keys).unique_id == CHIP.unique_id


def test_another_vendors_signature_is_refused():
    with pytest.raises(BadEntry, match="its signature is not the vendor's"):
        read_entry(Vendor("another").entry(CHIP), KEYS)


@pytest.mark.parametrize("part", ["payload", "protected", "signature"])
def test_one_changed_character_is_refused(part):
    entry = copy.deepcopy(ENTRY)
    text = entry[part]
    entry[part] = text[:20] + ("A" if text[20] != "A" else "B") + text[21:]
    with pytest.raises(BadEntry):
        read_entry(entry, KEYS)


def keys_with(**changed):
    key = VENDOR.payload(CHIP)["publicKeySet"]["keys"][0] | changed
    return {"publicKeySet": {"keys": [key]}}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (7, "it is not a JWS"),
        ({"payload": "e30", "protected": "e30"}, "it is not a JWS"),
        ({**ENTRY, "signature": None}, "it is not a JWS"),
        ({**ENTRY, "payload": "a" * MAX_ENTRY}, f"it has more than {MAX_ENTRY} characters"),
        ({**ENTRY, "protected": "%%"}, "the protected header is not base64url"),
        ({**ENTRY, "protected": base64url(b"[]")}, "the protected header is not a JSON object"),
        ({**ENTRY, "protected": base64url(b"\xff")}, "the protected header is not a JSON object"),
        ({**ENTRY, "signature": base64url(b"short")}, "its signature has 5 bytes, not 64"),
        ({**ENTRY, "signature": base64url(bytes(64))}, "its signature is not the vendor's"),
        (VENDOR.entry(CHIP, {"alg": "none"}), 'its algorithm is "none", not ES256'),
        (VENDOR.entry(CHIP, {"alg": "HS256"}), 'its algorithm is "HS256", not ES256'),
        (VENDOR.entry(CHIP, {"crit": ["b64"], "b64": False}), "a crit that is not understood"),
        (VENDOR.sign([]), "the payload is not a JSON object"),
        (VENDOR.entry(CHIP, uniqueId=5), "its uniqueId is not a string"),
        (VENDOR.entry(CHIP, uniqueId="x" * 129), "its uniqueId is not a string of 1 to 128"),
        (VENDOR.entry(CHIP, publicKeySet={"keys": "x"}), "publicKeySet.keys is not a list"),
        (VENDOR.entry(CHIP, publicKeySet={"keys": [{}] * 17}), "a list of at most 16 keys"),
        (VENDOR.entry(CHIP, publicKeySet={"keys": [{"kid": "0"}]}), "none of its keys has an x5c"),
        (VENDOR.entry(CHIP, **keys_with(x5c=[])), "x5c is not a list that begins"),
        (VENDOR.entry(CHIP, **keys_with(x5c="MII")), "x5c is not a list that begins"),
        (VENDOR.entry(CHIP, **keys_with(x5c=["-_"])), "x5c[0] is not base64"),
        (VENDOR.entry(CHIP, **keys_with(x5c=["AAAA"])), "0123f1822c38dd7a01: not DER of a certificate"),
    ],
)
def test_what_is_wrong_with_an_entry_is_named(entry, words):
    with pytest.raises(BadEntry) as caught:
        read_entry(entry, KEYS)
    assert words in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(sorted(ENTRY)), inner),
    )
)
def test_nothing_else_comes_of_any_entry(entry):
    with pytest.raises(BadEntry):
        read_entry(entry, KEYS)


@given(
    st.dictionaries(
        st.sampled_from(["uniqueId", "publicKeySet", "keys"]), st.none() | st.text() | st.lists(st.text())
    )
)
def test_nothing_else_comes_of_any_signed_payload(payload):
    with pytest.raises(BadEntry):
        read_entry(VENDOR.sign(payload), KEYS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b'{"a": 1}', "is not a JSON array"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\xfd", "is not JSON"),
    ],
)
def test_a_file_that_is_no_manifest(content, words):
    with pytest.raises(BadManifest, match=words):
        read_manifest(content)


def test_entries_come_in_order():
    assert read_manifest(json.dumps([ENTRY, 5]).encode()) == [ENTRY, 5]


def test_es256_is_of_p_256():
    with pytest.raises(BadManifest, match="CN=other is not of P-256"):
        vendor_keys([self_signed(ec.generate_private_key(ec.SECP384R1()), "other")])
    with pytest.raises(BadManifest, match="no certificate"):
        vendor_keys([])
