"""What logging options do with what happens, on both databases: levels by group, and where entries go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contract.test_sessions_tables import A, R
from sekisho.clock import Clock
from sekisho.logic.log_levels import DISABLED, INFO, Who
from sekisho.services.log_files import LogFiles, file_of
from sekisho.services.logging_options import LEVEL, NEW, OLD, THE_ONE
from sekisho.services.logs import GROUP, OLD_GROUP, Logs
from sekisho.services.work import Work
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.store import Store

HERE = (A, R)


def made(store: Store, folder: Path) -> tuple[Logs, LogFiles]:
    logs = Logs(store, Clock())
    logs.files = LogFiles(folder, 10_000, 1)
    return logs, logs.files


async def put(store: Store, kind: str, id: str, body: dict[str, Any]) -> None:
    work = Work(store, A, R, 1.0)
    await work.put(kind, id, body)
    await work.commit()


async def link(store: Store, kind: str, source: str, target: str) -> None:
    await store.commit([tables.insert_link(A, R, kind, source, target, "{}", 1.0)])


def lines(folder: Path, group: str) -> list[dict[str, Any]]:
    path = file_of(folder, A, R, group)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def change(kind: str, what: str = "updated") -> Change:
    return Change(1, A, R, kind, "", what, 1.0)


def test_a_client_is_logged_as_its_thing_s_groups_say(run, tmp_path):
    async def body(store: Store) -> None:
        logs, _ = made(store, tmp_path)
        await put(store, NEW, THE_ONE, {"defaultLogLevel": "DISABLED"})
        target = {"targetType": "THING_GROUP", "targetName": "root", "logLevel": "INFO"}
        await put(store, LEVEL, "THING_GROUP/root", target)
        await logs.start([HERE])
        levels = logs.levels_of(*HERE)
        assert levels is not None and levels.has_groups and logs.on
        assert levels.threshold("Connect", Who("lamp")) == DISABLED
        for pair in (("thing-group", "lamp", "leaf"), ("group-parent", "leaf", "middle")):
            await link(store, *pair)
        assert await logs.groups_of(*HERE, "lamp") == (
            frozenset({"leaf"}),
            frozenset({"middle"}),
            frozenset(),
        )
        await link(store, "group-parent", "middle", "root")
        who = Who("lamp", groups=await logs.groups_of(*HERE, "lamp"))
        assert levels.threshold("Connect", who) == INFO
        assert await logs.groups_of(*HERE, "nobody") == (frozenset(),)

    run(body)


def test_who_follows_hears_of_options_and_of_groups_that_count(run, tmp_path):
    async def body(store: Store) -> None:
        logs, _ = made(store, tmp_path)
        heard: list[tuple[tuple[str, str], frozenset[str] | None]] = []
        logs.follow = lambda place, things: heard.append((place, things))
        await put(store, NEW, THE_ONE, {"defaultLogLevel": "INFO"})
        await logs.changed([change("thing"), change("thing-group", "linked lamp")])
        assert heard == []
        await logs.changed([change(NEW), change(NEW)])
        assert heard == [(HERE, None)]
        await logs.changed([change("thing-group", "linked lamp")])
        assert len(heard) == 1
        target = {"targetType": "THING_GROUP", "targetName": "root", "logLevel": "INFO"}
        await put(store, LEVEL, "THING_GROUP/root", target)
        await logs.changed([change(LEVEL)])
        await logs.changed([change("thing-group", "linked lamp"), change("thing-group", "unlinked heater")])
        await logs.changed([change("group-parent", "linked leaf")])
        assert heard[1:] == [(HERE, None), (HERE, frozenset({"lamp", "heater"})), (HERE, None)]

    run(body)


def test_the_older_options_count_until_there_are_others(run, tmp_path):
    async def body(store: Store) -> None:
        logs, files = made(store, tmp_path)
        await logs.start([HERE])
        assert not logs.on
        logs.write(HERE, "Connect", Who(), "Success")
        await put(store, OLD, THE_ONE, {"logLevel": "INFO"})
        await logs.changed([change(OLD)])
        assert logs.on
        logs.write(HERE, "Connect", Who(), "Success", "first")
        logs.write((A, "us-east-1"), "Connect", Who(), "Success")
        events = [{"eventType": "Connect", "logDestination": "mine"}]
        await put(store, NEW, THE_ONE, {"defaultLogLevel": "ERROR", "eventConfigurations": events})
        await logs.changed([change(NEW)])
        logs.write(HERE, "Connect", Who(), "Success")
        logs.write(HERE, "Connect", Who(), "Failure", "second")
        logs.write(HERE, "Subscribe", Who(), "Failure", "third")
        await put(store, NEW, THE_ONE, {"defaultLogLevel": "DEBUG", "disableAllLogs": True})
        await logs.changed([change(NEW)])
        assert not logs.on
        logs.write(HERE, "Connect", Who(), "Failure")
        await files.flush()
        found = [
            (group, one["traceId"]) for group in (OLD_GROUP, "mine", GROUP) for one in lines(tmp_path, group)
        ]
        assert found == [(OLD_GROUP, "first"), ("mine", "second"), (GROUP, "third")]
        assert len(list(tmp_path.rglob("*.jsonl"))) == 3

    run(body)
