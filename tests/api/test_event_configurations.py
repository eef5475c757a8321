"""Which registry events are sent: read, changed key by key, and refused where nothing could be sent."""

from __future__ import annotations

import re

import pytest

from api.making import UNCHECKED, not_implemented, refused

EVERY = {
    "THING",
    "THING_GROUP",
    "THING_TYPE",
    "THING_GROUP_MEMBERSHIP",
    "THING_GROUP_HIERARCHY",
    "THING_TYPE_ASSOCIATION",
    "JOB",
    "JOB_EXECUTION",
    "POLICY",
    "CERTIFICATE",
    "CA_CERTIFICATE",
}


@pytest.fixture
def iot(node):
    """A client of an account that nothing has been configured in."""
    account = re.search(r"\d{12}", node.command("account", "create"))[0]
    return node.client("iot", account=account)


def enabled(iot) -> set[str]:
    found = iot.describe_event_configurations()["eventConfigurations"]
    assert set(found) == EVERY
    return {name for name, one in found.items() if one["Enabled"]}


def update(iot, **given: bool) -> None:
    iot.update_event_configurations(eventConfigurations={name: {"Enabled": on} for name, on in given.items()})


def test_nothing_is_enabled_before_it_was(iot):
    assert enabled(iot) == set()
    assert "creationDate" not in iot.describe_event_configurations()


def test_what_is_not_named_stays(iot):
    update(iot, THING=True, THING_TYPE=True)
    first = iot.describe_event_configurations()
    update(iot, THING=False, CERTIFICATE=True, CA_CERTIFICATE=True)
    assert enabled(iot) == {"THING_TYPE", "CERTIFICATE", "CA_CERTIFICATE"}
    second = iot.describe_event_configurations()
    assert second["creationDate"] == first["creationDate"] <= second["lastModifiedDate"]
    iot.update_event_configurations()
    iot.update_event_configurations(eventConfigurations={"THING_TYPE": {}})
    assert enabled(iot) == {"CERTIFICATE", "CA_CERTIFICATE"}


def test_repeating_changes_nothing(iot):
    for _ in range(2):
        update(iot, THING=True)
        assert enabled(iot) == {"THING"}


@pytest.mark.parametrize("name", ["JOB", "JOB_EXECUTION", "POLICY"])
def test_what_nobody_would_send_cannot_be_enabled(iot, name):
    with not_implemented(f"eventConfigurations.{name}"):
        update(iot, THING=True, **{name: True})
    assert enabled(iot) == set()
    update(iot, **{name: False})
    assert enabled(iot) == set()


def test_an_event_that_there_is_not_is_refused(node):
    iot = node.client("iot", config=UNCHECKED)
    with refused("InvalidRequestException", 400, "NOISE"):
        iot.update_event_configurations(eventConfigurations={"NOISE": {"Enabled": True}})
