"""`sekisho manifest import` and `sekisho factory import` on both databases: others' certificates."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from api.making import document
from command import SEKISHO, sekisho
from interop.wire import Wire
from recipients import self_signed
from vendors import Vendor


@pytest.fixture(scope="module")
def vendor():
    return Vendor()


@pytest.fixture
def policy(iot, name):
    iot.create_policy(policyName=name, policyDocument=document("*", action="iot:*").replace("topic/*", "*"))
    return name


@pytest.fixture
def words(node, policy):
    return ["--policy", policy, "--data", str(node.data)]


def the_certificate(iot, thing: str) -> dict:
    (arn,) = iot.list_thing_principals(thingName=thing)["principals"]
    return iot.describe_certificate(certificateId=arn.rpartition("/")[2])["certificateDescription"]


def test_each_chip_of_a_manifest_is_registered_and_connects(node, iot, vendor, policy, words, name, tmp_path):
    chips = [vendor.chip(f"{name}-{n}") for n in range(3)]
    manifest, ca = vendor.deliver(tmp_path, [vendor.entry(chip) for chip in chips])
    assert "3 devices done, 0 failed" in sekisho("manifest", "import", manifest, "--ca", ca, *words).stdout
    for chip in chips:
        found = the_certificate(iot, chip.unique_id)
        assert found["certificatePem"] == chip.issued.pem
        assert (found["status"], found["certificateMode"]) == ("ACTIVE", "SNI_ONLY")
        attached = iot.list_attached_policies(target=found["certificateArn"])["policies"]
        assert [one["policyName"] for one in attached] == [policy]
    (tmp_path / "crt").write_text(chip.issued.pem)
    (tmp_path / "key").write_bytes(chip.issued.key_pem)
    with Wire(node.mqtt, node.ca, (str(tmp_path / "crt"), str(tmp_path / "key"))) as wire:
        assert wire.connect(chip.unique_id, 4).code == 0

    # Again, with the journal and without: everything is as it was.
    sekisho("manifest", "import", manifest, "--ca", ca, *words)
    assert (
        "3 devices done"
        in sekisho("manifest", "import", manifest, "--ca", ca, *words, "--out", tmp_path / "o").stdout
    )
    assert the_certificate(iot, chip.unique_id)["customerVersion"] == found["customerVersion"]


def test_bad_entries_among_many_are_named_and_stop_nothing(iot, vendor, words, name, tmp_path):
    good = [vendor.chip(f"{name}-{n}") for n in range(4)]
    entries = [vendor.entry(chip) for chip in good]
    forged = Vendor("forger").entry(vendor.chip(f"{name}-forged"))
    twice = vendor.entry(vendor.chip(good[0].unique_id))
    slash = vendor.entry(vendor.chip("a/b"))
    manifest, ca = vendor.deliver(tmp_path, [entries[0], forged, *entries[1:], twice, slash, 5, entries[1]])
    run = sekisho("manifest", "import", manifest, "--ca", ca, *words, ok=False)
    assert run.returncode == 1 and "4 devices done, 4 failed" in run.stdout
    assert "entry 2: its signature is not the vendor's" in run.stderr
    assert f"entry 6: {good[0].unique_id} is in the manifest before, with another certificate" in run.stderr
    assert "a/b: 'a/b' is not a thing name" in run.stderr
    assert "entry 8: it is not a JWS" in run.stderr
    for chip in good:
        assert the_certificate(iot, chip.unique_id)["certificatePem"] == chip.issued.pem
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=f"{name}-forged")
    # The vendor sends a better one: only what was missing is done.
    manifest.write_text(json.dumps([*entries, vendor.entry(vendor.chip(f"{name}-forged"))]))
    assert "5 devices done, 0 failed" in sekisho("manifest", "import", manifest, "--ca", ca, *words).stdout


def test_a_killed_import_goes_on(iot, vendor, words, name, tmp_path):
    chips = [vendor.chip(f"{name}-{n}") for n in range(24)]
    manifest, ca = vendor.deliver(tmp_path, [vendor.entry(chip) for chip in chips])
    command = ["manifest", "import", str(manifest), "--ca", str(ca), *words, "--batch", "4"]
    process = subprocess.Popen([*SEKISHO, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    journal = tmp_path / "manifest.json.imported" / "journal.jsonl"
    while not (journal.exists() and b'"done"' in journal.read_bytes()):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "24 devices done, 0 failed" in sekisho(*command).stdout
    for chip in chips:
        assert the_certificate(iot, chip.unique_id)["certificatePem"] == chip.issued.pem


def test_a_revoked_certificate_is_not_made_good_again(iot, vendor, words, name, tmp_path):
    chip = vendor.chip(name)
    made = iot.register_certificate_without_ca(certificatePem=chip.issued.pem, status="REVOKED")
    manifest, ca = vendor.deliver(tmp_path, [vendor.entry(chip)])
    run = sekisho("manifest", "import", manifest, "--ca", ca, *words, ok=False)
    assert run.returncode == 1
    assert f"{name}: certificate {made['certificateId']} is registered already and REVOKED" in run.stderr


def test_what_is_no_manifest_or_no_vendor(vendor, words, tmp_path):
    manifest, ca = vendor.deliver(tmp_path, [])
    manifest.write_text("{}")
    assert (
        "is not a JSON array" in sekisho("manifest", "import", manifest, "--ca", ca, *words, ok=False).stderr
    )
    refused = sekisho("manifest", "import", manifest, "--ca", manifest, *words, ok=False)
    assert refused.returncode == 1 and "is not PEM of certificates" in refused.stderr


def test_a_folder_of_certificates_is_imported(iot, words, name, tmp_path):
    folder, out = tmp_path / "certificates", tmp_path / "out"
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    pems = {f"{name}-{n}": self_signed(key, f"{name}-{n}").public_bytes(Encoding.PEM) for n in range(2)}
    for device, pem in pems.items():
        (folder / f"{device}.crt").write_bytes(pem)
    (folder / f"{name}-old.pem").write_bytes(
        self_signed(key, "old", days=3, ago=9).public_bytes(Encoding.PEM)
    )
    (folder / f"{name}-key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    run = sekisho("factory", "import", "--certificates", folder, "--out", out, *words, ok=False)
    assert run.returncode == 1 and "2 devices done, 2 failed" in run.stdout
    assert "a private key belongs nowhere but on its device" in run.stderr
    assert "expired" in run.stderr
    for device, pem in pems.items():
        assert the_certificate(iot, device)["certificatePem"].encode() == pem
        (found,) = json.loads((out / f"{device}.json").read_text())["devices"]
        assert found["certificateId"] == the_certificate(iot, device)["certificateId"]
    (folder / f"{name}-old.pem").unlink()
    (folder / f"{name}-key.pem").unlink()
    words = ["factory", "import", "--certificates", folder, "--out", out, *words]
    assert "2 devices done, 0 failed" in sekisho(*words).stdout
