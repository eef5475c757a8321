"""A group of commits is one transaction of SQLite, and each of them is whole or absent all the same."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sekisho.store import migrations, tables
from sekisho.store.changes import append_change
from sekisho.store.intake import Pending
from sekisho.store.several import AT_ONCE
from sekisho.store.statement import Conflict, Statement
from sekisho.store.transactions import commit_group

PLACE = ("1", "r", "thing")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(migrations.CREATE_META)
    for sql in migrations.plan(None, migrations.SQLITE):
        connection.execute(sql)
    yield connection
    connection.close()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def creation(name: str) -> list[Statement]:
    audit = dict.fromkeys(("account", "region", "principal", "service", "operation", "resource"), name)
    return [
        tables.insert_resource(*PLACE, name, "{}", 1.0),
        append_change(*PLACE, name, "created", 1.0),
        tables.append_audit(at=1.0, outcome="Success", request_id=name, source_ip="", **audit),
    ]


def commit(writer: sqlite3.Connection, loop: Any, *commits: list[Statement]) -> list[Any]:
    return commit_group(writer, [Pending(tuple(one), loop.create_future()) for one in commits])


def column(writer: sqlite3.Connection, sql: str) -> list[str]:
    return [row[0] for row in writer.execute(sql)]


def test_all_of_many_are_there_in_their_order(writer: sqlite3.Connection, loop: Any) -> None:
    names = [f"t{number:03}" for number in range(2 * AT_ONCE + 7)]
    outcomes = commit(writer, loop, *map(creation, names))
    assert outcomes == [[[], [], []]] * len(names)
    assert column(writer, "SELECT id FROM resource ORDER BY id") == names
    assert column(writer, "SELECT id FROM change ORDER BY seq") == names
    assert column(writer, "SELECT request_id FROM audit ORDER BY seq") == names


def test_one_that_cannot_be_costs_no_other(writer: sqlite3.Connection, loop: Any) -> None:
    commit(writer, loop, creation("there"))
    outcomes = commit(writer, loop, creation("a"), creation("there"), creation("b"), creation("a"))
    assert [isinstance(outcome, Conflict) for outcome in outcomes] == [False, True, False, True]
    assert [outcome.index for outcome in outcomes if isinstance(outcome, Conflict)] == [0, 0]
    assert column(writer, "SELECT id FROM change ORDER BY seq") == ["there", "a", "b"]
    assert column(writer, "SELECT request_id FROM audit ORDER BY seq") == ["there", "a", "b"]


def test_a_guard_sees_what_came_before_it_in_the_group(writer: sqlite3.Connection, loop: Any) -> None:
    absent = [tables.guard_absent(*PLACE, "a"), *creation("c")]
    outcomes = commit(writer, loop, creation("a"), absent)
    assert isinstance(outcomes[1], Conflict)
    assert column(writer, "SELECT id FROM resource ORDER BY id") == ["a"]


def test_what_tells_of_many_keeps_its_place_in_the_feed(writer: sqlite3.Connection, loop: Any) -> None:
    commit(writer, loop, [tables.insert_link("1", "r", "k", source, "t", "{}", 1.0) for source in "xy"])
    telling = [
        append_change(*PLACE, "first", "deleted", 1.0),
        tables.tell_links_to("1", "r", "k", "t", 1.0),
        append_change(*PLACE, "last", "deleted", 1.0),
    ]
    commit(writer, loop, creation("before"), telling, creation("after"))
    assert column(writer, "SELECT id FROM change ORDER BY seq") == [
        "before",
        "first",
        "t",
        "t",
        "last",
        "after",
    ]


def test_a_statement_that_is_wrong_is_told_to_who_brought_it(writer: sqlite3.Connection, loop: Any) -> None:
    outcomes = commit(
        writer, loop, creation("a"), [Statement("INSERT INTO nowhere VALUES (1)")], creation("b")
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["list", "StoreError", "list"]
    assert column(writer, "SELECT id FROM resource ORDER BY id") == ["a", "b"]
    assert not writer.in_transaction
