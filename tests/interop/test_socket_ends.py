"""When an MQTT connection over WebSocket ends: with the key, the user or the session that signed it."""

from __future__ import annotations

import json

import pytest
from botocore.credentials import Credentials

from interop.devices import allow, until
from interop.providers import ACCOUNT, role_and_alias
from interop.sockets import SocketWire, presigned
from nodes import running

NOT_AUTHORIZED, ADMINISTRATIVE_ACTION = 0x87, 0x98


def everything():
    return json.dumps({"Version": "2012-10-17", "Statement": [allow("*", "*") | {"Resource": "*"}]})


@pytest.fixture
def user(node, name):
    """A user who may do anything with ``iot``; the answer is its access keys as they were made."""
    iam, short = node.client("iam"), name[-60:].strip("_[]")
    iam.create_user(UserName=short)
    iam.put_user_policy(UserName=short, PolicyName="all", PolicyDocument=everything())

    def key():
        made = iam.create_access_key(UserName=short)["AccessKey"]
        return Credentials(made["AccessKeyId"], made["SecretAccessKey"])

    key.name = short
    return key


def ended(node, client_id):
    """Why the newest connection of a client id is over."""
    data = node.client("iot-data")
    found = until(lambda: not (one := data.get_connection(clientId=client_id))["connected"] and one)
    return found["disconnectReason"]


def deactivated(iam, user, key):
    iam.update_access_key(UserName=user, AccessKeyId=key, Status="Inactive")


def deleted(iam, user, key):
    iam.delete_access_key(UserName=user, AccessKeyId=key)


def user_gone(iam, user, key):
    iam.delete_access_key(UserName=user, AccessKeyId=key)
    iam.delete_user_policy(UserName=user, PolicyName="all")
    iam.delete_user(UserName=user)


@pytest.mark.parametrize("end", [deactivated, deleted, user_gone])
def test_a_connection_ends_with_its_access_key(node, user, own, end):
    iam, client_id = node.client("iam"), f"{end.__name__}-key"
    key = user()
    with SocketWire(node, presigned(node, who=key)) as wire:
        assert wire.connect(client_id, 5).code == 0
        end(iam, user.name, key.access_key)
        assert wire.until_closed() == NOT_AUTHORIZED
    assert ended(node, client_id) == "AUTH_ERROR"
    refusal = own.list_refusals(clientId=client_id, maxResults=1)["refusals"][0]
    assert "access key is not active" in refusal["reason"]
    assert refusal["principal"] == f"arn:aws:iam::{ACCOUNT}:user/{user.name}"


def test_another_key_of_the_same_user_goes_on(node, user):
    iam, first, second = node.client("iam"), user(), user()
    with (
        SocketWire(node, presigned(node, who=first)) as gone,
        SocketWire(node, presigned(node, who=second)) as stays,
    ):
        gone.connect("key-gone")
        stays.connect("key-stays")
        deactivated(iam, user.name, first.access_key)
        gone.until_closed()
        stays.ping()
    assert ended(node, "key-gone") == "AUTH_ERROR"
    assert ended(node, "key-stays") != "AUTH_ERROR"


def temporary(node, name, **more):
    """Credentials of a role that may connect as one client."""
    who = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [who]})
    role_and_alias(node, name, allow("Connect", f"client/{name}"), trust=trust)
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    found = node.client("sts").assume_role(RoleArn=arn, RoleSessionName="session", **more)["Credentials"]
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def test_a_connection_ends_with_the_temporary_credentials_that_signed_it(tmp_path):
    """Tokens end by the civil clock: turned to a second before the end nothing happens, then everything."""
    with running(tmp_path / "node") as node:
        own = node.client("sekisho")
        who = temporary(node, "short", DurationSeconds=900)
        longer = temporary(node, "long", DurationSeconds=3600)
        with (
            SocketWire(node, presigned(node, who=who)) as wire,
            SocketWire(node, presigned(node, who=longer)) as other,
        ):
            assert wire.connect("short", 5).code == 0
            assert other.connect("long", 5).code == 0
            own.set_clock(rate=0)
            own.set_clock(advanceSeconds=890)
            wire.ping()
            own.set_clock(advanceSeconds=11)
            assert wire.until_closed() == ADMINISTRATIVE_ACTION
            assert "have ended" in wire.reason_text
            other.ping()
        assert ended(node, "short") == "WEBSOCKET_TTL_EXPIRATION"
        refusal = own.list_refusals(clientId="short", maxResults=1)["refusals"][0]
        assert refusal["reason"].startswith("SECURITY_TOKEN_EXPIRED: ")


def test_it_ends_by_itself_when_the_time_comes(tmp_path):
    """No change in the registry tells of it: the clock runs an hour in a second."""
    with running(tmp_path / "node") as node:
        own = node.client("sekisho")
        with SocketWire(node, presigned(node, who=temporary(node, "runs", DurationSeconds=900))) as wire:
            assert wire.connect("runs").code == 0
            own.set_clock(rate=3600)
            wire.until_closed()
        # Not by GetConnection: what it knows of a client that has gone is over in a few of these seconds.
        until(lambda: own.list_connections(clientId="runs")["connections"][0]["live"] is False)
        [row] = own.list_connections(clientId="runs")["connections"]
        assert row["disconnectReason"] == "WEBSOCKET_TTL_EXPIRATION"


def test_a_socket_without_a_connect_ends_with_its_credentials_too(tmp_path):
    with running(tmp_path / "node", "mqtt.limits.connect_timeout=600") as node:
        own = node.client("sekisho")
        with SocketWire(node, presigned(node, who=temporary(node, "mute", DurationSeconds=900))) as wire:
            own.set_clock(advanceSeconds=901)
            wire.frames.settimeout(30)
            assert wire.frames.sock.recv(1) == b""
