"""What tests of dynamic groups share: indexing that is on, and a look at who is in a group."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from interop.devices import until

THINGS = "AWS_Things"
REGISTRY = {"thingIndexingMode": "REGISTRY"}


def wait_indexed(iot: Any) -> None:
    until(lambda: iot.describe_index(indexName=THINGS)["indexStatus"] == "ACTIVE")


@contextlib.contextmanager
def indexing(iot: Any, **more: Any) -> Iterator[None]:
    """Things are indexed; afterwards no dynamic group is left, and nothing is indexed."""
    iot.update_indexing_configuration(thingIndexingConfiguration=REGISTRY | more)
    wait_indexed(iot)
    try:
        yield
    finally:
        for group in iot.list_thing_groups()["thingGroups"]:
            if "queryString" in iot.describe_thing_group(thingGroupName=group["groupName"]):
                iot.delete_dynamic_thing_group(thingGroupName=group["groupName"])
        iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "OFF"})


def thing(iot: Any, name: str, **attributes: str) -> None:
    iot.create_thing(thingName=name, attributePayload={"attributes": attributes})


def change(iot: Any, name: str, **attributes: str) -> None:
    iot.update_thing(thingName=name, attributePayload={"attributes": attributes, "merge": True})


def members(iot: Any, group: str) -> list[str]:
    pages = iot.get_paginator("list_things_in_thing_group").paginate(thingGroupName=group)
    return [name for page in pages for name in page["things"]]


def groups(iot: Any, name: str) -> list[str]:
    return [one["groupName"] for one in iot.list_thing_groups_for_thing(thingName=name)["thingGroups"]]


def status(iot: Any, group: str) -> str:
    return str(iot.describe_thing_group(thingGroupName=group)["status"])


def active(iot: Any, group: str) -> None:
    until(lambda: status(iot, group) == "ACTIVE")
