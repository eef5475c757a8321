"""Why something was refused: recorded as it happens, written in batches, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from sekisho.services.work import Document, dumps
from sekisho.store import tables
from sekisho.store.statement import StoreError
from sekisho.store.store import Store
from sekisho.store.trimming import trim_table

log = structlog.get_logger("sekisho.refusals")

WAITING = 1000
"""Refusals that may wait for the next write; a flood beyond it is counted, not kept."""

LONGEST = 2048
"""Characters of a member that are kept: a path is its client's, and may be of any length."""

EXTENDED = "EXTENDED"
"""The decision of what is no refusal: this node did it, AWS IoT would not have (mqtt.profile)."""

EVERY = 0.2
TRIM_AFTER = 500


class Refusals:
    """``record`` never waits and never fails; ``flush`` makes what was recorded readable."""

    def __init__(self, store: Store, keep: int) -> None:
        self._store = store
        self._keep = keep
        self._waiting: deque[tuple[tuple[str, str], Document]] = deque()
        self.listener: Callable[[str, str, Document], None] | None = None
        """Who is told of each refusal as it happens, kept or not."""
        self.total = 0
        """How many have been recorded, kept or not."""
        self._dropped = 0
        self._since_trim = 0
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()

    def record(self, account: str, region: str, refusal: Document) -> None:
        """``refusal`` has the members of the sekisho model's Refusal, ``at`` in civil epoch seconds."""
        self.total += refusal.get("decision") != EXTENDED
        if self.listener is not None:
            self.listener(account, region, refusal)
        if len(self._waiting) >= WAITING:
            self._dropped += 1
            return
        self._waiting.append(((account, region), {name: _kept(value) for name, value in refusal.items()}))
        self._wake.set()

    async def flush(self) -> None:
        async with self._lock:
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if self._dropped:
                log.warning("refusals not kept", count=self._dropped)
                self._dropped = 0
            if not batch:
                return
            statements = [_statement(place, refusal) for place, refusal in batch]
            try:
                await self._store.commit(statements)
                self._since_trim += len(batch)
                if self._since_trim >= TRIM_AFTER:
                    self._since_trim = 0
                    await trim_table(self._store, "refusal", self._keep)
            except StoreError as error:
                log.error("refusals not written", count=len(batch), error=str(error))

    async def run(self) -> None:
        """Write what was recorded until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()
            await asyncio.sleep(EVERY)


def _kept(value: Any) -> Any:
    return value[:LONGEST] if isinstance(value, str) else value


def _statement(place: tuple[str, str], refusal: Document) -> Any:
    return tables.append_refusal(
        at=refusal["at"],
        account=place[0],
        region=place[1],
        client_id=refusal.get("clientId", ""),
        certificate_id=refusal.get("certificateId", ""),
        thing_name=refusal.get("thingName", ""),
        body=dumps(refusal),
    )
