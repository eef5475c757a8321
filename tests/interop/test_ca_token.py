"""The CA's key in a PKCS#11 token (SoftHSM2): the node issues and publishes lists, no file has the key."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from cryptography import x509

from interop.devices import ANYTHING, Factory, new_csr, new_key
from interop.in_bulk import BUCKET, bulk
from nodes import running
from sekisho.tokens import TokenError, parse_uri

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "8264"
TEMPLATE = json.dumps(
    {
        "Parameters": {"CSR": {"Type": "String"}},
        "Resources": {
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateSigningRequest": {"Ref": "CSR"}, "Status": "ACTIVE"},
            }
        },
    }
)


@pytest.fixture
def token(tmp_path, monkeypatch):
    """The URI of a key that is not there yet, in a new token; this process never loads the module."""
    store = tmp_path / "tokens"
    store.mkdir()
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {store}\nobjectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(config))
    make = ["softhsm2-util", "--init-token", "--free", "--label", "works", "--so-pin", PIN, "--pin", PIN]
    subprocess.run(make, check=True, capture_output=True)
    pin = tmp_path / "pin"
    pin.touch(0o600)
    pin.write_text(PIN + "\n")
    return f"pkcs11:token=works;object=ca?module-path={MODULE}&pin-source={pin}"


def ca(node, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-c", "from sekisho.cli import main; main()", "ca", *arguments]
    done = subprocess.run([*command, "--data", str(node.data)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_ca_is_replaced_by_one_whose_key_is_in_a_token(token, tmp_path):
    with running(tmp_path / "node") as node:
        code, text = ca(node, "rotate", "--key", token)
        assert code == 0, text
        assert ca(node, "finish")[0] == 0
        assert node.stop() == 0
        node.start()
        newest = json.loads((node.data / "keyring.json").read_text())
        assert newest["caKey"] == token  # where it is, not what it is
        authority = x509.load_pem_x509_certificate(Path(node.ca).read_bytes())

        iot = node.client("iot")
        device = Factory(node, iot, tmp_path)("device", statements=ANYTHING)
        issued = x509.load_pem_x509_certificate(device.certificate.read_bytes())
        issued.verify_directly_issued_by(authority)
        device.online().close()  # the server's certificate, too, is from the token
        iot.update_certificate(certificateId=device.certificate_id, newStatus="REVOKED")
        with urllib.request.urlopen(f"http://{node.endpoints['api']}/_sekisho/crl/ca.crl") as answer:
            found = x509.load_der_x509_crl(answer.read())
        assert found.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
        assert PIN not in node.log

        # A bulk registration's worker processes cannot sign: the node itself does.
        node.client("s3").create_bucket(Bucket=BUCKET)
        [made] = bulk(node, iot, TEMPLATE, [{"CSR": new_csr(new_key()[0], "press")}])
        x509.load_pem_x509_certificate(made["certificatePem"].encode()).verify_directly_issued_by(authority)

        # Who has the folder and not the token has no CA.
        (tmp_path / "pin").write_text("9173")
        assert node.stop() == 0
        with pytest.raises(AssertionError, match="PinIncorrect"):
            node.start()
        assert "9173" not in node.log


def test_a_key_is_not_made_over_another(token, tmp_path):
    with running(tmp_path / "node") as node:
        assert ca(node, "rotate", "--key", token)[0] == 0
        assert ca(node, "finish")[0] == 0
        before = (node.data / "keyring.json").read_text()
        code, text = ca(node, "rotate", "--key", token)
        assert (code, "token works has an object ca already" in text) == (1, True), text
        assert (node.data / "keyring.json").read_text() == before
        assert not list(node.data.glob(".keyring*"))


def test_a_pin_that_others_may_read_is_refused(token, tmp_path):
    (tmp_path / "pin").chmod(0o644)
    with running(tmp_path / "node") as node:
        code, text = ca(node, "rotate", "--key", token)
    assert (code, "is readable by others: chmod 600 it" in text) == (1, True), text


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("pkcs11:token=a;object=b?module-path=m", "has no pin-source"),
        ("pkcs11:token=a;object=b?module-path=m&pin-value=1", "has 'pin-value' where"),
        ("pkcs11:token=a;token=b", "has 'token' where"),
        ("pkcs11:", "has '' where"),
        ("pkcs11:token=;object=b?module-path=m&pin-source=p", "has no token"),
    ],
)
def test_a_uri_that_names_no_key(uri, words):
    with pytest.raises(TokenError, match=words):
        parse_uri(uri)
