"""Temporary credentials beyond boto3: MQTT over WebSocket, the AWS CLI, and the commands of the document."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from awscrt import auth, mqtt
from awsiot import mqtt_connection_builder
from botocore.credentials import Credentials

from interop.devices import allow, until
from interop.providers import ACCOUNT, role_and_alias
from interop.sockets import Refused, SocketWire, presigned
from interop.wire import Closed
from nodes import running

ROOT = Path(__file__).parents[2]
AWS = ROOT / ".venv-awscli/bin/aws"
PAGE = (ROOT / "docs/credentials.md").read_text()
PATIENCE = 15


def trust():
    who = {"AWS": ACCOUNT}
    statement = {"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def assumed(node, name):
    """Credentials of a role that may connect as one client and use one topic."""

    def assume(**more):
        short = name[:60]
        statements = [
            allow("Connect", f"client/{short}"),
            allow("Publish", "topic/ws/role/*"),
            allow("Subscribe", "topicfilter/ws/role/*"),
            allow("Receive", "topic/ws/role/*"),
        ]
        role_and_alias(node, short, *statements, trust=trust())
        answer = node.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{short}", RoleSessionName="session", **more
        )
        found = answer["Credentials"]
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    assume.client_id = name[:60]
    return assume


def appended(node, who):
    """The token is appended after signing (AWS IoT Developer Guide, MQTT over the WebSocket protocol)."""
    url = presigned(node, who=Credentials(who.access_key, who.secret_key))
    return f"{url}&X-Amz-Security-Token={quote(who.token, safe='')}"


@pytest.mark.parametrize(
    "url", [lambda node, who: presigned(node, who=who), appended], ids=["signed", "appended"]
)
def test_a_role_over_websocket_does_what_it_may(node, assumed, url):
    with SocketWire(node, url(node, assumed())) as wire:
        assert wire.connect(assumed.client_id).code == 0
        assert wire.subscribe("ws/role/a") == [1]
        wire.publish("ws/role/a", b"hello", qos=1)
        assert wire.message().payload == b"hello"
        with pytest.raises(Closed):
            wire.publish("elsewhere", b"hello")


def test_a_role_over_websocket_is_one_client_alone(node, assumed, own):
    who = assumed()
    with SocketWire(node, presigned(node, who=who)) as wire, pytest.raises(Closed):
        wire.connect("another")
    found = own.list_refusals(clientId="another", maxResults=1)["refusals"][0]
    assert found["principal"].endswith(f"assumed-role/{assumed.client_id}/session")


def test_a_session_policy_limits_over_websocket_and_explain_names_it(node, assumed, own):
    less = [allow("Connect", "*"), allow("Subscribe", "*")]
    document = json.dumps({"Version": "2012-10-17", "Statement": less})
    with SocketWire(node, presigned(node, who=assumed(Policy=document))) as wire:
        assert wire.connect(assumed.client_id).code == 0
        with pytest.raises(Closed):
            wire.publish("ws/role/a", b"hello")
    found = own.list_refusals(clientId=assumed.client_id, maxResults=1)["refusals"][0]
    assert (found["action"], found["decision"]) == ("iot:Publish", "IMPLICIT_DENY")
    assert found["policies"][0]["policyName"] == "session policy"


def test_what_is_taken_from_a_role_is_taken_from_its_connections(node, assumed):
    iam = node.client("iam")
    with SocketWire(node, presigned(node, who=assumed())) as wire:
        assert wire.connect(assumed.client_id).code == 0
        assert wire.subscribe("ws/role/a") == [1]
        less = [allow("Connect", "*"), allow("Subscribe", "*")]
        document = json.dumps({"Version": "2012-10-17", "Statement": less})
        iam.put_role_policy(RoleName=assumed.client_id, PolicyName="least", PolicyDocument=document)
        until(lambda: wire.subscribe("ws/role/b") == [1] and _is_refused(wire))


def _is_refused(wire):
    try:
        wire.publish("ws/role/a", b"hello")
    except Closed:
        return True
    return False


def test_a_connection_ends_with_its_role(node, assumed):
    iam = node.client("iam")
    with SocketWire(node, presigned(node, who=assumed())) as wire:
        assert wire.connect(assumed.client_id).code == 0
        iam.delete_role_policy(RoleName=assumed.client_id, PolicyName="least")
        iam.delete_role(RoleName=assumed.client_id)
        wire.until_closed()


def test_a_token_that_has_ended_or_is_not_ours_opens_no_socket(node, assumed, own):
    who = assumed(DurationSeconds=900)
    url = presigned(node, who=who)
    with pytest.raises(Refused) as caught:
        SocketWire(node, presigned(node, who=Credentials(who.access_key, who.secret_key, "Zm9v")))
    assert caught.value.status == 403
    own.set_clock(advanceSeconds=901)
    try:
        with pytest.raises(Refused) as caught:
            SocketWire(node, url)
    finally:
        own.set_clock(reset=True)
    assert caught.value.status == 403
    reasons = [one["reason"] for one in own.list_refusals(maxResults=2)["refusals"]]
    assert "expired" in reasons[0]
    assert "invalid" in reasons[1]


def test_awsiotsdk_with_a_roles_credentials(node, assumed):
    who = assumed()
    host, port = node.address("https")
    connection = mqtt_connection_builder.websockets_with_default_aws_signing(
        region="us-east-1",
        credentials_provider=auth.AwsCredentialsProvider.new_static(
            who.access_key, who.secret_key, who.token
        ),
        endpoint=host,
        port=port,
        ca_filepath=node.ca,
        client_id=assumed.client_id,
        clean_session=True,
        keep_alive_secs=30,
    )
    connection.connect().result(PATIENCE)
    connection.publish("ws/role/a", b"hello", mqtt.QoS.AT_LEAST_ONCE)[0].result(PATIENCE)
    connection.disconnect().result(PATIENCE)


def test_credentials_outlive_the_node_that_gave_them(tmp_path):
    """Whoever has the keyring can open a session token: there is nothing to be remembered."""
    with running(tmp_path / "node") as node:
        role_and_alias(node, "camera", allow("Publish", "topic/a"), trust=trust())
        arn = f"arn:aws:iam::{ACCOUNT}:role/camera"
        found = node.client("sts").assume_role(RoleArn=arn, RoleSessionName="before")["Credentials"]
        node.kill()
        node.start()
        keys = {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }
        node.client("iot-data", **keys).publish(topic="a", payload=b"x")
        assert node.client("sts", **keys).get_caller_identity()["Arn"].endswith("/camera/before")


# --- the AWS CLI, and the document ---


@pytest.fixture(scope="module")
def environment(node, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    sekisho = home / ".venv/bin/sekisho"
    sekisho.parent.mkdir(parents=True)
    sekisho.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from sekisho.cli import main; main()" "$@"\n')
    sekisho.chmod(0o700)
    (home / ".sekisho").symlink_to(node.data)
    more = {"HOME": str(home), "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"}
    found = node.environment() | more
    return found | {"PATH": f"{AWS.parent}:{found['PATH']}"}


def run(environment, node, text):
    """What a shell says; it must end well."""
    script = text.replace("8443", str(node.address("https")[1]))
    ran = subprocess.run(
        ["sh", "-euc", script],
        cwd=environment["HOME"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_aws_cli_makes_a_user_and_a_role_and_assumes_it(environment, node):
    said = run(
        environment,
        node,
        f"""
        aws iam create-user --user-name cli --query User.Arn --output text
        set -- $(aws iam create-access-key --user-name cli --output text \
            --query 'AccessKey.[AccessKeyId,SecretAccessKey]')
        aws iam create-role --role-name cli --assume-role-policy-document '{
            json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/cli"},
                        "Action": "sts:AssumeRole",
                    },
                }
            )
        }' --query Role.Arn --output text
        aws iam attach-role-policy --role-name cli --policy-arn arn:aws:iam::aws:policy/AWSIoTFullAccess
        aws iam list-attached-role-policies --role-name cli --output text \
            --query 'AttachedPolicies[].PolicyName'
        export AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2
        aws sts get-caller-identity --query Arn --output text
        set -- $(aws sts assume-role --role-arn arn:aws:iam::{ACCOUNT}:role/cli --role-session-name cli \
            --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text)
        export AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2 AWS_SESSION_TOKEN=$3
        aws sts get-caller-identity --query Arn --output text
        aws iot create-thing --thing-name by-a-role --query thingName --output text
        """,
    )
    assert said.split() == [
        f"arn:aws:iam::{ACCOUNT}:user/cli",
        f"arn:aws:iam::{ACCOUNT}:role/cli",
        "AWSIoTFullAccess",
        f"arn:aws:iam::{ACCOUNT}:user/cli",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/cli/cli",
        "by-a-role",
    ]


def test_the_document_runs(environment, node):
    """Its blocks, one after the other in one shell; they print what it says that they do."""
    blocks = re.findall(r"^```sh\n((?s:.*?))^```$", PAGE, re.MULTILINE)
    expected = re.findall(r"^```text\n((?s:.*?))^```$", PAGE, re.MULTILINE)
    assert blocks
    assert expected
    said = run(environment, node, "\n".join(blocks))
    for text in expected:
        for line in text.splitlines():
            assert line in said
