"""``sekisho demo``: what it says, what its exit code means, and where the devices' keys are not."""

from __future__ import annotations

import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sekisho.cli.demo import run_demo
from sekisho.cli.demo.documents import DEVICE_POLICY, TEMPLATE
from sekisho.cli.demo.node import DemoNode
from sekisho.cli.demo.steps import STEPS
from sekisho.cli.demo.waiting import Patience

DEVICES = 4
OTHERS = 2
"""The claim certificate's key and the observer's; nobody's key may be on the node."""

SEKISHO = [sys.executable, "-c", "from sekisho.cli import main; main()"]


class Folders:
    """Where the node keeps its data, and, somewhere else, where the demo leaves the keys."""

    def __init__(self, root: Path) -> None:
        self.data = root / "node"
        self.keys = root / "keys"
        self.keys.mkdir()

    def command(self, devices: int) -> list[str]:
        return [*SEKISHO, "demo", "--devices", str(devices), "--data", str(self.data)]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"SEKISHO_DEMO_KEYS": str(self.keys), "COLUMNS": "200"}

    def pid(self) -> int:
        return int(json.loads((self.data / "endpoints.json").read_text())["pid"])


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


class Done(NamedTuple):
    folders: Folders
    ran: subprocess.CompletedProcess[str]
    endpoints: dict[str, str]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One whole demo, from the command line."""
    folders = Folders(tmp_path_factory.mktemp("demo"))
    ran = subprocess.run(
        folders.command(DEVICES), env=folders.environment, capture_output=True, text=True, timeout=110
    )
    return Done(folders, ran, json.loads((folders.data / "endpoints.json").read_text()))


def test_every_step_happens_for_every_device(done):
    ran = done.ran
    assert (ran.returncode, ran.stderr) == (0, "")
    summary = ran.stdout.partition("What the devices did")[2].splitlines()
    for step in STEPS.values():
        count = f"{DEVICES} of {DEVICES}" if step.each else "1 of 1"
        (line,) = [line for line in summary if line.startswith(step.words)]
        assert line.removeprefix(step.words).split()[:3] == count.split()
        assert line.count(" ms") == 2


def test_the_refusal_is_explained(done):
    ran = done.ran
    lines = [line.strip() for line in ran.stdout.splitlines()]
    topic = "topic/devices/demo-sensor/sensor-0002/telemetry"
    assert ["action", "iot:Publish"] in [line.split() for line in lines]
    assert ["resource", f"arn:aws:iot:us-east-1:000000000000:{topic}"] in [line.split() for line in lines]
    assert f"policy {DEVICE_POLICY} (version 1)" in lines
    assert any(line.startswith("statement 1 ReportTelemetry, Allow: ") for line in lines)
    assert "${iot:Connection.Thing.ThingName} = sensor-0001" in lines
    assert "${iot:Connection.Thing.ThingTypeName} = demo-sensor" in lines


def test_the_summary_says_where_everything_was_and_what_to_try(done):
    folders, ran, at = done
    for place in (at["mqtt"], f"https://{at['https']}", f"http://{at['api']}", at["ca"]):
        assert place in ran.stdout
    commands = ran.stdout.partition("Try next:")[2].splitlines()
    assert len([line for line in commands if f"--data {folders.data}" in line]) == 3


def test_what_to_try_next_works(done):
    folders = done.folders

    def run(*arguments: str) -> str:
        return subprocess.run(
            [*SEKISHO, *arguments, "--data", str(folders.data)],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    with DemoNode(folders.data, Patience()) as node:
        for service in ("IOT", "ACM"):
            assert f"AWS_ENDPOINT_URL_{service}=https://{node.endpoints['https']}" in run("env")
        things = subprocess.run(
            ["/bin/sh", "-c", 'eval "$1"; exec "$2" -c "$3"', "sh", run("env"), sys.executable, LIST_THINGS],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout.split()
        explanation = run("explain", "--client", "sensor-0001")
    assert things == [f"sensor-{number:04d}" for number in range(1, DEVICES + 1)]
    assert "not authorized to publish to devices/demo-sensor/sensor-0002/telemetry" in explanation


LIST_THINGS = """
import boto3
for thing in boto3.client("iot").list_things()["things"]:
    print(thing["thingName"])
