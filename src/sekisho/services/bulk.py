"""Bulk registration at work: whichever node has a task's lease reads on where the last one was.

See :mod:`sekisho.services.bulk_run` for what is done with a task.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

import orjson
import structlog

from sekisho.aws.errors import ServiceUnavailableException
from sekisho.objects.base import ObjectsError
from sekisho.services.api import Api
from sekisho.services.buckets import Buckets
from sekisho.services.bulk_old import forget_old_task
from sekisho.services.bulk_run import LostLease, TaskRun
from sekisho.services.registration_tasks import RUNNING
from sekisho.store import tables
from sekisho.store.background import LoopTurns
from sekisho.store.statement import StoreError

log = structlog.get_logger("sekisho.bulk")

LOOK = 1.0


class Bulk:
    """Looks for tasks and works on them; ``run`` never returns. ``api`` has a store and workers for what can
    wait: a task of a million lines takes many minutes, and who asks something meanwhile goes first."""

    def __init__(self, api: Api, owner: str, turns: LoopTurns) -> None:
        self._deps = deps = api.deps
        self._api = api
        self._buckets = Buckets(deps.store, deps.objects, deps.clock)
        self._owner = owner
        self._turns = turns
        self._wake = asyncio.Event()
        self._at_work: dict[str, asyncio.Task[None]] = {}

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        try:
            while True:
                self._wake.clear()
                try:
                    await self._look()
                    await forget_old_task(self._deps)
                except (StoreError, ObjectsError) as error:
                    log.warning("registration tasks put off", error=str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await self._wake.wait()
        finally:
            for task in self._at_work.values():
                task.cancel()
            await asyncio.gather(*self._at_work.values(), return_exceptions=True)
            self._deps.workers.close()

    async def _look(self) -> None:
        rows = await self._deps.store.fetch(*tables.page_resources("", "", RUNNING, None, 1000))
        for row in rows:
            place = row["id"]
            if place not in self._at_work:
                account, _, region = place.partition("/")
                id = orjson.loads(row["body"])["taskId"]
                work = asyncio.create_task(self._work(account, region, id))
                self._at_work[place] = work
                work.add_done_callback(partial(self._done, place))

    def _done(self, place: str, _: asyncio.Task[None]) -> None:
        del self._at_work[place]
        if not self._at_work:
            self._deps.workers.close()

    async def _work(self, account: str, region: str, id: str) -> None:
        run = TaskRun(self._deps, self._api, self._buckets, self._turns, self._owner, account, region, id)
        try:
            if await run.hold_lease():
                try:
                    await run.run()
                finally:
                    with suppress(StoreError):
                        await run.release()
        except LostLease:
            log.warning("another node took a registration task over", task=id)
        except (StoreError, ObjectsError, ServiceUnavailableException) as error:
            log.warning("registration task put off", task=id, error=str(error))
        except Exception:
            log.exception("registration task put off", task=id)
