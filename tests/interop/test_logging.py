"""What is logged of real clients, as the options of their account say, and where an operator reads it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from interop.devices import ANYTHING, allow, until
from interop.packets import Will
from interop.places import UNLIMITED, place
from interop.wire import Closed
from nodes import Node

ROLE = "arn:aws:iam::000000000000:role/logging"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
STAMP = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")
SECRET = b"a payload that no log has"

Entry = dict[str, Any]


def entries(node: Node, group: str = "AWSIotLogsV2", **wanted: str) -> list[Entry]:
    """What the command shows of a log group, newest last."""
    path = node.data / "logs" / "000000000000" / "us-east-1" / f"{group}.jsonl"
    if not path.exists():
        return []
    text = node.command("logs", "--group", group)
    assert SECRET.decode() not in text
    found = [json.loads(line) for line in text.splitlines()]
    return [one for one in found if all(one.get(name) == value for name, value in wanted.items())]


class Logged:
    """The entries of one client id, as they come."""

    def __init__(self, node: Node, client_id: str, **more: str) -> None:
        self.node = node
        self.wanted = {"clientId": client_id, **more}

    def types(self, count: int) -> list[str]:
        return [one["eventType"] for one in self.take(count)]

    def take(self, count: int) -> list[Entry]:
        until(lambda: len(entries(self.node, **self.wanted)) >= count)
        found = entries(self.node, **self.wanted)
        assert len(found) == count, found
        return found


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with place(tmp_path_factory.mktemp("logging"), UNLIMITED) as here:
        yield here


@pytest.fixture
def options(here):
    """Sets the options of V2; afterwards everything is off again."""

    def set(level: str = "INFO", **more: Any) -> None:
        here.iot.set_v2_logging_options(
            **{"roleArn": ROLE, "defaultLogLevel": level, "eventConfigurations": [], **more}
        )

    yield set
    for one in here.iot.list_v2_logging_levels()["logTargetConfigurations"][1:]:
        target = one["logTarget"]
        here.iot.delete_v2_logging_level(**target)
    here.iot.set_v2_logging_options(disableAllLogs=True)


def level(here, type: str, name: str, level: str) -> None:
    here.iot.set_v2_logging_level(logTarget={"targetType": type, "targetName": name}, logLevel=level)


def test_the_life_of_a_connection(here, options, name):
    options("INFO")
    with here.anything.online(name) as wire:
        port = wire.sock.getsockname()[1]
        wire.subscribe(f"{name}/a", f"{name}/b")
        wire.publish(f"{name}/a", SECRET)
        assert wire.message().payload == SECRET
        wire.unsubscribe(f"{name}/a")
        wire.publish(f"{name}/x", SECRET, retain=True)
        wire.disconnect()
    found = Logged(here.node, name).take(8)
    own = {
        "logLevel": "INFO",
        "accountId": "000000000000",
        "status": "Success",
        "protocol": "MQTT",
        "clientId": name,
        "principalId": here.anything.certificate_id,
        "sourceIp": "127.0.0.1",
        "sourcePort": port,
    }
    traces = []
    for one in found:
        assert STAMP.fullmatch(one.pop("timestamp"))
        traces.append(one.pop("traceId"))
        assert UUID.fullmatch(traces[-1])
        assert own.items() <= one.items()
        for member in own:
            del one[member]
    published = [{"eventType": what, "topicName": f"{name}/a"} for what in ("Publish-In", "Publish-Out")]
    assert [found[0], *found[1:3], *sorted(found[3:5], key=str), *found[5:]] == [
        {"eventType": "Connect"},
        {"eventType": "Subscribe", "topicName": f"{name}/a"},
        {"eventType": "Subscribe", "topicName": f"{name}/b"},
        *published,
        {"eventType": "Unsubscribe", "topicName": f"{name}/a"},
        {"eventType": "Publish-In", "topicName": f"{name}/x", "retain": "True"},
        {"eventType": "Disconnect", "disconnectReason": "CLIENT_INITIATED_DISCONNECT"},
    ]
    assert traces[3] == traces[4]
    assert len(set(traces)) == 7


def test_nothing_is_logged_unless_it_is_wanted(here, options, name):
    options("DISABLED")
    with here.anything.online(f"{name}-off") as wire:
        wire.publish(f"{name}/a", SECRET)
    options("ERROR")
    with here.anything.online(f"{name}-errors") as wire:
        wire.publish(f"{name}/a", SECRET)
    options("INFO", disableAllLogs=True)
    with here.anything.online(f"{name}-disabled") as wire:
        wire.publish(f"{name}/a", SECRET)
    options("INFO")
    here.anything.online(name).close()
    Logged(here.node, name).take(2)
    for other in ("off", "errors", "disabled"):
        assert entries(here.node, clientId=f"{name}-{other}") == []


def test_a_connection_follows_the_options_while_it_lasts(here, options, name):
    options("ERROR")
    with here.anything.online(name) as wire:
        wire.publish(f"{name}/0")
        options("INFO")
        wire.publish(f"{name}/1")
        level(here, "CLIENT_ID", name, "ERROR")
        wire.publish(f"{name}/2")
        level(here, "CLIENT_ID", name, "DEBUG")
        wire.publish(f"{name}/3")
        wire.subscribe(f"{name}/4")
        wire.disconnect()
    found = Logged(here.node, name).take(4)
    assert [one.get("topicName") for one in found] == [*(f"{name}/{number}" for number in (1, 3, 4)), None]


@pytest.mark.parametrize("type", ["CLIENT_ID", "PRINCIPAL_ID", "SOURCE_IP"])
def test_one_client_is_logged_and_no_other(here, options, name, type):
    options("DISABLED")
    device = here.device("watched", statements=ANYTHING)
    targets = {"CLIENT_ID": name, "PRINCIPAL_ID": device.certificate_id, "SOURCE_IP": "127.0.0.1"}
    level(here, type, targets[type], "INFO")
    device.online(name).close()
    assert Logged(here.node, name).types(2) == ["Connect", "Disconnect"]
    here.anything.online(f"{name}-other").close()
    device.online(name).close()
    Logged(here.node, name).take(4)
    others = entries(here.node, clientId=f"{name}-other")
    assert len(others) == (2 if type == "SOURCE_IP" else 0)


def test_an_event_has_its_own_level_and_group(here, options, name):
    group = f"group/{name}"[:40]
    events = [
        {"eventType": "Connect", "logLevel": "DISABLED"},
        {"eventType": "Publish-In", "logDestination": group},
        {"eventType": "Publish-Out", "logLevel": "ERROR"},
    ]
    options("INFO", eventConfigurations=events)
    quoted = group.replace("/", "%2F")
    with here.anything.online(name) as wire:
        wire.subscribe(f"{name}/a")
        wire.publish(f"{name}/a", SECRET)
        wire.message()
        wire.disconnect()
    assert Logged(here.node, name).types(2) == ["Subscribe", "Disconnect"]
    text = here.node.command("logs", "--group", group)
    assert [json.loads(line)["eventType"] for line in text.splitlines()] == ["Publish-In"]
    assert (
        here.node.data / "logs" / "000000000000" / "us-east-1" / f"{quoted}.jsonl"
    ).stat().st_mode & 0o77 == 0


def test_what_is_refused_is_an_error(here, options, name):
    options("ERROR")
    device = here.device(
        "refused", statements=[allow("Connect", "client/*"), allow("Subscribe", "topicfilter/*")]
    )
    with device.online(name) as wire:
        assert wire.subscribe(f"{name}/a") == [1]
        with here.online(f"{name}-writer") as writer:
            writer.publish(f"{name}/a")
        with pytest.raises(Closed):
            wire.publish(f"{name}/a", SECRET)
    with device.wire() as wire, pytest.raises(Closed):
        wire.connect(f"{name}-will", will=Will(f"{name}/w", SECRET))
    found = Logged(here.node, name, logLevel="ERROR").take(2)
    common = {"status": "Failure", "reason": "AUTHORIZATION_FAILURE", "principalId": device.certificate_id}
    assert all(common.items() <= one.items() for one in found)
    assert [(one["eventType"], one["topicName"], one["details"]) for one in found] == [
        ("Publish-Out", f"{name}/a", f"not authorized to receive from {name}/a"),
        ("Publish-In", f"{name}/a", f"not authorized to publish to {name}/a"),
    ]
    (will,) = Logged(here.node, f"{name}-will").take(1)
    assert (will["eventType"], will["topicName"]) == ("Publish-In", f"{name}/w")


def test_who_is_not_authenticated_is_logged_if_that_is_asked_for(here, options, name):
    device = here.device("inactive", active=False)
    events = [{"eventType": "Connection.AuthNError", "logLevel": "ERROR"}]
    for client_id, configured in ((f"{name}-no", []), (name, events)):
        options("DEBUG", eventConfigurations=configured)
        with device.wire() as wire, pytest.raises(Closed):
            wire.connect(client_id)
    (found,) = Logged(here.node, name).take(1)
    assert found["eventType"] == "Connection.AuthNError"
    assert found["reason"] == "DEVICE_CERTIFICATE_INACTIVE"
    assert found["authenticationType"] == "AWS_X509"
    assert found["principalId"] == device.certificate_id
    assert entries(here.node, clientId=f"{name}-no") == []


def test_the_data_plane_over_http(here, options, name):
    options("INFO")
    data = here.node.client("iot-data")
    data.publish(topic=f"{name}/a", payload=SECRET, retain=True, qos=1)
    data.get_retained_message(topic=f"{name}/a")
    with pytest.raises(data.exceptions.ResourceNotFoundException):
        data.get_retained_message(topic=f"{name}/b")
    until(lambda: len(entries(here.node, protocol="HTTP")) >= 3)
    found = entries(here.node, protocol="HTTP")[-3:]
    assert [(one["eventType"], one["status"], one["topicName"], one.get("reason")) for one in found] == [
        ("Publish-In", "Success", f"{name}/a", None),
        ("GetRetainedMessage", "Success", f"{name}/a", None),
        ("GetRetainedMessage", "Failure", f"{name}/b", "ResourceNotFoundException"),
    ]
    assert found[0]["retain"] == "True"
    assert UUID.fullmatch(found[0]["traceId"])


def test_the_older_options_do_what_they_say(tmp_path):
    with place(tmp_path) as here:
        here.iot.set_logging_options(loggingOptionsPayload={"roleArn": ROLE, "logLevel": "INFO"})
        here.anything.online("old").close()
        until(lambda: len(entries(here.node, "AWSIotLogs")) == 2)
        here.iot.set_v2_logging_options(roleArn=ROLE, defaultLogLevel="INFO")
        here.anything.online("new").close()
        until(lambda: len(entries(here.node, clientId="new")) == 2)
        here.node.stop()
        here.node.start()
        here.anything.online("later").close()
        until(lambda: entries(here.node, clientId="later"))
        assert entries(here.node, "AWSIotLogs", clientId="later") == []


def test_the_command_follows_across_rotations(tmp_path):
    with place(tmp_path, UNLIMITED, "logs.bytes=2000", "logs.files=3") as here:
        here.iot.set_v2_logging_options(roleArn=ROLE, defaultLogLevel="INFO")
        here.anything.online("first").close()
        until(lambda: len(entries(here.node, clientId="first")) == 2)
        program = [sys.executable, "-c", "from sekisho.cli import main; main()", "logs", "--follow"]
        command = [*program, "--data", str(here.node.data)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
            for _ in range(2):
                assert json.loads(follower.stdout.readline())["clientId"] == "first"
            with here.anything.online("writer") as wire:
                for number in range(60):
                    wire.publish(f"n/{number}")
                    if number % 5 == 0:
                        until(lambda: entries(here.node, topicName=f"n/{number}"))  # noqa: B023
            numbers = []
            while len(numbers) < 60:
                topic = json.loads(follower.stdout.readline()).get("topicName", "")
                numbers += [int(topic.removeprefix("n/"))] if topic else []
            follower.kill()
        assert numbers == list(range(60))
        folder = here.node.data / "logs" / "000000000000" / "us-east-1"
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["AWSIotLogsV2.jsonl", *(f"AWSIotLogsV2.jsonl.{n}" for n in (1, 2, 3))]
        assert all(path.stat().st_size <= 2000 for path in folder.iterdir())
        assert 0 < len(here.node.command("logs", "-n", "3").splitlines()) == 3
