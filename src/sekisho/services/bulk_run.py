"""One node's time with a task of bulk registration.

A task goes through its input in batches. Lines of a batch are made ready in a worker process (parsing and
signing), registered each by an operation of its own (`registration_lines.py`), and reported; then one commit
moves the task beyond the batch. While one batch is registered the next is made ready.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import orjson
from cryptography.hazmat.primitives.serialization import Encoding

from sekisho.aws.errors import AccessDeniedException, AwsError, ServiceUnavailableException
from sekisho.logic.bulk_input import Issuer, Line, Ready, make_ready
from sekisho.logic.validity import AWS, BadValidity, Validity, end_of
from sekisho.objects.base import NoSuchObject, ObjectChanged, Opened
from sekisho.services.api import Api
from sekisho.services.buckets import Buckets, BucketTaken
from sekisho.services.bulk_batches import at_most, batches
from sekisho.services.bulk_old import ended_task
from sekisho.services.bulk_reports import ERRORS, RESULTS, Reports, report_line, reports_bucket
from sekisho.services.call import Caller, Deps
from sekisho.services.certificate_ends import ACCOUNT, DEFAULT
from sekisho.services.registration_lines import LINE, PROGRESS, line_id, runner
from sekisho.services.registration_tasks import ENDED, RUNNING, TASK
from sekisho.services.roles import in_role
from sekisho.services.work import Document, Work, dumps, row_document
from sekisho.store import tables
from sekisho.store.background import COMMITS, LoopTurns
from sekisho.store.statement import Conflict

LEASE = 6.0
"""Seconds for which a node may work on a task without saying that it still does."""

LIFE = 30 * 86400.0
"""Seconds after which a task is ended (AWS General Reference, AWS IoT quotas)."""


class LostLease(Exception):
    """Another node works on the task now."""


class Failed(Exception):
    """The task cannot go on, whoever tries."""


class Batch(NamedTuple):
    lines: list[Line]
    ready: list[Ready]


class TaskRun:
    """One node's time with one task."""

    def __init__(
        self,
        deps: Deps,
        api: Api,
        buckets: Buckets,
        turns: LoopTurns,
        owner: str,
        account: str,
        region: str,
        id: str,
    ) -> None:
        self._deps = deps
        self._api = api
        self._buckets = buckets
        self._owner = owner
        self._place = (account, region)
        self._id = id
        self._caller = Caller(runner(account), account, region, request_id=id)
        self._reports = Reports(deps.objects, account, id)
        self._turns = turns
        self._held_at = 0.0
        self._progress: Document = {}

    # --- the lease -----------------------------------------------------------------------------------------

    @property
    def _lease(self) -> str:
        return f"registration/{self._id}"

    async def hold_lease(self) -> bool:
        real = self._deps.clock.real()
        if not await tables.hold_lease(self._deps.store, self._lease, self._owner, real, LEASE):
            return False
        self._held_at = real
        return True

    async def release(self) -> None:
        await self._deps.store.commit([tables.release_lease(self._lease, self._owner)])

    async def _prolong(self) -> None:
        while True:
            await asyncio.sleep(LEASE / 4)
            if not await self.hold_lease():
                return

    # --- the task ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Go on until the task has ended. LostLease when it is another's, StoreError to try again later."""
        prolonging = asyncio.create_task(self._prolong())
        try:
            await self._run()
        finally:
            prolonging.cancel()
            await asyncio.gather(prolonging, return_exceptions=True)

    async def _run(self) -> None:
        task = await self._task()
        self._progress = await self._read(PROGRESS)
        with suppress(BucketTaken):
            await self._buckets.ensure(*self._place, reports_bucket(self._place[0]))
        try:
            status, message = await self._go_through(task)
        except Failed as error:
            status, message = "Failed", str(error)
        except AccessDeniedException as error:
            status, message = "Failed", error.message
        except ObjectChanged:
            status, message = "Failed", "the input file was overwritten or deleted while the task read it"
        await self._end(status, message)

    async def _go_through(self, task: Document) -> tuple[str, str]:
        opened = await self._open(task)
        try:
            if self._progress["etag"] not in ("", opened.info.etag):
                raise Failed("the input file was overwritten while the task was at work")
            queue: asyncio.Queue[Batch | BaseException | None] = asyncio.Queue(1)
            producer = asyncio.create_task(self._produce(opened, task["templateBody"], queue))
            try:
                while True:
                    task = await self._task()
                    if task["status"] == "Cancelling":
                        return "Cancelled", "the task was stopped"
                    if self._deps.clock.now() - task["creationDate"] > LIFE:
                        return "Failed", "the task did not end within 30 days"
                    self._caller = await in_role(self._deps, self._caller, task)
                    batch = await queue.get()
                    if batch is None:
                        return "Completed", ""
                    if isinstance(batch, BaseException):
                        raise batch
                    await self._register(batch, task["templateBody"], opened)
            finally:
                producer.cancel()
                await asyncio.gather(producer, return_exceptions=True)
        finally:
            await opened.close()

    async def _open(self, task: Document) -> Opened:
        bucket, key = task["inputFileBucket"], task["inputFileKey"]
        found = await self._buckets.find(bucket)
        if found is None or found["account"] != self._place[0]:
            raise Failed(f"the bucket {bucket} does not exist in this account")
        try:
            opened: Opened = await self._deps.objects.open(bucket, key)
        except NoSuchObject:
            raise Failed(f"the bucket {bucket} has no object {key}") from None
        return opened

    async def _produce(
        self, opened: Opened, template: str, queue: asyncio.Queue[Batch | BaseException | None]
    ) -> None:
        """Batches in their order, then None, or what went wrong."""
        keyring = self._deps.keyring
        key = keyring.authorities[0].key_der
        issuer = None
        if key is not None:
            issuer = Issuer(keyring.ca.public_bytes(Encoding.DER), key, self._deps.config["crl.url"])
        try:
            async for lines in batches(opened, self._progress["line"], self._progress["offset"]):
                texts = [line.text for line in lines]
                now = self._deps.clock.now()
                try:
                    end = end_of(await self._validity(), now, keyring.ca.not_valid_after_utc)
                except BadValidity as error:
                    raise Failed(f"no certificate can be issued now: {error}") from None
                ready = await self._deps.workers.run(make_ready, issuer, template, texts, now, end)
                await queue.put(Batch(lines, ready))
            await queue.put(None)
        except Exception as error:
            await queue.put(error)

    async def _validity(self) -> Validity:
        """That of the account and region, as it is now."""
        found = await self._deps.store.fetch(*tables.get_resource(*self._place, ACCOUNT, DEFAULT))
        return orjson.loads(found[0]["body"]) if found else AWS

    async def _register(self, batch: Batch, template: str, opened: Opened) -> None:
        done = await self._done_before(batch)
        outcomes: dict[int, tuple[str, Document]] = {}
        # Lines about the same thing one after another, as they are in the file; all others as it comes.
        chains: dict[str, list[tuple[Line, Ready]]] = {}
        for line, ready in zip(batch.lines, batch.ready, strict=True):
            if line.number in done:
                outcomes[line.number] = RESULTS, done[line.number]
            elif ready.error is not None:
                outcomes[line.number] = ERRORS, _refusal("InvalidRequestException", ready.error)
            else:
                chains.setdefault(ready.thing or f"\0{line.number}", []).append((line, ready))

        async def follow(chain: list[tuple[Line, Ready]]) -> None:
            for line, ready in chain:
                outcomes[line.number] = await self._one(line, ready, template)

        await at_most(COMMITS, self._turns, [partial(follow, chain) for chain in chains.values()])
        await self._move_on(batch, outcomes, opened)

    async def _done_before(self, batch: Batch) -> dict[int, Document]:
        """The lines of a batch that were registered before an interruption, with what they gave."""
        first, last = batch.lines[0].number, batch.lines[-1].number
        rows = await self._deps.store.fetch(
            *tables.page_resources(*self._place, LINE, line_id(self._id, first - 1), len(batch.lines))
        )
        prefix = f"{self._id}/"
        found = {
            int(row["id"].removeprefix(prefix)): orjson.loads(row["body"])
            for row in rows
            if row["id"].startswith(prefix)
        }
        return {number: report for number, report in found.items() if number <= last}

    async def _one(self, line: Line, ready: Ready, template: str) -> tuple[str, Document]:
        members: dict[str, Any] = {"parameters": ready.parameters}
        if ready.certificate is not None:
            members["certificatePem"] = ready.certificate
        try:
            response = await self._api.invoke(
                self._caller,
                "sekisho",
                "RegisterThingLine",
                taskId=self._id,
                lineNumber=line.number,
                position=self._progress["version"],
                templateBody=template,
                **members,
            )
        except ServiceUnavailableException:
            if not await self.hold_lease():
                raise LostLease from None
            raise  # that says nothing of the line: it is tried again with the task
        except AwsError as error:
            return ERRORS, _refusal(error.code, error.message)
        shown: Document = {
            name: response[name] for name in ("certificatePem", "resourceArns") if name in response
        }
        return RESULTS, shown

    async def _move_on(self, batch: Batch, outcomes: dict[int, tuple[str, Document]], opened: Opened) -> None:
        """Report a batch, then move beyond it. LostLease if another node has moved."""
        progress = self._progress
        for type in (RESULTS, ERRORS):
            lines = [
                report_line(line, outcomes[line.number][1])
                for line in batch.lines
                if line.number in outcomes and outcomes[line.number][0] == type
            ]
            await self._reports.write(progress["segment"], type, lines)
        succeeded = sum(type == RESULTS for type, _ in outcomes.values())
        last = batch.lines[-1]
        moved = {
            "line": last.number,
            "offset": last.end,
            "segment": progress["segment"] + 1,
            "success": progress["success"] + succeeded,
            "failure": progress["failure"] + len(outcomes) - succeeded,
            "size": opened.info.size,
            "etag": opened.info.etag,
        }
        ids = line_id(self._id, 0), line_id(self._id, last.number)
        try:
            await self._deps.store.commit(
                [
                    tables.update_resource(
                        *self._place,
                        PROGRESS,
                        self._id,
                        progress["version"],
                        dumps(moved),
                        self._deps.clock.now(),
                    ),
                    tables.delete_resources(*self._place, LINE, *ids),
                ]
            )
        except Conflict:
            raise LostLease from None
        self._progress = moved | {"version": progress["version"] + 1}

    async def _end(self, status: str, message: str) -> None:
        count = self._progress["segment"]
        reports = await self._reports.join(count)
        while True:
            task = await self._task()
            if task["status"] in ENDED:
                return
            work = Work(self._deps.store, *self._place, self._deps.clock.now())
            # So that nobody ends what another node has gone on with.
            progress = await work.get(PROGRESS, self._id)
            if progress is None or progress["version"] != self._progress["version"]:
                raise LostLease
            current = await work.get(TASK, self._id) or task
            ended = current | {"status": status, "message": message or None, "reports": reports}
            await work.put(TASK, self._id, ended, what=status)
            running = await self._deps.store.fetch(
                *tables.get_resource("", "", RUNNING, "/".join(self._place))
            )
            work.also += [
                tables.delete_resource("", "", RUNNING, row["id"], row["version"]) for row in running
            ]
            work.also.append(ended_task(*self._place, self._id, work.now))
            work.also.append(
                tables.delete_resources(
                    *self._place, LINE, line_id(self._id, 0), line_id(self._id, 999_999_999_999)
                )
            )
            with suppress(Conflict):
                await work.commit()
                break
        await self._reports.forget_pieces(count)

    async def _task(self) -> Document:
        return await self._read(TASK)

    async def _read(self, kind: str) -> Document:
        rows = await self._deps.store.fetch(*tables.get_resource(*self._place, kind, self._id))
        if not rows:
            raise LostLease
        return row_document(rows[0])


def _refusal(code: str, message: str) -> Document:
    return {"errorCode": code, "errorMessage": message}
