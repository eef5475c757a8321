"""The AWS CLI from PyPI, in an environment of its own, with what ``sekisho env`` exports."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from interop.devices import allow, document
from interop.wire import Wire

AWS = Path(__file__).parents[2] / ".venv-awscli/bin/aws"

FAILURES = (254, 255)
"""The service said no: 255 for version 1, which PyPI has, 254 for version 2 (AWS CLI, Return codes)."""


@pytest.fixture(scope="module")
def aws(node, tmp_path_factory):
    """Runs ``aws …``; the completed process."""
    assert AWS.exists(), "make .venv-awscli/.done"
    home = tmp_path_factory.mktemp("home")
    environment = node.environment() | {
        "HOME": str(home),
        "AWS_PAGER": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }

    def run(*words):
        command = [AWS, "--output", "json", "--cli-connect-timeout", "5", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    run.environment = environment
    run.home = home
    return run


@pytest.fixture(scope="module")
def made(aws):
    """A thing, a certificate with its files, a policy, and all attached to each other."""
    document_file = aws.home / "policy.json"
    document_file.write_text(document(allow("*", "*")))

    def ok(*words):
        ran = aws(*words)
        assert (ran.returncode, ran.stderr) == (0, "")
        return json.loads(ran.stdout) if ran.stdout.strip() else {}

    thing = ok("iot", "create-thing", "--thing-name", "cli", "--attribute-payload", "attributes={site=tokyo}")
    files = {name: str(aws.home / name) for name in ("crt", "key", "pub")}
    certificate = ok(
        "iot",
        "create-keys-and-certificate",
        "--set-as-active",
        "--certificate-pem-outfile",
        files["crt"],
        "--private-key-outfile",
        files["key"],
        "--public-key-outfile",
        files["pub"],
    )
    ok("iot", "create-policy", "--policy-name", "cli", "--policy-document", f"file://{document_file}")
    arn = certificate["certificateArn"]
    ok("iot", "attach-policy", "--policy-name", "cli", "--target", arn)
    ok("iot", "attach-thing-principal", "--thing-name", "cli", "--principal", arn)
    return {"thing": thing, "certificate": certificate, "files": files}


def test_what_was_made(aws, made, iot):
    assert made["thing"]["thingArn"] == "arn:aws:iot:us-east-1:000000000000:thing/cli"
    assert iot.describe_thing(thingName="cli")["attributes"] == {"site": "tokyo"}
    certificate = made["certificate"]
    assert Path(made["files"]["crt"]).read_text() == certificate["certificatePem"]
    listed = json.loads(aws("iot", "list-thing-principals", "--thing-name", "cli").stdout)
    assert listed["principals"] == [certificate["certificateArn"]]


def test_the_endpoint(aws):
    shown = aws("iot", "describe-endpoint", "--endpoint-type", "iot:Data-ATS", "--output", "text")
    assert (shown.returncode, shown.stdout) == (0, "localhost\n")


def test_publish_reaches_the_device_that_was_made(node, aws, made):
    identity = made["files"]["crt"], made["files"]["key"]
    with Wire(node.mqtt, node.ca, identity) as wire:
        assert wire.connect("cli").code == 0
        assert wire.subscribe("from/cli") == [1]
        ran = aws("iot-data", "publish", "--topic", "from/cli", "--qos", "1", "--payload", "hello")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert wire.message()[:2] == ("from/cli", b"hello")


def test_an_error_is_the_clis_own(aws):
    ran = aws("iot", "describe-thing", "--thing-name", "nobody")
    assert ran.returncode in FAILURES
    assert "(ResourceNotFoundException) when calling the DescribeThing operation" in ran.stderr
    assert ran.stdout == ""


def test_the_node_checks_what_the_cli_does_not(aws):
    ran = aws("iot", "create-thing", "--thing-name", "no spaces allowed")
    assert ran.returncode in FAILURES
    assert "(InvalidRequestException) when calling the CreateThing operation" in ran.stderr


def test_who_am_i(aws):
    assert json.loads(aws("sts", "get-caller-identity").stdout)["Account"] == "000000000000"


def test_the_nodes_own_service(aws):
    shown = aws("sekisho", "describe-node")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["region"] == "us-east-1"


def test_pages(aws, made, iot):
    for number in range(5):
        iot.create_thing(thingName=f"cli-page-{number}")
    shown = aws("iot", "list-things", "--page-size", "2", "--query", "things[].thingName", "--output", "json")
    assert {f"cli-page-{number}" for number in range(5)} <= set(json.loads(shown.stdout))


def test_other_services_are_not_captured(node, aws):
    """``aws s3 ls`` goes to AWS, or rather to a proxy that is not there, and never to the node."""
    assert "AWS_ENDPOINT_URL" not in aws.environment
    closed = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    shown = subprocess.run(
        [AWS, "--debug", "s3", "ls"],
        env=aws.environment | closed,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shown.returncode in FAILURES
    assert "https://s3.amazonaws.com/" in shown.stderr
    assert "Failed to connect to proxy URL" in shown.stderr
    assert node.endpoints["https"] not in shown.stderr
