"""kill -9 while the index follows: afterwards it has every thing, without having been built anew."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError

from interop.devices import until
from nodes import Node

ROUNDS = 6
WRITERS = 4


def write(node: Node, round: int, writer: int, acknowledged: dict[str, dict[str, str] | None]) -> None:
    """Things made, changed and deleted until the node is gone; what was acknowledged last is what must be."""
    iot = node.client("iot", tls=False)
    with contextlib.suppress(HTTPClientError, EndpointConnectionError):
        for number in itertools.count():
            name = f"r{round}-w{writer}-{number}"
            attributes = {"round": str(round), "number": str(number), "colour": "red"}
            answer = iot.create_thing(thingName=name, attributePayload={"attributes": attributes})
            if "thingId" not in answer:
                return  # cut off
            acknowledged[name] = attributes
            if number % 3 == 0:
                acknowledged.pop(name)  # for the moment it may be either
                changed = {"colour": "blue"}
                payload = {"attributes": changed, "merge": True}
                iot.update_thing(thingName=name, attributePayload=payload)
                acknowledged[name] = attributes | changed
            elif number % 5 == 0:
                acknowledged.pop(name)
                iot.delete_thing(thingName=name)


def registered(path: Path) -> dict[str, dict[str, str]]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT id, body FROM resource WHERE kind = 'thing'")
        return {id: json.loads(body)["attributes"] for id, body in rows}


def indexed(iot: Any) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    token: dict[str, str] = {}
    while True:
        page = iot.search_index(queryString="*", **token)
        for one in page["things"]:
            assert one["thingName"] not in found, "a thing is in the index twice"
            found[one["thingName"]] = one["attributes"]
        if "nextToken" not in page:
            return found
        token = {"nextToken": page["nextToken"]}


@pytest.mark.timeout(240)
def test_kill_9_while_the_index_follows(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", ("log.level=info",))
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    acknowledged: dict[str, dict[str, str] | None] = {}
    behind = 0
    try:
        node.start()
        iot = node.client("iot", tls=False)
        iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"})
        until(lambda: iot.describe_index(indexName="AWS_Things")["indexStatus"] == "ACTIVE")
        for round in range(ROUNDS):
            writers = [
                threading.Thread(target=write, args=(node, round, writer, acknowledged))
                for writer in range(WRITERS)
            ]
            for writer in writers:
                writer.start()
            enough = len(acknowledged) + dice.randint(20, 60)
            until(lambda enough=enough: len(acknowledged) >= enough, 60.0)
            node.kill()
            for writer in writers:
                writer.join()
            truth = registered(node.data / "sekisho.db")
            with contextlib.closing(sqlite3.connect(node.data / "sekisho.db")) as connection:
                newest = connection.execute("SELECT MAX(seq) FROM change").fetchone()[0]
                (seq,) = connection.execute("SELECT seq FROM index_progress").fetchone()
            behind += newest > seq
            node.start()
            iot = node.client("iot", tls=False)
            assert iot.describe_index(indexName="AWS_Things")["indexStatus"] == "ACTIVE", "it is built anew"
            until(lambda iot=iot, truth=truth: indexed(iot) == truth)
            for name, attributes in acknowledged.items():
                assert truth.get(name) == attributes, name
        assert behind, "no kill met the index at work"
        assert "built anew" not in node.log and node.log.count("index built") == 1
        assert node.stop() == 0
    finally:
        node.kill()


def make(node: Node, count: int, name: str) -> None:
    iot = node.client("iot", tls=False)
    for number in range(count):
        iot.create_thing(thingName=f"{name}-{number}", attributePayload={"attributes": {"by": name}})


@pytest.mark.timeout(240)
def test_another_node_follows_when_the_one_is_killed(tmp_path: Path, postgres_server: Any) -> None:
    """Two nodes, one database: both take writes, one writes the index, and neither writes it twice."""
    database = postgres_server.create_database()
    settings = (f"database={postgres_server.url(database)}", f"keyring=file:{tmp_path / 'keyring.json'}")
    one, two = Node(tmp_path / "one", settings), Node(tmp_path / "two", settings)
    try:
        one.start()
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "credentials").write_text((one.data / "credentials").read_text())
        two.start()
        iot = two.client("iot", tls=False)
        iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"})
        until(lambda: iot.describe_index(indexName="AWS_Things")["indexStatus"] == "ACTIVE")
        makers = [threading.Thread(target=make, args=(node, 60, node.data.name)) for node in (one, two)]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join()
        until(lambda: len(indexed(iot)) == 120)
        (owner,) = postgres_server.sql("SELECT owner FROM index_progress", database).splitlines()
        first, last = (one, two) if f"-{one.process.pid}-" in owner else (two, one)
        first.kill()
        make(last, 20, "after")
        iot = last.client("iot", tls=False)
        until(lambda: len(indexed(iot)) == 140)
        (after,) = postgres_server.sql("SELECT owner FROM index_progress", database).splitlines()
        assert after != owner
        doubled = "SELECT COUNT(*) FROM (SELECT name FROM index_document GROUP BY name HAVING COUNT(*) > 1) d"
        assert postgres_server.sql(doubled, database).strip() == "0"
    finally:
        one.kill()
        two.kill()
    postgres_server.drop_database(database)
