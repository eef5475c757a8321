"""`sekisho factory` against a node on both databases: what it makes, what it leaves, how it goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12

from api.making import csr, document, template
from command import SEKISHO, sekisho
from interop.wire import Wire
from recipients import Recipient, belongs, self_signed, traces_of

THING = {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "ThingName"}}}
REQUESTED = {"CertificateSigningRequest": {"Ref": "CSR"}, "Status": "ACTIVE"}
CERTIFICATE = {"Type": "AWS::IoT::Certificate", "Properties": REQUESTED}


@pytest.fixture(scope="module")
def recipient(tmp_path_factory):
    return Recipient(tmp_path_factory.mktemp("recipient"))


@pytest.fixture
def policy(iot, name):
    iot.create_policy(policyName=name, policyDocument=document("*", action="iot:*").replace("topic/*", "*"))
    return name


@pytest.fixture
def make(node, recipient, name, policy, tmp_path):
    """Runs `factory make` into ``out`` below the test's folder."""

    def run(count: int, *more: str, ok: bool = True):
        words = ["factory", "make", "--count", count, "--name", f"{name}-{{n:03}}", "--policy", policy]
        words += ["--out", tmp_path / "out", "--data", node.data]
        if "--passphrases" not in more:
            words += ["--recipient", recipient.certificate]
        return sekisho(*map(str, words), *more, ok=ok)

    return run


def principals(iot, thing: str) -> list[str]:
    return iot.list_thing_principals(thingName=thing)["principals"]


def describe(iot, certificate_id: str) -> dict:
    return iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]


