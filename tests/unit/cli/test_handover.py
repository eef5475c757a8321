"""Hand-overs: who can open them, who cannot, and what is said of a bad one."""

import json
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from api.authorities import Authority
from recipients import Recipient
from sekisho.cli.factory.handover import (
    Device,
    ForRecipients,
    HandOverError,
    Plain,
    WithPassphrases,
    open_envelope,
    open_pkcs12,
    read_passphrases,
)
from sekisho.logic.certificates import certificate_id

CA = Authority("the node's")
ISSUED = CA.sign("press-1", ec.generate_private_key(ec.SECP256R1()))
DEVICE = Device("press-1", "press-1", ISSUED.id, ISSUED.pem, ISSUED.key_pem)


@pytest.fixture(scope="module")
def recipients(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipients")
    return [Recipient(folder, name) for name in ("line", "auditor", "stranger")]


def sealed(*recipients) -> bytes:
    found = [x509.load_pem_x509_certificate(one.certificate.read_bytes()) for one in recipients]
    return ForRecipients(found, time.time()).close([DEVICE], "localhost:8883", CA.pem)


def opened(data: bytes, recipient) -> dict:
    return json.loads(
        open_envelope(data, recipient.certificate.read_bytes(), recipient.key.read_bytes(), None)
    )


def test_each_recipient_opens_it_and_nobody_else(recipients, tmp_path):
    line, auditor, stranger = recipients
    data = sealed(line, auditor)
    (tmp_path / "d.p7m").write_bytes(data)
    expected = {"endpoint": "localhost:8883", "ca": CA.pem}
    for recipient in (line, auditor):
        content = opened(data, recipient)
        assert content == recipient.open(tmp_path / "d.p7m")
        assert content | expected == content
        assert content["devices"] == [
            {
                "thingName": "press-1",
                "certificateId": ISSUED.id,
                "certificatePem": ISSUED.pem,
                "privateKey": ISSUED.key_pem.decode(),
            }
        ]
    with pytest.raises(HandOverError, match="damaged, or for another recipient"):
        opened(data, stranger)


def test_nothing_of_the_key_is_to_be_seen(recipients):
    assert b"PRIVATE" not in sealed(recipients[0])
    assert "PRIVATE" not in repr(DEVICE)


@pytest.mark.parametrize("cut", [0, 1, 20, 300, -1])
def test_a_damaged_file_is_told(recipients, cut):
    data = sealed(recipients[0])
    with pytest.raises(HandOverError, match="damaged"):
        opened(data[:cut], recipients[0])


def test_keys_that_cannot_open_are_told_apart(recipients, tmp_path):
    line, auditor, _ = recipients
    data = sealed(line)
    for certificate, key, words in (
        (line.certificate, auditor.key, "do not belong together"),
        (line.key, line.key, "certificate is not PEM"),
        (line.certificate, line.certificate, "key cannot be read"),
    ):
        with pytest.raises(HandOverError, match=words):
            open_envelope(data, certificate.read_bytes(), key.read_bytes(), None)
    with pytest.raises(HandOverError, match="not an RSA key"):
        open_envelope(data, line.certificate.read_bytes(), ISSUED.key_pem, None)


def test_pkcs12_comes_back_as_the_other_kind_does():
    data = WithPassphrases({"press-1": "correct horse"}).close([DEVICE], "localhost:8883", CA.pem)
    content = json.loads(open_pkcs12(data, b"correct horse"))
    (device,) = content["devices"]
    assert (content["endpoint"], content["ca"]) == ("localhost:8883", CA.pem)
    assert (device["thingName"], device["privateKey"]) == ("press-1", ISSUED.key_pem.decode())
    assert device["certificateId"] == certificate_id(ISSUED.certificate.public_bytes(Encoding.DER))
    for wrong in (b"incorrect horse", b""):
        with pytest.raises(HandOverError, match="not its passphrase"):
            open_pkcs12(data, wrong)
    with pytest.raises(HandOverError, match="damaged"):
        open_pkcs12(data[:-1], b"correct horse")


def test_no_private_key_goes_into_a_plain_file():
    with pytest.raises(HandOverError, match="encrypted or not at all"):
        Plain().close([DEVICE], "localhost:8883", CA.pem)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("press-1", "line 1 .* is not name,passphrase"),
        ("\npress-1,short", "line 2 .* 5 characters, at least 12"),
        ("a,twelve chars\na,twelve chars", "line 2 .* a is there twice"),
    ],
)
def test_a_line_of_passphrases_that_is_none(text, words):
    with pytest.raises(HandOverError, match=words):
        read_passphrases(text)


def test_a_passphrase_may_have_commas():
    assert read_passphrases("a,twelve, chars\n\n") == {"a": "twelve, chars"}
