"""Everybody misbehaves at once, and those who behave notice nothing.

Twenty pairs exchange numbered messages while others stall, flood, half-close, come back in storms, talk
garbage, drop their handshakes and drip. The seed is printed; SEKISHO_SEED chooses another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import urllib.request
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes import Node, running
from scale.crowd import PATIENCE
from scale.hostility import MIB, assert_quiet, rss
from scale.misbehaving import (
    BIG,
    CONNECT_TIMEOUT,
    DEAF,
    FLOOD,
    FLOODERS,
    IMPOSTORS,
    KEPT,
    PAIRS,
    SMALLER,
    STORM,
    Place,
    broken_handshake,
    deaf,
    drip,
    flood,
    garbage,
    half_close,
    pair,
    spill,
    storm,
    take_over,
)

SLACK = 24 * MIB
"""Journals (bounded in number), SQLite's pages, fragmentation."""

PACKET = 149_504
"""The largest packet (docs/mqtt.md)."""

# What the node may need at most beyond what it needs with the pairs alone, once the flood is high:
MOST_IN_FLOOD = (
    DEAF * 3 * KEPT  # what waits for the deaf: to be written, for a window, and in a TLS record's making
    + FLOODERS * 2 * PACKET  # read, and not yet given out
    + SLACK
)
# and after a storm:
MOST = (
    MOST_IN_FLOOD
    + STORM * 128 * 1024  # 48 KiB each when idle, more while the handshake and CONNECT are under way
    + SLACK
)


def descriptors(node: Node) -> int:
    assert node.process is not None
    return len(list(Path(f"/proc/{node.process.pid}/fd").iterdir()))


def counters(node: Node) -> dict[str, float]:
    """The node's own numbers, as Prometheus reads them."""
    with urllib.request.urlopen(f"http://{node.endpoints['api']}/_sekisho/metrics", timeout=20) as answer:
        found = re.findall(r"^sekisho_(\w+?)(?:_total)? ([\d.e+]+)$", answer.read().decode(), re.MULTILINE)
    return {name: float(value) for name, value in found}


