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
def tenant(node):
    """A client of an account that nothing has been configured in."""
    account = re.search(r"\d{12}", node.command("account", "create"))[0]
    return node.client("iot", account=account)


def enabled(iot) -> set[str]:
    found = iot.describe_event_configurations()["eventConfigurations"]
    assert set(found) == EVERY
    return {name for name, one in found.items() if one["Enabled"]}


def update(iot, **given: bool) -> None:
    iot.update_event_configurations(eventConfigurations={name: {"Enabled": on} for name, on in given.items()})


def test_nothing_is_enabled_before_it_was(tenant):
    assert enabled(tenant) == set()
    assert "creationDate" not in tenant.describe_event_configurations()


def test_what_is_not_named_stays(tenant):
    update(tenant, THING=True, THING_TYPE=True)
    first = tenant.describe_event_configurations()
    update(tenant, THING=False, CERTIFICATE=True, CA_CERTIFICATE=True)
    assert enabled(tenant) == {"THING_TYPE", "CERTIFICATE", "CA_CERTIFICATE"}
    second = tenant.describe_event_configurations()
    assert second["creationDate"] == first["creationDate"] <= second["lastModifiedDate"]
    tenant.update_event_configurations()
    tenant.update_event_configurations(eventConfigurations={"THING_TYPE": {}})
    assert enabled(tenant) == {"CERTIFICATE", "CA_CERTIFICATE"}


def test_repeating_changes_nothing(tenant):
    for _ in range(2):
        update(tenant, THING=True)
        assert enabled(tenant) == {"THING"}


@pytest.mark.parametrize("name", ["JOB", "JOB_EXECUTION", "POLICY"])
def test_what_nobody_would_send_cannot_be_enabled(tenant, name):
    with not_implemented(f"eventConfigurations.{name}"):
        update(tenant, THING=True, **{name: True})
    assert enabled(tenant) == set()
    update(tenant, **{name: False})
    assert enabled(tenant) == set()


def test_an_event_that_there_is_not_is_refused(node):
    iot = node.client("iot", config=UNCHECKED)
    with refused("InvalidRequestException", 400, "NOISE"):
        iot.update_event_configurations(eventConfigurations={"NOISE": {"Enabled": True}})
