"""A bulk registration whose node is killed again and again: nothing is lost and nothing is doubled."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.making import ROLE, csr
from api.test_bulk import BUCKET, TEMPLATE, ended, report
from nodes import Node, running

COUNT = 5000
BAD_EVERY = 100
KILLS = 3


def input_of(count: int) -> bytes:
    request = csr("bulk")
    good = (json.dumps({"Name": f"bulk-{n}", "CSR": request}) for n in range(1, count + 1))
    return "".join(
        ("bad" if n % BAD_EVERY == 0 else line) + "\n" for n, line in enumerate(good, start=1)
    ).encode()


def start(node: Node, count: int = COUNT) -> str:
    s3, iot = node.client("s3"), node.client("iot")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="in", Body=input_of(count))
    return iot.start_thing_registration_task(
        templateBody=TEMPLATE, inputFileBucket=BUCKET, inputFileKey="in", roleArn=ROLE
    )["taskId"]


def done(node: Node, task: str) -> int:
    found = node.client("iot").describe_thing_registration_task(taskId=task)
    assert found["status"] == "InProgress", found
    return found["successCount"] + found["failureCount"]


def check(iot: Any, task: str, sql: Callable[[str], list[tuple[Any, ...]]]) -> None:
    """Every line once in the reports, every thing once, each with the one certificate that was told."""
    bad = list(range(BAD_EVERY, COUNT + 1, BAD_EVERY))
    found = ended(iot, task)
    assert (found["status"], found["failureCount"]) == ("Completed", len(bad))
    assert found["successCount"] == COUNT - len(bad)
    results = report(iot, task, "RESULTS")
    assert [one["lineNumber"] for one in results] == [n for n in range(1, COUNT + 1) if n % BAD_EVERY]
    assert [one["lineNumber"] for one in report(iot, task, "ERRORS")] == bad
    arns = [one["response"]["resourceArns"] for one in results]
    assert [one["thing"].rpartition("/")[2] for one in arns] == [
        f"bulk-{n}" for n in range(1, COUNT + 1) if n % BAD_EVERY
    ]
    told = {one["certificate"].rpartition("/")[2] for one in arns}
    assert told == {id for (id,) in sql("SELECT id FROM resource WHERE kind = 'cert'")}
    links = sql("SELECT source, target FROM link WHERE kind = 'thing-principal'")
    assert sorted(links) == sorted((one["thing"].rpartition("/")[2], one["certificate"]) for one in arns)
    assert sql("SELECT id FROM resource WHERE kind = 'registrationline'") == []


@pytest.mark.timeout(300)
def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    with running(tmp_path / "node") as node:
        task = start(node)
        seed = random.randrange(1 << 32)
        print("seed", seed)
        chance = random.Random(seed)
        for _ in range(KILLS):
            before = done(node, task)
            # Some moments after it has gone on: within a batch, within a report, between the two.
            while done(node, task) == before:
                time.sleep(0.05)
            time.sleep(chance.uniform(0.0, 0.5))
            node.kill()
            node.start()

        def sql(text: str) -> list[tuple[Any, ...]]:
            with contextlib.closing(sqlite3.connect(f"file:{node.data}/sekisho.db?mode=ro", uri=True)) as db:
                return db.execute(text).fetchall()

        check(node.client("iot"), task, sql)


@pytest.mark.timeout(300)
def test_another_node_goes_on(tmp_path: Path, postgres_server: Any) -> None:
    """Two nodes with one database, one keyring and one folder of objects: the second takes over."""
    database = postgres_server.create_database()
    settings = (
        f"database={postgres_server.url(database)}",
        f"keyring=file:{tmp_path / 'keyring.json'}",
        f"objects=file:{tmp_path / 'objects'}",
    )
    with running(tmp_path / "one", *settings) as one:
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "credentials").write_text((one.data / "credentials").read_text())
        with running(tmp_path / "two", *settings) as two:
            task = start(one)
            while done(one, task) == 0:
                time.sleep(0.05)
            one.kill()

            def sql(text: str) -> list[tuple[Any, ...]]:
                return [tuple(row.split("|")) for row in postgres_server.sql(text, database).splitlines()]

            check(two.client("iot"), task, sql)
    postgres_server.drop_database(database)