def refusals(place: Place, **by: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = place.own.list_refusals(**by, **({"nextToken": token} if token else {}))
        found += page["refusals"]
        token = page.get("nextToken") or ""
        if not token or len(found) > 20_000:
            return found


def ends(place: Place, client_id: str) -> list[str]:
    page = place.own.list_connections(clientId=client_id)
    return [row["disconnectReason"] for row in page["connections"] if not row["live"]]


async def comes_to_rest(place: Place, before: int) -> None:
    """No connection is left, and not one descriptor more than before."""
    left: tuple[float, int] = (-1, -1)
    for _ in range(300):
        left = (counters(place.node)["connections"], descriptors(place.node))
        if left[0] == 0 and left[1] <= before:
            return
        await asyncio.sleep(0.1)
    who = [row["clientId"] for row in place.own.list_connections(live=True)["connections"]]
    raise AssertionError(f"{left[0]} connections {who}, {left[1]} descriptors are left, {before} before")


class Growth:
    """How much more memory the node has had than at the beginning, in bytes, at most."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._before = rss(node)
        self.in_flood = 0
        self.most = 0

    def look(self, flooded: bool) -> None:
        self.most = max(self.most, rss(self._node) - self._before)
        if not flooded:
            self.in_flood = self.most


async def chaos(place: Place) -> Growth:
    ready = asyncio.Barrier(PAIRS + 1)

    async def misbehave() -> None:
        await place.flooded.wait()
        works: list[Awaitable[None]] = [half_close(place, n) for n in range(40)]
        works += [garbage(place, n) for n in range(100)]
        works += [broken_handshake(place, n) for n in range(300)]
        works += [take_over(place, n) for n in range(IMPOSTORS)]
        place.chance.shuffle(works)
        await storm(place, STORM, lambda n: f"storm-{n}")
        await asyncio.gather(*works)
        await storm(place, SMALLER, lambda n: f"impostor-{n % IMPOSTORS}")

    async with asyncio.TaskGroup() as group:
        pairs = [group.create_task(pair(place, number, ready)) for number in range(PAIRS)]
        await ready.wait()
        growth = Growth(place.node)
        others = [group.create_task(deaf(place, n)) for n in range(DEAF)]
        async with asyncio.timeout(PATIENCE):
            while place.did.get("deaf", 0) < DEAF:
                await asyncio.sleep(0.05)
        others += [group.create_task(flood(place, n)) for n in range(FLOODERS)]
        others.append(group.create_task(spill(place)))
        finite = [*pairs, group.create_task(misbehave())]
        finite += [group.create_task(drip(place, n)) for n in range(20)]
        while not all(task.done() for task in finite):
            growth.look(place.flooded.is_set())
            if sum(place.taken.values()) >= FLOOD:
                place.flooded.set()
            await asyncio.sleep(0.2)
        place.over.set()
    place.threads.shutdown()
    return growth


@contextlib.contextmanager
def chaotic(folder: Path, limits: bool) -> Iterator[Node]:
    with running(
        folder / "node",
        f"mqtt.enforce_limits={str(limits).lower()}",
        f"mqtt.limits.connect_timeout={CONNECT_TIMEOUT}",
        f"mqtt.limits.outbound_bytes={KEPT}",
    ) as node:
        yield node


@pytest.mark.timeout(300)
@pytest.mark.parametrize("limits", [True, False], ids=["limits", "no limits"])
def test_those_who_behave_notice_nothing(tmp_path, limits):
    seed = int(os.environ.get("SEKISHO_SEED", "1"))
    print(f"seed {seed}")
    with chaotic(tmp_path, limits) as node:
        place = Place(node, tmp_path, seed)
        counters(node)  # what the API opens on its first request is not a leak
        base = descriptors(node)
        growth = asyncio.run(chaos(place))
        print(f"in the flood {growth.in_flood / MIB:.0f} MiB more, of {MOST_IN_FLOOD / MIB:.0f};", end=" ")
        print(f"in all {growth.most / MIB:.0f}, of {MOST / MIB:.0f}; {place.did}; {counters(node)}")
        assert growth.in_flood < MOST_IN_FLOOD
        assert growth.most < MOST

        asyncio.run(comes_to_rest(place, base))
        assert_quiet(node)

        # And the node says what happened.
        numbers = counters(node)
        assert numbers["accepted"] >= 2 * PAIRS + DEAF + place.did["storm accepted"]
        assert set(ends(place, "writer-0")) == {"CLIENT_INITIATED_DISCONNECT"}
        # who is deaf, and who floods
        assert numbers["dropped"] * BIG > FLOOD, "most of the flood, for each of the deaf"
        for client_id in ("deaf-0", "deaf-1", "flood-0", "spill"):
            assert set(ends(place, client_id)) == {"CONNECTION_LOST"}
        told = [one["reason"] for one in refusals(place, clientId="spill")]
        if limits:
            assert numbers["throttled"] > 0
            assert any("messages a second" in reason for reason in told), told
        else:
            assert (numbers["throttled"], told) == (0, [])
        # garbage, and who half-closes
        reasons = [reason for n in range(100) for reason in ends(place, f"garbage-{n}")]
        assert reasons.count("CLIENT_ERROR") > 25, reasons
        told = [one["reason"] for n in range(20) for one in refusals(place, clientId=f"garbage-{n}")]
        assert told, "what was wrong with the garbage"
        assert set(ends(place, "half-0")) == {"CONNECTION_LOST"}
        # storms
        assert set(ends(place, "storm-1")) <= {"CONNECTION_LOST", "CLIENT_INITIATED_DISCONNECT"}
        assert place.did["usurped"] == IMPOSTORS
        for n in range(IMPOSTORS):
            assert "DUPLICATE_CLIENTID" in ends(place, f"usurper-{n}")
        if limits:
            assert any("THROTTLED" in one["reason"] for one in refusals(place, clientId="impostor-0"))
        else:
            impostors = [reason for n in range(IMPOSTORS) for reason in ends(place, f"impostor-{n}")]
            assert "DUPLICATE_CLIENTID" in impostors
        # handshakes that were broken off, and who dripped
        assert numbers["unopened"] >= place.did["broken handshakes"] + place.did["drips"]
