"""Which events the registry sends: DescribeEventConfigurations, UpdateEventConfigurations.

Source: the `iot` service model; AWS IoT Developer Guide, "Event messages", "Enable events for AWS IoT".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.aws.errors import NotImplementedException
from sekisho.logic.registry_events import (
    THING,
    THING_GROUP,
    THING_GROUP_HIERARCHY,
    THING_GROUP_MEMBERSHIP,
    THING_TYPE,
    THING_TYPE_ASSOCIATION,
)
from sekisho.services.call import Call
from sekisho.services.work import Document

KIND = "eventconfigurations"
THE_ONE = ""
"""The id of the one configuration of an account and region."""

SENT = (
    THING,
    THING_GROUP,
    THING_TYPE,
    THING_GROUP_MEMBERSHIP,
    THING_GROUP_HIERARCHY,
    THING_TYPE_ASSOCIATION,
)
"""What is sent while it is enabled."""

ALWAYS = ("CERTIFICATE", "CA_CERTIFICATE")
"""What the guide lists under these is sent whether or not they are enabled, as on AWS: presence and
subscriptions of clients; certificates that a CA has registered at their first connect."""

NOT_SENT: Mapping[str, str] = {
    "JOB": "jobs are not implemented by this node",
    "JOB_EXECUTION": "jobs are not implemented by this node",
    "POLICY": "no message of AWS IoT is known for it",
}
"""What cannot be enabled, and why."""

ALL = (*SENT, *ALWAYS, *NOT_SENT)


async def describe_event_configurations(call: Call) -> Document:
    found = await call.work.get(KIND, THE_ONE)
    enabled = found["enabled"] if found is not None else []
    configurations = {name: {"Enabled": name in enabled} for name in ALL}
    return (found or {}) | {"eventConfigurations": configurations}


async def update_event_configurations(
    call: Call, eventConfigurations: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """What is not named stays as it is."""
    given = {name: bool(one.get("Enabled")) for name, one in (eventConfigurations or {}).items()}
    for name, on in given.items():
        if on and name in NOT_SENT:
            raise NotImplementedException(f"eventConfigurations.{name} cannot be enabled: {NOT_SENT[name]}")
    found = await call.work.get(KIND, THE_ONE)
    enabled = set(found["enabled"]) if found is not None else set()
    enabled = (enabled | {name for name, on in given.items() if on}) - {
        n for n, on in given.items() if not on
    }
    await call.work.put(KIND, THE_ONE, {"enabled": sorted(enabled)})
