"""Q7: a device whose certificate the credentials endpoint does not take gets its credentials all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interop.devices import allow, until
from interop.places import place

ROLE = "arn:aws:iam::000000000000:role/devices"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:credentials"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = Path(__file__).parent / "functions"
    settings = (f"functions.path={folder}", "functions.credentials=back_end:hand_over_credentials")
    with place(tmp_path_factory.mktemp("q07"), *settings) as home:
        iam = home.node.client("iam")
        owner = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "000000000000"}}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [owner]})
        iam.create_role(RoleName="devices", AssumeRolePolicyDocument=trust)
        may = {"Effect": "Allow", "Action": "iot:DescribeThing", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
        iam.put_role_policy(RoleName="devices", PolicyName="look", PolicyDocument=policy)
        home.own.put_topic_trigger(
            triggerName="credentials", topicFilter="devices/+/credentials/get", functionArn=FUNCTION
        )
        yield home


def test_q07_credentials_are_handed_over_mqtt_by_a_function(home, tmp_path):
    """The second way around: the device asks on a topic, a function of the back end answers to its connection
    alone, with a session of a role that may do one thing."""
    device = home.device("sensor", statements=[])
    name = device.name
    home.iot.create_policy(
        policyName=f"{name}-asks",
        policyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    allow("Connect", "client/${iot:Connection.Thing.ThingName}"),
                    allow("Publish", "topic/devices/${iot:Connection.Thing.ThingName}/credentials/get"),
                    allow("Receive", "topic/devices/${iot:Connection.Thing.ThingName}/credentials"),
                ],
            }
        ),
    )
    home.iot.attach_policy(policyName=f"{name}-asks", target=device.arn)
    question = asking(home)

    with home.online("watcher") as watcher, device.online(version=5) as wire:
        watcher.subscribe("devices/#")

        def answered():
            assert wire.publish(f"devices/{name}/credentials/get", question) == 0
            return wire.messages()

        message = until(answered)[0]
        assert message.topic == f"devices/{name}/credentials"
        credentials = json.loads(message.payload)["credentials"]
        # The question could be seen by whoever may subscribe to it; the answer went to one connection.
        assert {m.topic for m in watcher.messages()} == {f"devices/{name}/credentials/get"}

    session = {
        "aws_access_key_id": credentials["accessKeyId"],
        "aws_secret_access_key": credentials["secretAccessKey"],
        "aws_session_token": credentials["sessionToken"],
    }
    who = home.node.client("sts", **session).get_caller_identity()["Arn"]
    assert who == f"arn:aws:sts::000000000000:assumed-role/devices/{name}"
    iot = home.node.client("iot", **session)
    assert iot.describe_thing(thingName=name)["thingName"] == name
    with pytest.raises(iot.exceptions.ClientError, match="not authorized to perform: iot:ListThings"):
        iot.list_things()

    # Nothing of the answer was ever stored.
    credentials_file = home.node.data / "credentials"
    for path in home.node.data.rglob("*"):
        if path.is_file() and path != credentials_file:
            assert credentials["secretAccessKey"].encode() not in path.read_bytes(), path
    assert credentials["secretAccessKey"] not in home.node.log


def test_q07_no_other_device_can_ask_in_its_name(home):
    question = asking(home)
    with home.online("impostor") as impostor, home.online("victim") as victim:
        impostor.subscribe("devices/#")
        victim.subscribe("devices/#")
        assert impostor.publish("devices/victim/credentials/get", question) == 0
        # The next question is answered after that one.
        until(lambda: ask(victim, question))
        assert "devices/victim/credentials" not in {m.topic for m in impostor.messages()}


def asking(home):
    """What the function needs beside its event, which at AWS is its own environment."""
    where = {
        "profile": str(home.node.data / "credentials"),
        "endpoint": f"http://{home.node.endpoints['api']}",
        "role": ROLE,
    }
    return json.dumps(where).encode()


def ask(wire, question):
    wire.publish("devices/victim/credentials/get", question)
    return any(m.topic == "devices/victim/credentials" for m in wire.messages())
