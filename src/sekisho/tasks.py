"""Periodic work: every node may do each task, and a lease says whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import structlog

from sekisho.aws.errors import AwsError
from sekisho.objects.base import ObjectsError
from sekisho.services.api import Api
from sekisho.services.call import Caller, Deps, service_principal
from sekisho.services.detaching import sweep_left
from sekisho.services.fleet_provisioning import LIFETIME, TOKEN
from sekisho.services.identity import CLAIM
from sekisho.services.metric_work import MetricWork
from sekisho.services.provisioning_claims import LIFETIME as CLAIM_LIFETIME
from sekisho.services.renewal_work import RenewalWork
from sekisho.services.uploads import expire_uploads
from sekisho.store import tables
from sekisho.store.due import created_before
from sekisho.store.statement import StoreError
from sekisho.store.trimming import trim_connections, trim_table

log = structlog.get_logger("sekisho.tasks")

LEASE = 30.0
CONNECTIONS_KEPT = 31 * 86400.0
"""Seconds after its end that a connection's row stays."""

CHANGES_KEPT = 1_000_000
"""Rows of the change feed; a node further behind loads everything anew when it starts."""

PAGE = 100


class Task(NamedTuple):
    """Work to be done every so many seconds of wire time, and at once when the civil clock was turned."""

    name: str
    every: float
    run: Callable[[], Awaitable[None]]


class Tasks:
    def __init__(self, deps: Deps, api: Api, places: Callable[[], list[tuple[str, str]]], owner: str) -> None:
        self._deps = deps
        self._api = api
        self._places = places
        self._owner = owner
        self._renewals = RenewalWork(deps, api)
        self._metrics = MetricWork(deps, api)
        self._wake = asyncio.Event()
        self._leased_until: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self.all = [
            Task("expire-ownership-tokens", 1.0, self.expire_ownership_tokens),
            Task("renewals", 1.0, self.advance_renewals),
            Task("expire-provisioning-claims", 1.0, self.expire_provisioning_claims),
            Task("fleet-metrics", 1.0, self.emit_fleet_metrics),
            Task("detach", 1.0, self.detach),
            Task("expire-uploads", 60.0, self.expire_uploads),
            Task("trim", 10.0, self.trim),
            Task("trim-connections", 60.0, self.trim_connections),
        ]

    def wake(self) -> None:
        """Do what is due by a clock that has just been turned."""
        self._due.clear()
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            for task in self.all:
                await self._run_if_due(task)
            try:
                async with asyncio.timeout(1.0):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _run_if_due(self, task: Task) -> None:
        tick = self._deps.clock.tick()
        if tick < self._due.get(task.name, 0.0):
            return
        self._due[task.name] = tick + task.every
        try:
            if await self._has_lease(task.name):
                await task.run()
        except StoreError as error:
            log.warning("task put off", task=task.name, error=str(error))
        except Exception:
            log.exception("task failed", task=task.name)

    async def _has_lease(self, name: str) -> bool:
        now = self._deps.clock.real()
        if now < self._leased_until.get(name, 0.0) - LEASE / 2:
            return True
        if not await tables.hold_lease(self._deps.store, f"task/{name}", self._owner, now, LEASE):
            return False
        self._leased_until[name] = now + LEASE
        return True

    async def release(self) -> None:
        """Let another node take over at once."""
        names = [f"task/{task.name}" for task in self.all]
        await self._deps.store.commit([tables.release_lease(name, self._owner) for name in names])

    # --- the tasks -----------------------------------------------------------------------------------------

    async def expire_ownership_tokens(self) -> None:
        """Delete tokens whose hour is over, and their certificates that nobody activated and attached."""
        await self._expire(TOKEN, LIFETIME, "ExpireOwnershipToken", "ownershipTokenId")

    async def expire_provisioning_claims(self) -> None:
        """Delete trusted users' claims whose five minutes are over; who is connected with one is cut off."""
        await self._expire(CLAIM, CLAIM_LIFETIME, "ExpireProvisioningClaim", "certificateId")

    async def _expire(self, kind: str, lifetime: float, operation: str, member: str) -> None:
        """What all has the same lifetime ends in the order of its creation, in whatever account it is."""
        deps = self._deps
        after = (0.0, "")
        while True:
            before = deps.clock.now() - lifetime
            rows = await deps.store.fetch(*created_before(kind, before, after, PAGE))
            for row in rows:
                account, region = row["account"], row["region"]
                caller = Caller(service_principal(account, "provisioning"), account, region)
                try:
                    await self._api.invoke(caller, "sekisho", operation, **{member: row["id"]})
                except AwsError as error:
                    log.warning("not expired", kind=kind, error=error.message)
            if len(rows) < PAGE:
                return
            after = rows[-1]["created"], rows[-1]["id"]

    async def advance_renewals(self) -> None:
        """Retire what devices have renewed, and roll back what they have not in time."""
        await self._renewals.run()

    async def expire_uploads(self) -> None:
        """Delete the parts of uploads that nobody has completed or aborted."""
        deps = self._deps
        days: int = deps.config["objects.upload_days"]
        with suppress(ObjectsError):  # the next time
            await expire_uploads(deps.store, deps.objects, deps.clock.now() - days * 86400.0)

    async def emit_fleet_metrics(self) -> None:
        """Ask the metrics whose time has come."""
        await self._metrics.run()

    async def detach(self) -> None:
        """Take away the links that deleted groups have left."""
        for account, region in self._places():
            await sweep_left(self._deps, account, region, self._deps.clock.now())

    async def trim(self) -> None:
        store, config = self._deps.store, self._deps.config
        await trim_table(store, "audit", config["audit.keep"])
        await trim_table(store, "refusal", config["explain.keep"])
        await trim_table(store, "change", CHANGES_KEPT)

    async def trim_connections(self) -> None:
        keep = self._deps.config["connections.keep"]
        await trim_connections(self._deps.store, self._deps.clock.now() - CONNECTIONS_KEPT, keep)