"""


def test_q12_no_key_is_anywhere_on_the_node(done, tmp_path):
    folders = done.folders
    keys = sorted(folders.keys.glob("*.key.pem"))
    assert len(keys) == DEVICES + OTHERS
    haystack = haystack_of(folders.data)
    assert {"sekisho.db", "keyring.json", "node.log"} <= {name for name, _ in haystack}
    for key in keys:
        assert_search_works(key, haystack, tmp_path)
        assert found(forms(key), haystack) == []


def test_a_node_that_dies_fails_the_demo_and_leaves_no_key_in_its_wal(folders, tmp_path):
    with subprocess.Popen(
        folders.command(100), env=folders.environment, stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if f"{STEPS['registered'].words}: 1 of" in line:
                break
        os.kill(folders.pid(), signal.SIGKILL)
        output, _ = demo.communicate(timeout=100)
    assert demo.returncode == 1
    assert "the node ended with signal SIGKILL" in output
    assert "Not everything happened:" in output
    assert "Try next:" not in output

    haystack = haystack_of(folders.data)
    assert len(dict(haystack)["sekisho.db-wal"]) > 0
    registered = [key for key in sorted(folders.keys.glob("*.key.pem")) if certificate_of(key).exists()]
    assert len(registered) > OTHERS
    kept = [key for key in registered if found(body_lines(certificate_of(key)), haystack)]
    assert len(kept) > OTHERS
    assert_search_works(kept[0], haystack, tmp_path)
    for key in registered:
        assert found(forms(key), haystack) == []


def test_a_step_that_cannot_happen_fails_the_demo(folders, capsys):
    def disable(backend):
        backend.iot.update_provisioning_template(templateName=TEMPLATE, enabled=False)

    assert run_demo(2, folders.data, prepared=disable) == 1
    output = capsys.readouterr().out
    assert f"{STEPS['certificate'].words}: 2 of 2" in output
    assert f"{STEPS['registered'].words}: 0 of 2" in output
    assert f"0001 did not {STEPS['registered'].words}" in output
    assert f"template {TEMPLATE} is not enabled" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_demo_leaves_no_process_behind(folders, number):
    with subprocess.Popen(
        folders.command(100),
        env=folders.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if f"{STEPS['claim'].words}: 1 of" in line:
                break
        node = folders.pid()
        demo.send_signal(number)
        _, errors = demo.communicate(timeout=60)
    assert (demo.returncode, errors) == (130, "sekisho: interrupted; the node has been stopped\n")
    with pytest.raises(ProcessLookupError):
        os.kill(node, 0)


def test_a_folder_of_someone_else_is_left_alone(folders, capsys):
    folders.data.mkdir()
    (folders.data / "sekisho.db").write_text("precious")
    assert run_demo(2, folders.data) == 1
    assert f"{folders.data} was not made by a demo" in capsys.readouterr().err
    assert [path.name for path in folders.data.iterdir()] == ["sekisho.db"]


def test_a_folder_in_use_is_left_alone(done, capsys):
    folders = done.folders
    with DemoNode(folders.data, Patience()):
        assert run_demo(2, folders.data) == 1
        assert f"a node is running on {folders.data}" in capsys.readouterr().err
        assert (folders.data / "sekisho.db").exists()


# --- looking for keys --------------------------------------------------------------------------------------

Haystack = list[tuple[str, bytes]]


def haystack_of(folder: Path) -> Haystack:
    """Every file of the folder, and the database as SQL, where no text is cut by pages."""
    files = [
        (str(path.relative_to(folder)), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    with closing(sqlite3.connect(folder / "sekisho.db")) as database:
        dump = "\n".join(database.iterdump())
    return [*files, ("the database as SQL", dump.encode())]


def forms(key_file: Path) -> list[bytes]:
    """What would give the key away: its DER, its scalar, and their texts."""
    key = load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    needles = [scalar, *texts(scalar)]
    for format in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        der = key.private_bytes(Encoding.DER, format, NoEncryption())
        pem = key.private_bytes(Encoding.PEM, format, NoEncryption())
        last = der.index(scalar) + len(scalar)
        # 48 bytes a line; a line beyond the scalar has the public key, which certificates show, too.
        lines = pem.splitlines()[1 : 2 + (last - 1) // 48]
        needles += [der, *texts(der), *lines]
    return needles


def texts(data: bytes) -> Iterator[bytes]:
    yield data.hex().encode()
    yield data.hex().upper().encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # The last character depends on what would follow.
        yield encode(data).rstrip(b"=")[:-1]


def certificate_of(key_file: Path) -> Path:
    return key_file.with_name(key_file.name.replace(".key.", ".certificate."))


def body_lines(pem_file: Path) -> list[bytes]:
    return [line for line in pem_file.read_bytes().splitlines()[1:-1] if len(line) == 64]


def found(needles: list[bytes], haystack: Haystack) -> list[str]:
    """Where any of the needles is."""
    return [name for name, content in haystack if any(needle in content for needle in needles)]


def assert_search_works(key_file: Path, haystack: Haystack, scratch: Path) -> None:
    """It finds the certificate of the key on the node, and the key itself, in each form, where it is put."""
    certificate = body_lines(certificate_of(key_file))
    assert len(certificate) > 5
    for line in certificate:
        assert "the database as SQL" in found([line], haystack)
    assert [name for name in found(certificate, haystack) if name.startswith("sekisho.db")]
    for planted in planted_forms(key_file):
        store = scratch / "sekisho.db"
        with closing(sqlite3.connect(store)) as database, database:
            database.execute("CREATE TABLE planted (body)")
            database.execute("INSERT INTO planted VALUES (?)", (planted,))
        assert "sekisho.db" in found(forms(key_file), haystack_of(scratch)), type(planted)
        store.unlink()


def planted_forms(key_file: Path) -> list[Any]:
    """The ways in which a node might keep a key, each made without :func:`forms`."""
    key = load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    scalar = key.private_numbers().private_value
    sec1 = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    jwk = base64.urlsafe_b64encode(scalar.to_bytes(32, "big")).decode().rstrip("=")
    return [
        json.dumps({"keyPair": {"PrivateKey": key_file.read_text()}}),
        sec1.decode(),
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        json.dumps({"kty": "EC", "crv": "P-256", "d": jwk}),
        f"{scalar:064x}",
        f"{scalar:064X}",
    ]
