"""Registry events: a back end subscribes, the registry changes, and each change is told with its members."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
from typing import Any

import pytest

from interop.devices import ANYTHING, Factory, until
from interop.places import place
from interop.wire import Wire

EVENT_ID = re.compile(r"[0-9a-f]{32}")
"""As AWS was seen to make them; its guide has examples with hyphens, too."""
LARGE = 230
"""Things of a group from which they go after it."""
ACCOUNT = "000000000000"
ALL = ("THING", "THING_TYPE", "THING_TYPE_ASSOCIATION", "THING_GROUP", "THING_GROUP_MEMBERSHIP")


def enable(iot, *names: str, on: bool = True) -> None:
    iot.update_event_configurations(eventConfigurations={name: {"Enabled": on} for name in names})


@pytest.fixture(scope="module")
def here(tmp_path_factory, request):
    with place(tmp_path_factory.mktemp("registry-events")) as here:
        enable(here.iot, *ALL, "THING_GROUP_HIERARCHY")
        yield here


@pytest.fixture
def back_end(here, name):
    with here.online(f"back-end-{name}") as wire:
        yield wire


def watch(wire: Wire, *filters: str) -> None:
    assert wire.subscribe(*(f"$aws/events/{filter}" for filter in filters)) == [1] * len(filters)


def event(wire: Wire, type: str, *, account: bool = True) -> tuple[str, dict[str, Any]]:
    """The next event, without what all have: the end of its topic, and its own members."""
    message = wire.message()
    assert message.qos == 1
    body = json.loads(message.payload)
    assert body.pop("eventType") == f"{type}_EVENT"
    assert EVENT_ID.fullmatch(body.pop("eventId"))
    assert abs(body.pop("timestamp") / 1000 - time.time()) < 60
    assert body.pop("accountId", None) == (ACCOUNT if account else None)
    operation = body.pop("operation")
    assert message.topic.endswith(f"/{operation.lower()}")
    return message.topic.removeprefix("$aws/events/"), body


def test_the_life_of_a_thing(here, back_end, name):
    watch(back_end, f"thing/{name}/#")
    iot = here.iot
    id = iot.create_thing(thingName=name, attributePayload={"attributes": {"floor": "2"}})["thingId"]
    iot.create_thing(thingName=name, attributePayload={"attributes": {"floor": "2"}})  # changes nothing
    iot.update_thing(thingName=name, attributePayload={"attributes": {"room": "a"}, "merge": True})
    iot.delete_thing(thingName=name)
    iot.delete_thing(thingName=name)
    base = {"thingId": id, "thingName": name, "thingTypeName": None}
    both = {"floor": "2", "room": "a"}
    assert [event(back_end, "THING") for _ in range(3)] == [
        (f"thing/{name}/created", base | {"versionNumber": 1, "attributes": {"floor": "2"}}),
        (f"thing/{name}/updated", base | {"versionNumber": 2, "attributes": both}),
        (f"thing/{name}/deleted", base | {"versionNumber": 2, "attributes": both}),
    ]
    assert back_end.messages() == []


def test_the_life_of_a_thing_type(here, back_end, name):
    watch(back_end, f"thingType/{name}/+")
    iot = here.iot
    properties = {"thingTypeDescription": "a lamp", "searchableAttributes": ["floor"]}
    id = iot.create_thing_type(thingTypeName=name, thingTypeProperties=properties)["thingTypeId"]
    base = {
        "thingTypeId": id,
        "thingTypeName": name,
        "isDeprecated": False,
        "deprecationDate": None,
        "searchableAttributes": ["floor"],
        "description": "a lamp",
    }
    assert event(back_end, "THING_TYPE") == (f"thingType/{name}/created", base)
    iot.deprecate_thing_type(thingTypeName=name)
    topic, body = event(back_end, "THING_TYPE")
    assert abs(body["deprecationDate"] / 1000 - time.time()) < 60
    assert (topic, body) == (
        f"thingType/{name}/updated",
        base | {"isDeprecated": True, "deprecationDate": body["deprecationDate"]},
    )
    iot.deprecate_thing_type(thingTypeName=name, undoDeprecate=True)
    assert event(back_end, "THING_TYPE") == (f"thingType/{name}/updated", base)
    iot.deprecate_thing_type(thingTypeName=name)
    event(back_end, "THING_TYPE")
    with here.later(minutes=6):
        iot.delete_thing_type(thingTypeName=name)
    message = back_end.message()
    assert message.topic == f"$aws/events/thingType/{name}/deleted"


def test_a_type_comes_and_goes(here, back_end, name):
    iot = here.iot
    old, new = f"{name}-old", f"{name}-new"
    for one in (old, new):
        iot.create_thing_type(thingTypeName=one)
    watch(back_end, f"thingTypeAssociation/thing/{name}/#", f"thing/{name}/+")
    id = iot.create_thing(thingName=name, thingTypeName=old)["thingId"]
    iot.update_thing(thingName=name, thingTypeName=new)
    iot.update_thing(thingName=name, removeThingType=True)
    seen = [back_end.message() for _ in range(7)]
    assert [message.topic.removeprefix("$aws/events/") for message in seen] == [
        f"thing/{name}/created",
        f"thingTypeAssociation/thing/{name}/thingType/{old}/added",
        f"thingTypeAssociation/thing/{name}/thingType/{old}/removed",
        f"thing/{name}/updated",
        f"thingTypeAssociation/thing/{name}/thingType/{new}/added",
        f"thingTypeAssociation/thing/{name}/thingType/{new}/removed",
        f"thing/{name}/updated",
    ]
    added = json.loads(seen[1].payload)
    for member in ("eventId", "timestamp"):
        assert added.pop(member)
    assert added == {
        "eventType": "THING_TYPE_ASSOCIATION_EVENT",
        "operation": "ADDED",
        "thingId": id,
        "thingName": name,
        "thingTypeName": old,
    }


def test_what_a_template_makes_is_told_too(here, back_end, name):
    watch(back_end, f"thing/{name}/+")
    body = json.dumps(
        {"Resources": {"thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": name}}}}
    )
    here.iot.register_thing(templateBody=body)
    assert event(back_end, "THING")[0] == f"thing/{name}/created"


def test_what_has_failed_is_not_told(here, back_end, name):
    iot = here.iot
    iot.create_thing(thingName=name)
    watch(back_end, f"thing/{name}/+")
    with pytest.raises(iot.exceptions.VersionConflictException):
        iot.update_thing(thingName=name, expectedVersion=9)
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException):
        iot.create_thing(thingName=name, attributePayload={"attributes": {"a": "b"}})
    iot.delete_thing(thingName=name)
    assert event(back_end, "THING")[0] == f"thing/{name}/deleted"


def test_switched_off_nothing_is_told_from_the_next_operation_on(here, back_end, name):
    watch(back_end, "thing/+/+")
    enable(here.iot, "THING", on=False)
    try:
        here.iot.create_thing(thingName=f"{name}-off")
    finally:
        enable(here.iot, "THING")
    here.iot.create_thing(thingName=f"{name}-on")
    assert event(back_end, "THING")[0] == f"thing/{name}-on/created"
    assert back_end.messages() == []


def test_of_a_large_group_that_is_deleted_each_thing_is_told_once(here, back_end, name):
    iot = here.iot
    id = iot.create_thing_group(thingGroupName=name)["thingGroupId"]
    ids = {}
    for number in range(LARGE):
        thing = iot.create_thing(thingName=f"{name}-{number}")
        ids[thing["thingName"]] = thing["thingId"]
        iot.add_thing_to_thing_group(thingGroupName=name, thingName=thing["thingName"])
    watch(back_end, f"thingGroup/{name}/+", f"thingGroupMembership/thingGroup/{name}/thing/+/+")
    iot.delete_thing_group(thingGroupName=name)
    assert event(back_end, "THING_GROUP")[0] == f"thingGroup/{name}/deleted"
    found = [event(back_end, "THING_GROUP_MEMBERSHIP") for _ in range(LARGE)]
    for topic, body in found:
        assert (body["groupId"], topic.rpartition("/")[2]) == (id, "removed")
    assert {topic.split("/")[4]: body["thingId"] for topic, body in found} == ids
    iot.create_thing_group(thingGroupName=name)
    assert event(back_end, "THING_GROUP")[0] == f"thingGroup/{name}/created"
    assert back_end.messages() == []


def test_two_accounts_do_not_hear_of_each_other(here, back_end, name):
    account = re.search(r"\d{12}", here.node.command("account", "create"))[0]
    other = here.node.client("iot", account=account)
    enable(other, "THING")
    watch(back_end, f"thing/{name}/+")
    other.create_thing(thingName=name)
    here.iot.create_thing(thingName=name)
    assert event(back_end, "THING")[0] == f"thing/{name}/created"
    assert back_end.messages() == []


def test_devices_cannot_forge_events(here, name):
    device = here.device("forger", statements=ANYTHING)
    with device.online() as wire:
        assert wire.publish(f"$aws/events/thing/{name}/created", b"{}", qos=0) == 0
        assert wire.until_closed() is None


def test_who_is_away_is_told_when_it_comes_back(here, name):
    here.subscribed_and_gone(f"away-{name}", f"$aws/events/thing/{name}/+")
    here.iot.create_thing(thingName=name)
    here.iot.delete_thing(thingName=name)
    with here.persistent(f"away-{name}")[0] as wire:
        assert [event(wire, "THING")[0] for _ in range(2)] == [
            f"thing/{name}/{w}" for w in ("created", "deleted")
        ]


def test_what_is_enabled_holds_after_a_restart(tmp_path, database_url):
    with place(tmp_path, f"database={database_url}") as here:
        enable(here.iot, "THING")
        here.node.stop()
        here.node.start()
        iot = here.node.client("iot")
        with here.online("watcher") as wire:
            watch(wire, "thing/+/created")
            Factory(here.node, iot, tmp_path)("made")
            assert event(wire, "THING")[1]["versionNumber"] == 1


def test_the_outbox_is_empty_when_all_is_told(tmp_path, database_url):
    with place(tmp_path, f"database={database_url}") as here:
        enable(here.iot, *ALL)
        here.subscribed_and_gone("away", "$aws/events/thing/#")
        for number in range(5):
            here.iot.create_thing(thingName=f"lamp-{number}")
        here.node.stop()
        here.node.start()
        with here.persistent("away")[0] as wire:
            seen = [event(wire, "THING")[0] for _ in range(5)]
            assert seen == [f"thing/lamp-{number}/created" for number in range(5)]
            until(lambda: wire.messages() == [])


def test_what_was_committed_before_a_crash_and_not_told_is_told_at_the_start(tmp_path):
    with place(tmp_path) as here:
        here.subscribed_and_gone("away", "$aws/events/thing/#")
        here.node.kill()
        file = here.node.data / "sekisho.db"
        with contextlib.closing(sqlite3.connect(file)) as database, database:
            database.executemany(
                "INSERT INTO outbox (account, region, topic, payload, at) VALUES (?, 'us-east-1', ?, ?, 0.0)",
                [(ACCOUNT, f"$aws/events/thing/{n}/created", b"%d" % n) for n in range(700)],
            )
        here.node.start()
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            assert database.execute("SELECT COUNT(*) FROM outbox").fetchall() == [(0,)]
            assert database.execute("SELECT COUNT(*) FROM mailbox").fetchall() == [(700,)]
        with here.persistent("away")[0] as wire:
            assert [wire.message().payload for _ in range(700)] == [b"%d" % n for n in range(700)]
