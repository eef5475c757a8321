"""Many things, put straight into the database of a node that is not running."""

from __future__ import annotations

import json
import random
import sqlite3
import time
import uuid
from pathlib import Path
from typing import Any

ACCOUNT, REGION = "000000000000", "us-east-1"
TYPE = "bench"
COMMIT = 20_000


def attributes(number: int) -> dict[str, str]:
    """Ten: few values and many, words and numbers."""
    dice = random.Random(number)
    return {
        "site": f"site-{dice.randrange(1000):03}",
        "model": f"model-{dice.randrange(20)}",
        "firmware": f"1.{dice.randrange(10)}.0",
        "temperature": str(dice.randrange(1000) / 10),
        "power": str(dice.randrange(100_000)),
        "serial": f"sn{number:09}",
        "country": f"country-{dice.randrange(50)}",
        "line": f"line-{dice.randrange(100)}",
        "batch": f"batch-{dice.randrange(5000)}",
        "colour": ("red", "green", "blue", "white")[dice.randrange(4)],
    }


def fill(database: Path, count: int) -> float:
    """Put things into the registry of a node that is not running; the seconds that it took."""
    began = time.perf_counter()
    with sqlite3.connect(database) as connection:
        for first in range(0, count, COMMIT):
            connection.executemany(
                "INSERT INTO resource (account, region, kind, id, version, body, created, updated)"
                " VALUES (?, ?, 'thing', ?, 1, ?, ?, ?)",
                (row(number) for number in range(first, min(count, first + COMMIT))),
            )
            connection.commit()
    connection.close()
    return time.perf_counter() - began


def row(number: int) -> tuple[Any, ...]:
    name = f"thing-{number:07}"
    body = {
        "thingName": name,
        "thingArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{name}",
        "thingId": str(uuid.UUID(int=random.getrandbits(128), version=4)),
        "defaultClientId": name,
        "attributes": attributes(number),
        "thingTypeName": TYPE,
    }
    now = time.time()
    return ACCOUNT, REGION, name, json.dumps(body, separators=(",", ":")), now, now
