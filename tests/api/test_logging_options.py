"""SetV2LoggingOptions and its family, levels by resource, and the older pair; what they do is in interop."""

from __future__ import annotations

import re

import pytest

from api.making import UNCHECKED, not_implemented, refused
from sekisho.logic.log_levels import EVENT_TYPES


@pytest.fixture
def account(node):
    """An account in which nothing has been configured."""
    return re.search(r"\d{12}", node.command("account", "create"))[0]


@pytest.fixture
def iot(node, account):
    return node.client("iot", account=account)


@pytest.fixture
def role(account):
    return f"arn:aws:iam::{account}:role/logging"


def levels(iot, **members) -> list[tuple[str, str | None, str]]:
    found = iot.list_v2_logging_levels(**members)["logTargetConfigurations"]
    return [
        (one["logTarget"]["targetType"], one["logTarget"].get("targetName"), one["logLevel"]) for one in found
    ]


# --- V2 ----------------------------------------------------------------------------------------------------


def test_v2_is_not_configured_before_it_is(iot):
    target = {"targetType": "CLIENT_ID", "targetName": "lamp"}
    for call in (
        iot.get_v2_logging_options,
        iot.list_v2_logging_levels,
        lambda: iot.set_v2_logging_level(logTarget=target, logLevel="INFO"),
    ):
        with refused("NotConfiguredException", 404, "SetV2LoggingOptions"):
            call()


def test_v2_options_change_member_by_member(iot, role):
    iot.set_v2_logging_options(roleArn=role, defaultLogLevel="INFO")
    found = iot.get_v2_logging_options()
    assert {name: found[name] for name in ("roleArn", "defaultLogLevel", "disableAllLogs")} == {
        "roleArn": role,
        "defaultLogLevel": "INFO",
        "disableAllLogs": False,
    }
    events = [
        {"eventType": "Publish-In", "logLevel": "DEBUG", "logDestination": "publishes/in"},
        {"eventType": "Disconnect", "logDestination": "others"},
    ]
    iot.set_v2_logging_options(eventConfigurations=events)
    found = iot.get_v2_logging_options()
    assert (found["roleArn"], found["defaultLogLevel"]) == (role, "INFO")
    assert found["eventConfigurations"] == events
    iot.set_v2_logging_options(defaultLogLevel="WARN", disableAllLogs=True)
    found = iot.get_v2_logging_options()
    assert (found["disableAllLogs"], found["defaultLogLevel"]) == (True, "WARN")
    iot.set_v2_logging_options(eventConfigurations=[])
    found = iot.get_v2_logging_options()
    assert (found["disableAllLogs"], found.get("eventConfigurations")) == (False, [])


def test_verbose_shows_every_event(iot, role):
    events = [{"eventType": "Subscribe", "logLevel": "DEBUG"}]
    iot.set_v2_logging_options(roleArn=role, defaultLogLevel="WARN", eventConfigurations=events)
    found = iot.get_v2_logging_options(verbose=True)["eventConfigurations"]
    assert {one["eventType"]: one["logLevel"] for one in found} == {
        event: "DEBUG" if event == "Subscribe" else "WARN" for event in EVENT_TYPES
    }


