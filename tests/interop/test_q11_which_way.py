"""Question 11: which way for a contract manufacturer? `sekisho advise` asks what may be known to whom and
answers with a method and its commands. They are run here as they are printed, in a shell, with the AWS CLI,
and a device connects with what comes of them.
"""

from __future__ import annotations

import json

import pytest

from command import sekisho
from interop.asking import ask
from interop.bench import Bench, flags
from interop.devices import new_csr, new_key
from interop.wire import Closed
from nodes import running
from vendors import Vendor


@pytest.fixture
def bench(tmp_path):
    with running(tmp_path / "node") as node:
        yield Bench(node, tmp_path / "bench")


def test_q11_the_devices_make_their_keys_and_the_line_brings_their_requests(bench):
    advice = bench.follow("device yes yes no none platform one")
    assert advice["method"] == "sign"
    content = json.loads((bench.folder / "batch-1/press-1.json").read_text())
    (bench.folder / "press-1.crt").write_text(content["devices"][0]["certificatePem"])
    bench.connects("press-1", "press-1.crt", "press-1.key")


def test_q11_the_line_may_make_the_keys(bench):
    advice = bench.follow("factory yes no no none platform one")
    assert advice["method"] == "make"
    opened = json.loads(bench.sh(advice["commands"][-1]))
    (bench.folder / "crt").write_text(opened["devices"][0]["certificatePem"])
    (bench.folder / "key").write_text(opened["devices"][0]["privateKey"])
    bench.connects("press-00001", "crt", "key")


def test_q11_the_manufacturer_signs_with_a_ca_that_is_registered(bench):
    advice = bench.follow("device yes no no none own one")
    assert advice["method"] == "jitp"
    bench.sh(
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=press-2 "
        "-keyout press-2.key -out press-2.csr\n"
        "openssl x509 -req -in press-2.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out press-2.crt"
    )
    # The first connection registers the device and ends; the second is the device's.
    with bench.wire("press-2.crt", "press-2.key") as wire, pytest.raises(Closed):
        wire.connect("press-2", 4)
    bench.connects("press-2", "press-2.crt", "press-2.key")


def test_q11_another_manufacturer_keeps_its_ca_and_proves_nothing(bench):
    bench.sh(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=Maker "
        "-out ca.pem -keyout ca.key"
    )
    advice = bench.follow("factory yes no no none maker one")
    assert (advice["method"], advice["certificateMode"]) == ("jitp", "SNI_ONLY")
    (ca,) = bench.node.client("iot").list_ca_certificates()["certificates"]
    assert ca["status"] == "ACTIVE"


def test_q11_the_chips_come_with_certificates(bench):
    vendor = Vendor()
    chip = vendor.chip("0123f1822c38dd7a01")
    vendor.deliver(bench.folder, [vendor.entry(chip)])
    assert bench.follow("device no yes no vendor platform several")["method"] == "manifest"
    (bench.folder / "crt").write_text(chip.issued.pem)
    (bench.folder / "key").write_bytes(chip.issued.key_pem)
    bench.connects(chip.unique_id, "crt", "key")


def test_q11_all_devices_leave_with_the_same_image(bench):
    advice = bench.follow("device no no no none platform one")
    assert advice["method"] == "claim"
    key, pem = new_key()
    with bench.wire("claim.crt", "claim.key") as wire:
        assert wire.connect("new-press-3", 4).code == 0
        csr = new_csr(key, "press-3")
        made = ask(wire, "$aws/certificates/create-from-csr/json", certificateSigningRequest=csr)
        token = made["certificateOwnershipToken"]
        topic = "$aws/provisioning-templates/devices/provision/json"
        ask(wire, topic, certificateOwnershipToken=token, parameters={"SerialNumber": "press-3"})
    (bench.folder / "crt").write_text(made["certificatePem"])
    (bench.folder / "key").write_bytes(pem)
    bench.connects("press-3", "crt", "key")


def test_q11_it_asks_what_was_not_said_and_answers_in_words(tmp_path):
    # By number or by word; what is neither is asked again.
    answers = "1\nno\n2\nmaybe\n1\nnone\nplatform\n1\n"
    run = sekisho("advise", input=answers, cwd=tmp_path)
    assert run.stdout.startswith("trusted-user: fleet provisioning with a claim of five minutes")
    for heading in ("Why", "What to look out for", "Otherwise", "Commands"):
        assert f"\n{heading}" in run.stdout
    assert "Who may know a device's private key?" in run.stderr and "'maybe' is none of them" in run.stderr
    assert not list(tmp_path.iterdir())


def test_q11_an_answer_that_is_none_or_missing_is_named(tmp_path):
    wrong = sekisho("advise", *flags("device yes yes no none platform many"), ok=False)
    assert wrong.returncode == 1 and "--places: 'many' is none of one, several" in wrong.stderr
    at_once = sekisho("advise", "--keys", "anyone", ok=False, input="")
    assert at_once.returncode == 1 and at_once.stderr.startswith("sekisho: --keys: 'anyone' is none of")
    missing = sekisho("advise", "--keys", "device", ok=False, input="")
    assert missing.returncode == 1 and "give it as --reach yes|no" in missing.stderr
    (tmp_path / "policy.json").write_text("mine")
    kept = sekisho("advise", *flags("device yes yes no none platform one"), "--write", tmp_path, ok=False)
    assert kept.returncode == 1 and "policy.json is there already" in kept.stderr
    assert (tmp_path / "policy.json").read_text() == "mine"
