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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from interop.wire import read_varint
from sekisho.broker.channel import Channel
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


class FrozenLoop(asyncio.SelectorEventLoop):
    """Its time is always the same: no timeout ever comes."""

    def time(self) -> float:
        return 0.0

    def within(self, deed: Callable[[], None]) -> None:
        """Do something as if a socket had called for it."""

        async def body() -> None:
            deed()

        if self.is_running():
            deed()
        else:
            self.run_until_complete(body())


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


class Pipe(Channel):
    """A connection's transport, as `sekisho.broker.transport.TlsTransport` is one. What is written to it
    arrives at the end of the turn."""

    def __init__(self, loop: FrozenLoop, arrived: Any, gone: Any) -> None:
        super().__init__(65536)
        self.lost = False
        self.protocol: Client
        self._loop = loop
        self._arrived = arrived
        self._gone = gone
        self._out: list[bytes] = []
        self._size = 0
        self._closing = False
        self._reading = True
        self._paused = False
        self._in: deque[bytes | None] = deque()

    # --- the node's side -----------------------------------------------------------------------------------

    def limit_writes(self, high_water: int) -> None:
        self.high_water = high_water

    def write(self, data: bytes) -> None:
        if self.lost or self._closing or not data:
            return
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(data)
        self._size += len(data)
        if self._size > self.high_water and not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    def offer(self, data: bytes) -> bool:
        if self._size > self.high_water or self.is_closing():
            return False
        self.write(data)
        return True

    def get_write_buffer_size(self) -> int:
        return self._size

    def flush(self) -> None:
        if self.lost:
            return
        out, self._out, self._size = b"".join(self._out), [], 0
        if out:
            self._arrived(out)
        if self._closing:
            self._lose()
        elif self._paused:
            self._paused = False
            self.protocol.resume_writing()

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading and not self.is_closing():
            self._reading = True
            self._loop.call_soon(self._deliver)

    def is_reading(self) -> bool:
        return self._reading

    def close(self) -> None:
        if self.is_closing():
            return
        self._closing = True
        self._reading = False
        self.flush()

    def abort(self) -> None:
        self._lose()

    def is_closing(self) -> bool:
        return self._closing or self.lost

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._out, self._size = [], 0
            self._in.clear()
            self._gone()
            self.protocol.connection_lost(None)

    # --- the device's side ---------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        self._in.append(data)
        self._loop.within(self._deliver)

    def hang_up(self) -> None:
        """The socket goes; the node finds out when it has read what came before."""
        self._in.append(None)
        self._loop.within(self._deliver)

    @property
    def all_read(self) -> bool:
        """Whether the node has handled all that it was sent."""
        return not self._in and not self.protocol._backlog and not self.protocol._busy

    def cut(self) -> None:
        """The node has died."""
        self.lost = True
        self._gone()

    def _deliver(self) -> None:
        while self._in and self._reading and not self.is_closing():
            data = self._in.popleft()
            if data is None:
                self._lose()
            else:
                self.protocol.data_received(data)


def frames(buffer: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The whole packets at the beginning of a buffer, as (first byte, body), and what is left."""
    found = []
    while len(buffer) >= 2:
        width = next((n for n in range(1, 5) if n < len(buffer) and buffer[n] < 0x80), 0)
        if not width:
            break
        size, at = read_varint(buffer, 1)
        if len(buffer) < at + size:
            break
        found.append((buffer[0], buffer[at : at + size]))
        buffer = buffer[at + size :]
    return found, buffer


# --- the node ----------------------------------------------------------------------------------------------


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