def test_logging_needs_a_role_that_may_be_passed(iot, account, node, role):
    with refused("InvalidRequestException", 400, "roleArn is missing"):
        iot.set_v2_logging_options(defaultLogLevel="INFO")
    for wrong in ("role", "arn:aws:iam::000000000000:role/other", f"arn:aws:iam::{account}:user/other"):
        with refused("InvalidRequestException", 400, wrong):
            iot.set_v2_logging_options(roleArn=wrong)
        with refused("InvalidRequestException", 400, wrong):
            iot.set_logging_options(loggingOptionsPayload={"roleArn": wrong})
    iot.set_v2_logging_options(disableAllLogs=True)
    assert iot.get_v2_logging_options()["disableAllLogs"] is True
    iam = node.client("iam", account=account)
    iam.create_user(UserName="logger")
    allowed = '{"Effect":"Allow","Action":"iot:Set*","Resource":"*"}'
    iam.put_user_policy(
        UserName="logger",
        PolicyName="mine",
        PolicyDocument=f'{{"Version":"2012-10-17","Statement":[{allowed}]}}',
    )
    key = iam.create_access_key(UserName="logger")["AccessKey"]
    user = node.client(
        "iot", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    for call in (
        lambda: user.set_v2_logging_options(roleArn=role),
        lambda: user.set_logging_options(loggingOptionsPayload={"roleArn": role}),
    ):
        with refused("AccessDeniedException", 403, "iam:PassRole", role, modelled=False):
            call()


def test_events_that_this_node_does_not_log_are_refused_by_name(iot, role):
    iot.set_v2_logging_options(roleArn=role)
    with not_implemented("RuleExecution", "Publish-Out"):
        iot.set_v2_logging_options(eventConfigurations=[{"eventType": "RuleExecution"}])
    with refused("InvalidRequestException", 400, "twice"):
        iot.set_v2_logging_options(eventConfigurations=[{"eventType": "Connect"}] * 2)
    with refused("InvalidRequestException", 400, "aws/"):
        one = {"eventType": "Connect", "logDestination": "aws/mine"}
        iot.set_v2_logging_options(eventConfigurations=[one])
    assert "eventConfigurations" not in iot.get_v2_logging_options()


# --- levels by resource ------------------------------------------------------------------------------------


def test_levels_are_set_listed_by_page_and_deleted(iot, role):
    iot.set_v2_logging_options(roleArn=role, defaultLogLevel="ERROR")
    assert levels(iot) == [("DEFAULT", None, "ERROR")]
    wanted = [
        ("CLIENT_ID", "lamp/1", "DEBUG"),
        ("CLIENT_ID", "lamp/2", "INFO"),
        ("PRINCIPAL_ID", "0" * 64, "WARN"),
        ("SOURCE_IP", "127.0.0.1", "DISABLED"),
    ]
    for type, name, level in reversed(wanted):
        iot.set_v2_logging_level(logTarget={"targetType": type, "targetName": name}, logLevel=level)
    iot.set_v2_logging_level(logTarget={"targetType": "DEFAULT"}, logLevel="WARN")
    wanted.insert(0, ("DEFAULT", None, "WARN"))
    assert iot.get_v2_logging_options()["defaultLogLevel"] == "WARN"
    assert levels(iot) == wanted
    for size in range(1, 7):
        pages = iot.get_paginator("list_v2_logging_levels").paginate(PaginationConfig={"PageSize": size})
        seen = [
            one["logTarget"].get("targetName") for page in pages for one in page["logTargetConfigurations"]
        ]
        assert seen == [name for _, name, _ in wanted]
    assert levels(iot, targetType="CLIENT_ID") == wanted[1:3]
    assert levels(iot, targetType="DEFAULT") == wanted[:1]
    assert levels(iot, targetType="THING_GROUP") == []
    iot.set_v2_logging_level(logTarget={"targetType": "CLIENT_ID", "targetName": "lamp/1"}, logLevel="WARN")
    assert levels(iot, targetType="CLIENT_ID")[0] == ("CLIENT_ID", "lamp/1", "WARN")
    for _ in range(2):
        iot.delete_v2_logging_level(targetType="CLIENT_ID", targetName="lamp/1")
    assert levels(iot, targetType="CLIENT_ID") == wanted[2:3]


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ({"targetType": "CLIENT_ID"}, "targetName"),
        ({"targetType": "DEFAULT", "targetName": "x"}, "targetName"),
        ({"targetType": "CLIENT_ID", "targetName": "x" * 257}, "256"),
        ({"targetType": "THING_GROUP", "targetName": "nobody"}, "nobody"),
        ({"targetType": "SOURCE_IP", "targetName": "10.0.0"}, "10.0.0"),
        ({"targetType": "SOURCE_IP", "targetName": "0:0::1"}, "in short"),
        ({"targetType": "EVERYBODY", "targetName": "x"}, "EVERYBODY"),
    ],
)
def test_targets_that_cannot_be_are_refused(node, account, role, target, word):
    iot = node.client("iot", account=account, config=UNCHECKED)
    iot.set_v2_logging_options(roleArn=role)
    with refused("InvalidRequestException", 400, word):
        iot.set_v2_logging_level(logTarget=target, logLevel="INFO")
    assert levels(iot) == [("DEFAULT", None, "ERROR")]


def test_the_default_level_is_not_deleted(iot, role):
    iot.set_v2_logging_options(roleArn=role)
    with refused("InvalidRequestException", 400, "default level"):
        iot.delete_v2_logging_level(targetType="DEFAULT", targetName="x")


# --- the older options -------------------------------------------------------------------------------------


def test_the_older_options(iot, role):
    assert iot.get_logging_options()["logLevel"] == "DISABLED"
    iot.set_logging_options(loggingOptionsPayload={"roleArn": role, "logLevel": "INFO"})
    found = iot.get_logging_options()
    assert (found["roleArn"], found["logLevel"]) == (role, "INFO")
    with refused("NotConfiguredException", 404):
        iot.get_v2_logging_options()
    iot.set_logging_options(loggingOptionsPayload={"roleArn": role})
    assert iot.get_logging_options()["logLevel"] == "ERROR"
