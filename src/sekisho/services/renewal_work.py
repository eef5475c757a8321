"""The periodic part of renewals: who has connected, whose time is over, what is to be deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import structlog

from sekisho.aws.errors import AwsError
from sekisho.logic.renewal import due_before
from sekisho.services.api import Api
from sekisho.services.call import Caller, Deps, service_principal
from sekisho.services.renewing import DUE, RETIRED, WAIT
from sekisho.services.work import Document
from sekisho.store.due import connected_certificates, named_before
from sekisho.store.statement import Query

log = structlog.get_logger("sekisho.renewals")

PAGE = 100


class RenewalWork:
    """Every step is an operation of its own: after a ``kill -9`` it has happened or is still due."""

    def __init__(self, deps: Deps, api: Api) -> None:
        self._deps = deps
        self._api = api

    async def run(self) -> None:
        async for caller, row in self._pages(lambda after: connected_certificates(WAIT, after, PAGE)):
            await self._advance(caller, orjson.loads(row["body"])["thingName"])
        now = due_before(self._deps.clock.now())
        async for caller, row in self._pages(lambda after: named_before(DUE, now, after, PAGE)):
            await self._advance(caller, orjson.loads(row["body"])["thingName"])
        async for caller, row in self._pages(lambda after: named_before(RETIRED, now, after, PAGE)):
            await self._invoke(caller, "DeleteRetiredCertificate", retirementId=row["id"])

    async def _pages(self, page: Callable[[str], Query]) -> AsyncIterator[tuple[Caller, Any]]:
        """All that is due, with who does it."""
        after = ""
        while True:
            rows = await self._deps.store.fetch(*page(after))
            for row in rows:
                account, region = row["account"], row["region"]
                yield Caller(service_principal(account, "renewal"), account, region), row
            if len(rows) < PAGE:
                return
            after = str(rows[-1]["id"])

    async def _advance(self, caller: Caller, thing: str) -> None:
        renewal = await self._invoke(caller, "AdvanceCertificateRenewal", thingName=thing)
        if renewal.get("status") in ("ROLLED_BACK", "TIMED_OUT"):
            self._explain(caller, renewal)

    def _explain(self, caller: Caller, renewal: Document) -> None:
        self._deps.refusals.record(
            caller.account,
            caller.region,
            {
                "at": self._deps.clock.now(),
                "decision": "REFUSED",
                "action": "sekisho:RenewCertificate",
                "resource": renewal["thingName"],
                "thingName": renewal["thingName"],
                "certificateId": renewal.get("newCertificateId") or renewal["certificateId"],
                "reason": renewal["reason"],
                "effect": f"the renewal is {renewal['status']}",
            },
        )

    async def _invoke(self, caller: Caller, operation: str, **members: Any) -> Document:
        try:
            return await self._api.invoke(caller, "sekisho", operation, **members)
        except AwsError as error:
            log.warning("renewal not advanced", operation=operation, error=error.message, **members)
            return {}
