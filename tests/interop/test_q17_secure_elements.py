"""Question 17: are secure elements the standard way? A device whose key lives in a token is provisioned and
connects, and so does one that keeps its key in a file. The node cannot tell them apart, and need not.

The device with the token is ``examples/secure_element.py`` as it stands, on the unmodified AWS IoT SDK.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from command import sekisho
from interop.asking import ask
from interop.devices import allow, document, new_csr, new_key
from interop.wire import Wire
from tokens import MODULE, Tokens
from vendors import Vendor

EXAMPLE = Path(__file__).parents[2] / "examples/secure_element.py"
TEMPLATE = "elements"
ROLE = "arn:aws:iam::000000000000:role/provisioning"
SERIAL = {"Ref": "SerialNumber"}
OWN = "devices/${iot:Connection.Thing.ThingName}/*"


@pytest.fixture(scope="module")
def claim(iot, device):
    """The template of both devices, and the claim certificate that both leave the factory with."""
    policy = document(
        allow("Connect", "client/${iot:Connection.Thing.ThingName}"), allow("Publish", f"topic/{OWN}")
    )
    body = {
        "Parameters": {"SerialNumber": {"Type": "String"}},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": SERIAL}},
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"},
            },
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": policy}},
        },
    }
    iot.create_provisioning_template(
        templateName=TEMPLATE, templateBody=json.dumps(body), provisioningRoleArn=ROLE, enabled=True
    )
    reserved = ["$aws/certificates/create*", f"$aws/provisioning-templates/{TEMPLATE}/provision/*"]
    topics = [f"topic/{topic}" for topic in reserved]
    return device(
        "claim",
        statements=[
            allow("Connect", "client/new-*"),
            allow("Publish", *topics),
            allow("Receive", *topics),
            allow("Subscribe", *(f"topicfilter/{topic}" for topic in reserved)),
        ],
        thing=False,
    )


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path)


@pytest.fixture
def start(node, claim, tokens, tmp_path):
    """Starts the example as a device of this serial number; what it says."""

    def run(serial: str, token: str, *more: str, ok: bool = True) -> str:
        command = [sys.executable, EXAMPLE, "--serial", serial, "--module", MODULE, "--token", token]
        command += more or ["--template", TEMPLATE, "--claim", claim.certificate, claim.key]
        command += ["--endpoint", node.endpoints["mqtt"], "--ca", node.ca, "--folder", tmp_path]
        run = subprocess.run(
            [*map(str, command)], env=tokens.environment, capture_output=True, text=True, timeout=100
        )
        assert (run.returncode == 0) is ok, run.stdout + run.stderr
        return run.stdout

    return run


def certificate_of(iot: Any, thing: str) -> dict[str, Any]:
    (arn,) = iot.list_thing_principals(thingName=thing)["principals"]
    described = iot.describe_certificate(certificateId=arn.partition(":cert/")[2])
    return described["certificateDescription"]


def test_q17_a_device_with_a_token_is_provisioned_and_connects(iot, observer, tokens, start, tmp_path):
    observer.subscribe("devices/press-7/hello")
    token = tokens.new("press-7")

    # The first start: key in the token, certificate by the claim, connection by the token.
    said = start("press-7", token)
    assert said.splitlines() == ["provisioned as press-7", "connected as press-7, the key in token press-7"]
    assert observer.message().payload == b"from a token"

    # The second start needs no provisioning: the certificate is kept, the key is where it was.
    assert start("press-7", token) == "connected as press-7, the key in token press-7\n"
    assert observer.message().payload == b"from a token"

    # The certificate is for the token's key, and the key is nowhere else and cannot be had.
    certificate = x509.load_pem_x509_certificate(certificate_of(iot, "press-7")["certificatePem"].encode())
    numbers = certificate.public_key().public_numbers()
    point, refusal = tokens.look(token, "press-7")
    assert point.endswith(numbers.x.to_bytes(32) + numbers.y.to_bytes(32))
    assert refusal == "AttributeSensitive"
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and tokens.folder not in path.parents]
    assert sorted(path.name for path in kept) == ["press-7.crt", "softhsm2.conf"]
    assert not any(b"PRIVATE" in path.read_bytes() for path in kept)


def test_q17_the_factory_signs_the_tokens_request(node, iot, observer, tokens, start, tmp_path):
    observer.subscribe("devices/press-10/hello")
    token = tokens.new("press-10")
    (tmp_path / "csrs").mkdir()
    (tmp_path / "csrs/press-10.csr").write_text(start("press-10", token, "--request"))
    policy = document(allow("*", "*"))
    iot.create_policy(policyName="signed-elements", policyDocument=policy)
    words = ["factory", "sign", "--csrs", tmp_path / "csrs", "--policy", "signed-elements"]
    sekisho(*words, "--out", tmp_path / "out", "--data", node.data)
    (handed,) = json.loads((tmp_path / "out/press-10.json").read_text())["devices"]
    (tmp_path / "press-10.crt").write_text(handed["certificatePem"])
    # No claim: the certificate is there already, and its key never was anywhere but in the token.
    assert start("press-10", token) == "connected as press-10, the key in token press-10\n"
    assert observer.message().payload == b"from a token"


def test_q17_a_chip_that_came_with_its_vendors_certificate(node, iot, observer, tokens, start, tmp_path):
    observer.subscribe("devices/press-11/hello")
    # At the vendor: the chip makes its key, the vendor's CA signs, the manifest tells of it.
    token, vendor = tokens.new("press-11"), Vendor()
    request = x509.load_pem_x509_csr(tokens.make_key(token, "press-11").encode())
    chip = vendor.chip("press-11", request)
    manifest, ca = vendor.deliver(tmp_path, [vendor.entry(chip)])
    # Here: the manifest is imported, and the chip connects with what it came with.
    iot.create_policy(policyName="chips", policyDocument=document(allow("*", "*")))
    sekisho("manifest", "import", manifest, "--ca", ca, "--policy", "chips", "--data", node.data)
    (tmp_path / "press-11.crt").write_text(chip.issued.pem)
    assert start("press-11", token) == "connected as press-11, the key in token press-11\n"
    assert observer.message().payload == b"from a token"
    assert certificate_of(iot, "press-11")["certificateMode"] == "SNI_ONLY"


def test_q17_a_device_without_one_too(node, iot, observer, claim, tmp_path):
    observer.subscribe("devices/press-8/hello")
    key, pem = new_key()
    with claim.online("new-press-8") as wire:
        answer = ask(
            wire, "$aws/certificates/create-from-csr/json", certificateSigningRequest=new_csr(key, "p")
        )
        topic = f"$aws/provisioning-templates/{TEMPLATE}/provision/json"
        token = answer["certificateOwnershipToken"]
        made = ask(wire, topic, certificateOwnershipToken=token, parameters={"SerialNumber": "press-8"})
    assert made["thingName"] == "press-8"
    (tmp_path / "crt").write_text(answer["certificatePem"])
    (tmp_path / "key").write_bytes(pem)
    with Wire(node.mqtt, node.ca, (str(tmp_path / "crt"), str(tmp_path / "key"))) as wire:
        assert wire.connect("press-8", 4).code == 0
        wire.publish("devices/press-8/hello", b"from a file")
        assert observer.message().payload == b"from a file"
    assert certificate_of(iot, "press-8")["status"] == "ACTIVE"


def test_q17_the_certificate_without_the_token_is_worth_nothing(tokens, start, tmp_path):
    start("press-9", tokens.new("press-9"))
    # A thief has copied the disk, certificate and all, and has a token of the same name with a key in it.
    thief = Tokens(tmp_path / "thief")
    thief.new("press-9")
    thief.make_key("press-9", "press-9")
    tokens.environment = thief.environment
    start("press-9", "press-9", ok=False)
