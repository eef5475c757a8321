"""A broker without sockets: the real hub, clients, codec and SQLite, on a loop that moves only when told to.

Time does not pass on the loop, and what is asked of the database waits until it is let through, one by
one: the same draws give the same run.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scale.pipe import FrozenLoop, Pipe
from sekisho.broker.client import Client
from sekisho.broker.hub import Hub
from sekisho.broker.listener import Peer
from sekisho.bus import LocalBus
from sekisho.clock import Clock, ClockState
from sekisho.mqtt.profile import STRICT, Limits
from sekisho.services.identity import Identities
from sekisho.services.refusals import Refusals
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.statement import NO_PARAMS, Row, Statement
from sekisho.store.store import Store, open_store

ACCOUNT, REGION = PLACE = ("000000000000", "us-east-1")
NOON = 1_800_000_000.0
LONGEST = 1000
"""Seconds that a session may live after its connection."""

HOPS = 25
"""Turns of the loop after which nothing moves any more that does not wait for the database."""


class Ask:
    """A question to the database that waits to be let through."""

    def __init__(self, statements: Sequence[Statement] | None, query: tuple[str, Mapping[str, Any]]) -> None:
        self.statements = statements
        self.query = query
        self.outcome: Any = None
        self.answered = asyncio.get_running_loop().create_future()


class Gate:
    """The store's protocol over the real store. Commits go in order; a read may go before them, as it may in
    the store, but not before a commit that has returned."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.commits: deque[Ask] = deque()
        self.told: deque[Ask] = deque()
        """Commits that have happened, and nobody knows it yet."""
        self.reads: deque[Ask] = deque()

    async def fetch(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        ask = Ask(None, (sql, params))
        self.reads.append(ask)
        found: list[Row] = await ask.answered
        return found

    async def commit(self, statements: Sequence[Statement]) -> list[list[Row]]:
        ask = Ask(list(statements), ("", {}))
        self.commits.append(ask)
        found: list[list[Row]] = await ask.answered
        return found

    async def close(self) -> None:
        """The test closes the real one."""

    async def let(self, what: str) -> bool:
        """Let the oldest ``commit`` happen, the oldest that happened be ``told``, or the oldest ``read`` be
        answered; False when there is none."""
        if what == "commit" and self.commits:
            ask = self.commits.popleft()
            ask.outcome = await self.store.commit(ask.statements or [])  # cancelled or not
            self.told.append(ask)
        elif what == "told" and self.told:
            self._answer(self.told.popleft())
        elif what == "read" and self.reads:
            ask = self.reads.popleft()
            ask.outcome = await self.store.fetch(*ask.query)
            self._answer(ask)
        else:
            return False
        await hops()
        return True

    def _answer(self, ask: Ask) -> None:
        if not ask.answered.done():
            ask.answered.set_result(ask.outcome)

    async def let_all(self) -> None:
        await hops()
        while await self.let("commit") or await self.let("told") or await self.let("read"):
            pass


async def hops(count: int = HOPS) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def der_of(client_id: str) -> bytes:
    """No certificate, but bytes to know one by: TLS is not here."""
    return b"certificate of " + client_id.encode()


def certificate_of(client_id: str) -> str:
    return hashlib.sha256(der_of(client_id)).hexdigest()


def document(denied: Mapping[str, Sequence[str]]) -> str:
    """A policy that allows everything but actions (``Receive``) on topics."""
    statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    statements += [
        {
            "Effect": "Deny",
            "Action": f"iot:{action}",
            "Resource": [f"arn:aws:iot:{REGION}:{ACCOUNT}:topic/{topic}" for topic in topics],  # type: ignore
        }
        for action, topics in denied.items()
        if topics
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def registered(client_id: str) -> list[Statement]:
    """A device's rows: its certificate, and a policy of its own that allows everything."""
    id = certificate_of(client_id)
    arn = f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{id}"
    certificate = {
        "certificateArn": arn,
        "certificatePem": "",
        "status": "ACTIVE",
        "validity": {"notBefore": 0.0, "notAfter": NOON * 2},
    }
    return [
        tables.insert_resource(*PLACE, "cert", id, json.dumps(certificate), NOON),
        tables.insert_resource(*PLACE, "policy", client_id, policy_body({}), NOON),
        tables.insert_link(*PLACE, "attached-policy", client_id, arn, "{}", NOON),
    ]


def policy_body(denied: Mapping[str, Sequence[str]]) -> str:
    return json.dumps({"defaultVersionId": "1", "versions": {"1": {"policyDocument": document(denied)}}})


class House:
    """One broker on one database, that can be killed and started again."""

    def __init__(self, folder: Path, client_ids: Sequence[str], *, new: bool = True) -> None:
        self.loop = FrozenLoop()
        self.clock = Clock()
        self.clock.state = ClockState(0.0, NOON, 0.0)
        self.store = self.run(open_store(f"sqlite:{folder / 'sekisho.db'}"))
        self._versions = dict.fromkeys(client_ids, 1)
        for client_id in client_ids if new else ():
            self.run(self.store.commit(registered(client_id)))
        self.gate: Gate
        self.hub: Hub
        self.errors: list[str] = []
        self.loop.set_exception_handler(lambda _, context: self.errors.append(repr(context)))
        self.start()

    @classmethod
    def copied(cls, template: Path, folder: Path, client_ids: Sequence[str]) -> House:
        """On a copy of the folder of a house that was closed: faster than a new one."""
        shutil.copytree(template, folder, dirs_exist_ok=True)
        return cls(folder, client_ids, new=False)

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    def start(self) -> None:
        self.gate = Gate(self.store)
        self.hub = Hub(
            self.clock,
            LocalBus(),
            self.gate,
            Identities(self.gate),
            Refusals(self.gate, 1000),
            replace(STRICT, will_delay=False),
            Limits(),
            outbound_bytes=65536,
            domain="localhost",
            place=PLACE,
            session_expiry=LONGEST,
            enforce_limits=False,
        )
        self.finish(self.hub.start([PLACE]))

    def finish(self, awaitable: Any) -> None:
        """Let the database answer until something is done."""

        async def body() -> None:
            task = asyncio.ensure_future(awaitable)
            await self.gate.let_all()
            assert task.done(), "it waits for something that never comes"
            await task

        self.run(body())

    def settle(self) -> None:
        """Everything that is under way comes to its end, acknowledged rows are deleted."""
        self.run(self.gate.let_all())
        self.finish(self.hub.mailbox.flush())

    def step(self, what: str) -> None:
        self.run(self.gate.let(what))

    def turn(self, count: int) -> None:
        self.run(hops(count))

    def kill(self) -> None:
        """What was not committed has never been."""
        self.run(self._cancel_all())
        self.start()

    async def _cancel_all(self) -> None:
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def connect(self, client_id: str, arrived: Any, gone: Any) -> Pipe:
        pipe = Pipe(self.loop, arrived, gone)
        pipe.protocol = Client(self.hub, Peer(der_of(client_id), "localhost", "127.0.0.1", b""))
        self.loop.within(lambda: pipe.protocol.connection_made(pipe))
        return pipe

    def deny(self, client_id: str, denied: Mapping[str, Sequence[str]]) -> None:
        """Change a device's policy; the hub hears of it, as from the change feed."""
        version = self._versions[client_id]
        self._versions[client_id] += 1
        change = tables.update_resource(*PLACE, "policy", client_id, version, policy_body(denied), NOON)
        self.run(self.store.commit([change]))
        heard = Change(0, *PLACE, "policy", client_id, "updated", NOON)

        self.loop.within(lambda: self.hub.spawn(self.hub.changed([heard])))

    def later(self, seconds: float) -> None:
        self.clock.state = self.clock.state.turned(0.0, advance=seconds)
        self.finish(self.hub.sessions.end_overdue())

    def rows(self, sql: str) -> list[Row]:
        found: list[Row] = self.run(self.store.fetch(sql))
        return found

    def close(self) -> None:
        self.run(self._cancel_all())
        self.run(self.store.close())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
