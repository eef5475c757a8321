"""kill -9 while things are made and changed: whatever has been committed has been told, in its order."""

from __future__ import annotations

import json
import random
import threading
from collections import defaultdict

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from api.making import listed
from interop.devices import until
from interop.places import UNLIMITED, place

ROUNDS = 8
WRITERS = 3


class Writer(threading.Thread):
    """Makes things and changes each of them once, until the node is gone."""

    def __init__(self, iot, prefix: str) -> None:
        super().__init__()
        self.iot = iot
        self.prefix = prefix
        self.done = 0

    def run(self) -> None:
        try:
            while True:
                name = f"{self.prefix}-{self.done}"
                self.iot.create_thing(thingName=name)
                attributes = {"attributes": {"number": str(self.done)}}
                self.iot.update_thing(thingName=name, attributePayload=attributes)
                self.done += 1
        except (HTTPClientError, ClientError, KeyError):
            pass  # cut off, or an answer of which only a part came


@pytest.mark.timeout(600)
def test_what_is_committed_is_told(tmp_path, database_url):
    chance = random.Random(11)
    seen: dict[str, list[int]] = defaultdict(list)
    with place(tmp_path, UNLIMITED, f"database={database_url}") as here:
        here.iot.update_event_configurations(eventConfigurations={"THING": {"Enabled": True}})
        here.subscribed_and_gone("back-end", "$aws/events/thing/#")
        for round_ in range(ROUNDS):
            iot = here.node.client("iot")
            writers = [Writer(iot, f"thing-{round_}-{number}") for number in range(WRITERS)]
            for writer in writers:
                writer.start()
            enough = chance.randrange(1, 60)
            until(lambda: sum(writer.done for writer in writers) >= enough)  # noqa: B023
            here.node.kill()
            for writer in writers:
                writer.join()
            here.node.start()
            there = listed(here.node.client("iot"), "list_things", "things")
            wanted = {thing["thingName"]: thing["version"] for thing in there}
            del wanted[here.anything.name]  # it was made before
            with here.persistent("back-end")[0] as wire:
                while not all(wanted[name] in seen[name] for name in wanted):
                    event = json.loads(wire.message().payload)
                    seen[event["thingName"]].append(event["versionNumber"])
                wire.disconnect()
    assert set(seen) == set(wanted)
    for name, versions in seen.items():
        assert list(dict.fromkeys(versions)) == list(range(1, wanted[name] + 1)), name
