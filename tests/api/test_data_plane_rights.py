"""iot-data: who may do what."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from interop.devices import allow
from sekisho.aws.errors import AwsError, ForbiddenException, ResourceNotFoundException
from sekisho.broker.hub import Hub
from sekisho.broker.registry import Registry
from sekisho.bus import LocalBus
from sekisho.clock import Clock
from sekisho.config import load_config
from sekisho.logic.policy import NamedPolicy, PolicySet, parse_policy
from sekisho.mqtt.profile import STRICT, Limits
from sekisho.operations import MODULES, load_services
from sekisho.services.api import Api
from sekisho.services.call import Caller, Deps, Principal
from sekisho.services.identity import Identities
from sekisho.services.refusals import Refusals
from sekisho.store.store import open_store


@contextlib.asynccontextmanager
async def door(path) -> AsyncIterator[Api]:
    """The one door, with everything behind it real; what has no listener has no clients."""
    config, clock = load_config(), Clock()
    store = await open_store(f"sqlite:{path / 'sekisho.db'}")
    refusals = Refusals(store, 100)
    place = ("000000000000", "us-east-1")
    hub = Hub(
        clock,
        LocalBus(),
        store,
        Identities(store),
        refusals,
        STRICT,
        Limits(),
        outbound_bytes=1 << 20,
        domain="localhost",
        place=place,
        session_expiry=3600,
        enforce_limits=True,
    )
    await hub.start([place])
    registry = Registry(hub)
    deps = Deps(config, store, clock, None, None, registry.publish, refusals, connections=registry)
    try:
        yield Api(deps, load_services(), MODULES)
    finally:
        await hub.close()
        await store.close()


def caller(*statements) -> Caller:
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    policies = PolicySet((NamedPolicy("mine", "1", parse_policy(text)),))
    principal = Principal("arn:aws:iam::000000000000:user/me", "000000000000", policies)
    return Caller(principal, "000000000000", "us-east-1")


CASES = [
    ("iot-data", "Publish", {"topic": "t"}, [allow("Publish", "topic/t")], None),
    ("iot-data", "GetRetainedMessage", {"topic": "t"}, [allow("GetRetainedMessage", "topic/t")], 404),
    ("iot-data", "DeleteConnection", {"clientId": "c"}, [allow("DeleteConnection", "client/c")], 404),
    ("iot-data", "GetConnection", {"clientId": "c"}, [allow("GetConnection", "client/c")], 404),
    ("iot-data", "ListSubscriptions", {"clientId": "c"}, [allow("ListSubscriptions", "client/c")], 404),
    (
        "iot-data",
        "SendDirectMessage",
        {"clientId": "c", "topic": "t"},
        [allow("SendDirectMessage", "client/c", Condition={"StringEquals": {"iot:Topic": ["t", "u"]}})],
        404,
    ),
]


@pytest.mark.parametrize(("service", "operation", "members", "enough", "answer"), CASES)
def test_each_operation_needs_its_action_on_its_resource(
    tmp_path, service, operation, members, enough, answer
):
    """Authorized is also who is told that there is nothing; others are not even told that."""

    async def body() -> None:
        async with door(tmp_path) as api:
            if answer is None:
                await api.invoke(caller(*enough), service, operation, **members)
            else:
                with pytest.raises(ResourceNotFoundException):
                    await api.invoke(caller(*enough), service, operation, **members)
            [statement] = enough
            elsewhere = [resource[:-1] + "z" for resource in statement["Resource"]]
            wrong = [
                statement | {"Action": "iot:Connect"},
                statement | {"Resource": elsewhere},
                statement | {"Effect": "Deny"},
            ]
            if "Condition" in statement:
                wrong.append(statement | {"Condition": {"StringEquals": {"iot:Topic": "v"}}})
            for one in wrong:
                with pytest.raises(ForbiddenException) as caught:
                    await api.invoke(caller(one), service, operation, **members)
                assert f"iot:{operation}" in caught.value.message
                assert api.error_status(service, caught.value) == 403

    asyncio.run(body())


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("iot-data", "ListRetainedMessages", "iot:ListRetainedMessages"),
        ("sekisho", "ListConnections", "sekisho:ListConnections"),
        ("sekisho", "ListSessions", "sekisho:ListSessions"),
        ("sekisho", "ListSharedSubscriptions", "sekisho:ListSharedSubscriptions"),
        ("sekisho", "DescribeBroker", "sekisho:DescribeBroker"),
    ],
)
def test_what_is_about_everything_needs_the_right_to_everything(tmp_path, service, operation, action):
    async def body() -> None:
        async with door(tmp_path) as api:
            statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
            assert await api.invoke(caller(statement), service, operation)
            with pytest.raises(AwsError) as caught:
                await api.invoke(
                    caller(statement | {"Resource": "arn:aws:iot:*:*:topic/x"}), service, operation
                )
            assert api.error_status(service, caught.value) == 403

    asyncio.run(body())


def test_retaining_needs_a_right_of_its_own(tmp_path):
    async def body() -> None:
        async with door(tmp_path) as api:
            publish = allow("Publish", "topic/t")
            retain = allow("RetainPublish", "topic/t")
            members = {"topic": "t", "payload": b"x", "retain": True}
            reader = caller(allow("GetRetainedMessage", "topic/t"))
            for given, wanting in (([publish], "iot:RetainPublish"), ([retain], "iot:Publish")):
                with pytest.raises(ForbiddenException, match=wanting):
                    await api.invoke(caller(*given), "iot-data", "Publish", **members)
                with pytest.raises(ResourceNotFoundException):
                    await api.invoke(reader, "iot-data", "GetRetainedMessage", topic="t")
            await api.invoke(caller(publish, retain), "iot-data", "Publish", **members)
            kept = await api.invoke(reader, "iot-data", "GetRetainedMessage", topic="t")
            assert kept["payload"] == b"x"

    asyncio.run(body())


def test_cutting_off_is_audited_and_sending_is_not(tmp_path):
    async def body() -> None:
        async with door(tmp_path) as api:
            everything = caller({"Effect": "Allow", "Action": "*", "Resource": "*"})
            for operation, members in (
                ("DeleteConnection", {"clientId": "c"}),
                ("SendDirectMessage", {"clientId": "c", "topic": "t"}),
                ("GetConnection", {"clientId": "c"}),
            ):
                with pytest.raises(ResourceNotFoundException):
                    await api.invoke(everything, "iot-data", operation, **members)
            rows = await api.deps.store.fetch("SELECT operation, resource, outcome FROM audit")
            assert rows == [
                {
                    "operation": "DeleteConnection",
                    "resource": "arn:aws:iot:us-east-1:000000000000:client/c",
                    "outcome": "ResourceNotFoundException",
                }
            ]

    asyncio.run(body())