def read_everything(*folders: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_a_made_device_connects_with_what_is_handed_over(node, iot, recipient, make, name, policy, tmp_path):
    said = make(3)
    assert "3 devices done, 0 failed" in said.stdout
    files = sorted((tmp_path / "out").glob("*.p7m"))
    assert [file.stem for file in files] == [f"{name}-{n:03}" for n in (1, 2, 3)]
    for file in files:
        content = recipient.open(file)
        (device,) = content["devices"]
        belongs(device)
        assert device["thingName"] == file.stem
        described = describe(iot, device["certificateId"])
        assert described["status"] == "ACTIVE" and described["certificatePem"] == device["certificatePem"]
        assert principals(iot, file.stem) == [described["certificateArn"]]
        attached = iot.list_attached_policies(target=described["certificateArn"])["policies"]
        assert [one["policyName"] for one in attached] == [policy]
    # What is handed over is all that a device needs.
    paths = {"ca": content["ca"], "crt": device["certificatePem"], "key": device["privateKey"]}
    for suffix, text in paths.items():
        (tmp_path / f"device.{suffix}").write_text(text)
    host, _, port = content["endpoint"].rpartition(":")
    identity = (str(tmp_path / "device.crt"), str(tmp_path / "device.key"))
    with Wire((host, int(port)), str(tmp_path / "device.ca"), identity) as wire:
        assert wire.connect(device["thingName"], 4).code == 0


def test_open_prints_what_openssl_finds(recipient, make, tmp_path):
    make(1, "--key", "rsa2048")
    (file,) = (tmp_path / "out").glob("*.p7m")
    opened = sekisho(
        "factory", "open", file, "--certificate", recipient.certificate, "--key", recipient.key
    ).stdout
    assert json.loads(opened) == recipient.open(file)
    key = load_pem_private_key(json.loads(opened)["devices"][0]["privateKey"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey) and key.key_size == 2048
    stranger = Recipient(tmp_path, "stranger")
    refused = sekisho(
        "factory", "open", file, "--certificate", stranger.certificate, "--key", stranger.key, ok=False
    )
    assert refused.returncode == 1 and "for another recipient" in refused.stderr and not refused.stdout


def test_a_batch_is_one_file(recipient, make, name, tmp_path):
    make(5, "--per-batch", "--batch", "2")
    files = sorted((tmp_path / "out").glob("*.p7m"))
    assert [file.name for file in files] == ["batch-00001.p7m", "batch-00002.p7m", "batch-00003.p7m"]
    devices = [device for file in files for device in recipient.open(file)["devices"]]
    assert [device["thingName"] for device in devices] == [f"{name}-{n:03}" for n in range(1, 6)]
    assert len({belongs(device).private_numbers().private_value for device in devices}) == 5


def test_pkcs12_under_a_passphrase_of_each_device(iot, make, name, tmp_path):
    phrases = tmp_path / "phrases"
    phrases.write_text(f"{name}-001,correct horse battery\n{name}-002,staple of another\n")
    run = make(3, "--passphrases", str(phrases), ok=False)
    assert run.returncode == 1 and f"there is no passphrase for {name}-003" in run.stderr
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=f"{name}-003")
    one, two = sorted((tmp_path / "out").glob("*.p12"))
    command = ["openssl", "pkcs12", "-in", one, "-noenc", "-passin", "pass:correct horse battery"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"{name}-001@" in shown and "BEGIN PRIVATE KEY" in shown and shown.count("BEGIN CERTIFICATE") == 2
    with pytest.raises(ValueError):
        pkcs12.load_pkcs12(two.read_bytes(), b"correct horse battery")
    (tmp_path / "phrase").write_text("staple of another\n")
    opened = json.loads(sekisho("factory", "open", two, "--passphrase-file", tmp_path / "phrase").stdout)
    belongs(opened["devices"][0])
    assert opened["devices"][0]["thingName"] == f"{name}-002"


def test_killed_at_any_moment_it_loses_nothing_and_doubles_nothing(
    node, iot, recipient, name, policy, tmp_path
):
    count = 40
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    words = ["factory", "make", "--count", count, "--name", f"{name}-{{n:03}}", "--policy", policy]
    words += ["--recipient", recipient.certificate, "--out", out, "--data", node.data]
    words += ["--batch", 4, "--concurrency", 3]
    command = [*SEKISHO, *map(str, words)]
    environment = os.environ | {"TMPDIR": str(temporary)}
    chance = random.Random(17)
    kills = 0
    while kills < 4:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        journal = out / "journal.jsonl"
        before = journal.stat().st_size if journal.exists() else 0
        # Somewhere in the first batches of this run: it has begun one for certain.
        while process.poll() is None and not (journal.exists() and journal.stat().st_size > before + 400):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        killed = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for path, content in read_everything(out, temporary).items():
            assert b"PRIVATE KEY" not in content, path
        if not killed:
            break
        kills += 1
    assert kills, "it was never interrupted"
    said = sekisho(*map(str, words), env=environment)
    assert f"{count} devices done, 0 failed" in said.stdout
    assert sum(1 for line in journal.read_text().splitlines() if '"begun"' in line) > count // 4

    keys = []
    for number in range(1, count + 1):
        thing = f"{name}-{number:03}"
        (device,) = recipient.open(out / f"{thing}.p7m")["devices"]
        keys.append(belongs(device))
        (arn,) = principals(iot, thing)
        assert arn.endswith(f"cert/{device['certificateId']}")
        assert describe(iot, device["certificateId"])["status"] == "ACTIVE"
    targets = iot.get_paginator("list_targets_for_policy").paginate(policyName=policy)
    assert sum(len(page["targets"]) for page in targets) == count, "a certificate of a lost key is left"

    # No key is anywhere: not in the folder, not in the temporary one, not in the node's data or log.
    kept = read_everything(out, temporary, node.data) | {Path("log"): node.log.encode()}
    for key in keys:
        for trace in traces_of(key):
            assert not any(trace in content for content in kept.values())
    assert not list(out.glob(".*.draft")) and not list(temporary.iterdir())
    assert traces_of(keys[0])[2] in json.dumps(recipient.open(out / f"{name}-001.p7m")).encode()


def test_certificates_whose_keys_died_are_removed_and_made_anew(iot, recipient, make, name, tmp_path):
    make(3)
    before = {thing: principals(iot, thing) for thing in (f"{name}-{n:03}" for n in (1, 2, 3))}
    # As kill -9 leaves it after the node has answered: the batch is begun, and its hand-overs are not there.
    journal = tmp_path / "out" / "journal.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:2]))
    make(3)
    for thing, (lost,) in before.items():
        (device,) = recipient.open(tmp_path / "out" / f"{thing}.p7m")["devices"]
        belongs(device)
        assert principals(iot, thing) == [describe(iot, device["certificateId"])["certificateArn"]]
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            describe(iot, lost.rpartition("/")[2])


def test_an_interrupt_says_how_to_go_on(node, recipient, name, policy, tmp_path):
    words = ["factory", "make", "--count", 100_000, "--name", f"{name}-{{n:06}}", "--policy", policy]
    words += ["--recipient", recipient.certificate, "--out", tmp_path / "out", "--data", node.data]
    words += ["--batch", 2]
    process = subprocess.Popen(
        [*SEKISHO, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not list((tmp_path / "out").glob("*.p7m")):
        assert process.poll() is None
        time.sleep(0.01)
    locked = sekisho(*map(str, words), ok=False)
    assert locked.returncode == 1 and "another run is at work in this folder" in locked.stderr
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again to go on" in errors and "devices done, 0 failed" in said


def test_another_job_does_not_go_on_in_the_same_folder(make):
    make(1)
    refused = make(1, "--first", "5", ok=False)
    assert refused.returncode == 1 and "is of another job (first was 1, is 5)" in refused.stderr
    assert "2 devices done" in make(2).stdout


def test_a_torn_last_line_is_cut_off_and_another_is_told(make, iot, recipient, name, tmp_path):
    make(1)
    journal = tmp_path / "out" / "journal.jsonl"
    with journal.open("a") as file:
        file.write('{"begun":{"a":"b')
    assert "2 devices done" in make(2).stdout
    journal.write_text(journal.read_text().replace('{"done"', '{"gone"', 1))
    refused = make(2, ok=False)
    assert refused.returncode == 1 and "line 3 is not a line of a journal" in refused.stderr


def test_a_thing_that_has_a_certificate_gets_no_second_one(make, iot, cert, name):
    iot.create_thing(thingName=f"{name}-002")
    iot.attach_thing_principal(thingName=f"{name}-002", principal=cert.arn)
    run = make(3, ok=False)
    assert run.returncode == 1 and "2 devices done, 1 failed" in run.stdout
    assert f"{name}-002: thing {name}-002 has a certificate already, {cert.id}" in run.stderr
    iot.detach_thing_principal(thingName=f"{name}-002", principal=cert.arn)
    assert "3 devices done, 0 failed" in make(3).stdout


def test_a_template_with_parameters(make, iot, recipient, name, node, tmp_path):
    thing = {"ThingName": {"Fn::Join": ["", ["t-", {"Ref": "SerialNumber"}]]}}
    thing["AttributePayload"] = {"line": {"Ref": "Line"}}
    resources = {"thing": {"Type": "AWS::IoT::Thing", "Properties": thing}, "certificate": CERTIFICATE}
    (tmp_path / "t.json").write_text(template(resources, "SerialNumber", "Line", "CSR"))
    words = ["factory", "make", "--count", "1", "--name", f"{name}-{{n}}", "--out", tmp_path / "out"]
    words += ["--recipient", recipient.certificate, "--data", node.data, "--template", tmp_path / "t.json"]
    missing = sekisho(*words, ok=False)
    assert "Parameters.Line: no value is given" in missing.stderr
    sekisho(*words[:7], *words[7:], "--parameter", "Line=7", "--out", tmp_path / "second")
    assert iot.describe_thing(thingName=f"t-{name}-1")["attributes"] == {"line": "7"}
    assert recipient.open(tmp_path / "second" / f"{name}-1.p7m")["devices"][0]["thingName"] == f"t-{name}-1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "press"], "must have the number in it"),
        (["--name", "press-{n} {n}"], "is not a thing name"),
        (["--name", "../{n}"], "is not a thing name"),
        (["--name", "{n:q}"], "--name '{n:q}'"),
        (["--name", "{n}", "--key", "dsa"], "--key dsa is none of"),
        (["--name", "{n}", "--policy", "p", "--template", "t.json"], "are for runs without --template"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_made(node, recipient, tmp_path, words, said):
    start = ["factory", "make", "--count", "1", "--out", tmp_path / "out", "--data", node.data]
    refused = sekisho(*start, "--recipient", recipient.certificate, *words, ok=False)
    assert refused.returncode == 1 and said in refused.stderr
    assert not (tmp_path / "out").exists()


def test_keys_need_someone_to_open_them(node, tmp_path):
    words = ["factory", "make", "--count", "1", "--name", "{n}", "--out", tmp_path / "out"]
    assert "say who may have the keys" in sekisho(*words, "--data", node.data, ok=False).stderr
    for name, key, more, said in (
        ("curve", ec.generate_private_key(ec.SECP256R1()), {}, "needs an RSA key of at least 2048 bits"),
        ("old", rsa.generate_private_key(65537, 2048), {"days": 3, "ago": 9}, "is not valid now"),
    ):
        path = tmp_path / f"{name}.pem"
        path.write_bytes(self_signed(key, name, **more).public_bytes(Encoding.PEM))
        refused = sekisho(*words, "--data", node.data, "--recipient", path, ok=False)
        assert refused.returncode == 1 and said in refused.stderr and f"CN={name}" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_requests_of_devices_are_signed_once(node, iot, name, tmp_path):
    folder = tmp_path / "csrs"
    folder.mkdir()
    keys = {f"{name}-{n}": ec.generate_private_key(ec.SECP256R1()) for n in range(3)}
    for device, key in keys.items():
        (folder / f"{device}.csr").write_text(csr(device, key))
    (folder / f"{name}-bad.csr").write_text("no request")
    words = ["factory", "sign", "--csrs", folder, "--out", tmp_path / "out"]
    # As on another machine: what `sekisho env` says is all that it has.
    run = sekisho(*words, ok=False, env=os.environ | node.environment(), cwd=tmp_path)
    assert run.returncode == 1 and "3 devices done, 1 failed" in run.stdout
    assert f"{name}-bad: {name}-bad.csr: not PEM" in run.stderr
    for device, key in keys.items():
        (found,) = json.loads((tmp_path / "out" / f"{device}.json").read_text())["devices"]
        assert (
            x509.load_pem_x509_certificate(found["certificatePem"].encode()).public_key() == key.public_key()
        )
        assert "privateKey" not in found and len(principals(iot, device)) == 1

    # The answer that nobody saw: the journal has the batch begun, and not done.
    journal = tmp_path / "out" / "journal.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:2]))
    (folder / f"{name}-bad.csr").write_text(csr(f"{name}-bad"))
    sekisho(*words, "--data", node.data)
    for device in keys:
        (found,) = json.loads((tmp_path / "out" / f"{device}.json").read_text())["devices"]
        assert principals(iot, device) == [describe(iot, found["certificateId"])["certificateArn"]]


def test_a_node_that_ends_stops_the_run_and_nothing_is_lost(recipient, tmp_path):
    from nodes import running

    words = ["factory", "make", "--count", "60", "--name", "n-{n}", "--out", tmp_path / "out"]
    words += ["--recipient", recipient.certificate, "--data", tmp_path / "node", "--batch", "3"]
    with running(tmp_path / "node") as node:
        process = subprocess.Popen(
            [*SEKISHO, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while not list((tmp_path / "out").glob("*.p7m")):
            assert process.poll() is None
            time.sleep(0.005)
        node.kill()
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 1 and "the node does not answer" in errors and "go on" in errors
        node.start()
        assert "60 devices done, 0 failed" in sekisho(*words).stdout
        iot = node.client("iot")
        certificates = iot.get_paginator("list_certificates").paginate()
        assert sum(len(page["certificates"]) for page in certificates) == 60
        for number in range(1, 61):
            (device,) = recipient.open(tmp_path / "out" / f"n-{number}.p7m")["devices"]
            belongs(device)
            (arn,) = principals(iot, f"n-{number}")
            assert arn.endswith(device["certificateId"])
