"""The node's own CA is changed for another while devices are in the field, and none is left behind."""

from __future__ import annotations

import shutil
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from typer.testing import CliRunner

from interop.devices import ANYTHING, Device, Factory, until
from interop.wire import Wire
from nodes import Node, running
from sekisho.cli import authority
from sekisho.logic.certificates import certificate_id


def command(node: Node, *arguments: str) -> str:
    answer = CliRunner().invoke(authority.app, ["ca", *arguments, "--data", str(node.data)])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def connects(node: Node, device: Device, ca: str) -> None:
    """A client that trusts what is in ``ca`` and checks the server's name."""
    with Wire(node.mqtt, ca, device.identity) as wire:
        assert wire.connect(device.name).code == 0


def signer(device: Device, cas: list[x509.Certificate]) -> x509.Certificate:
    issued = x509.load_pem_x509_certificate(device.certificate.read_bytes())
    [found] = [ca for ca in cas if ca.subject == issued.issuer]
    issued.verify_directly_issued_by(found)
    return found


def revoked(node: Node, ca: x509.Certificate) -> set[int]:
    url = f"http://{node.endpoints['api']}/_sekisho/crl/{certificate_id(ca)}.crl"
    with urllib.request.urlopen(url) as answer:
        found = x509.load_der_x509_crl(answer.read())
    assert found.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
    return {entry.serial_number for entry in found}


def serial(device: Device) -> int:
    return x509.load_pem_x509_certificate(device.certificate.read_bytes()).serial_number


def test_the_ca_is_changed_and_every_device_goes_on(tmp_path):
    with running(tmp_path / "node") as node:
        old_ca = str(shutil.copy(node.ca, tmp_path / "old-ca.pem"))
        veteran = Factory(node, node.client("iot"), tmp_path)("veteran", statements=ANYTHING)
        connects(node, veteran, old_ca)

        assert "Sekisho 2" in command(node, "rotate")
        connects(node, veteran, old_ca)  # a node that runs goes on as it was
        assert node.stop() == 0
        node.start()

        # The field knows the old CA only; who gets the new file trusts both.
        both = str(shutil.copy(node.ca, tmp_path / "both.pem"))
        newer, older = x509.load_pem_x509_certificates(Path(both).read_bytes())
        connects(node, veteran, old_ca)
        iot: Any = node.client("iot")
        recruit = Factory(node, iot, tmp_path)("recruit", statements=ANYTHING)
        connects(node, recruit, both)
        assert signer(veteran, [newer, older]) == older
        assert signer(recruit, [newer, older]) == newer

        assert "Sekisho 2" in command(node, "finish")
        assert node.stop() == 0
        node.start()
        new_ca = str(shutil.copy(node.ca, tmp_path / "new-ca.pem"))
        assert x509.load_pem_x509_certificates(Path(new_ca).read_bytes()) == [newer]
        for device in (veteran, recruit):  # old certificates stay valid
            for ca in (both, new_ca):
                connects(node, device, ca)
        with pytest.raises(ssl.SSLCertVerificationError):
            connects(node, veteran, old_ca)

        # Each CA has a list of its own.
        iot = node.client("iot")
        for device in (veteran, recruit):
            iot.update_certificate(certificateId=device.certificate_id, newStatus="REVOKED")
        until(lambda: revoked(node, older) == {serial(veteran)})
        until(lambda: revoked(node, newer) == {serial(recruit)})
        shown = command(node, "show").splitlines()
        assert [line.partition(",")[0] for line in shown] == ["OU=Sekisho 2", "OU=Sekisho"]
        assert shown[0].endswith("issues, signs the server's certificate")
        assert shown[1].endswith("former")


@pytest.mark.parametrize("what", ["show", "rotate", "finish"])
def test_without_a_keyring_there_is_nothing_to_change(tmp_path, what):
    answer = CliRunner().invoke(authority.app, ["ca", what, "--data", str(tmp_path)])
    assert answer.exit_code == 1
    assert "keyring.json is not there" in answer.stderr
