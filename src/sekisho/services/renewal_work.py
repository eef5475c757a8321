"""The periodic part of renewals: who has connected, whose time is over, what is to be deleted."""

from __future__ import annotations

from typing import Any

import orjson
import structlog

from sekisho.aws.errors import AwsError
from sekisho.logic.renewal import is_due
from sekisho.services.api import Api
from sekisho.services.call import Caller, Deps, service_principal
from sekisho.services.renewing import DUE, RETIRED, WAIT
from sekisho.services.work import Document
from sekisho.store import tables
from sekisho.store.renewals import connected_certificates

log = structlog.get_logger("sekisho.renewals")

PAGE = 100


class RenewalWork:
    """Every step is an operation of its own: after a ``kill -9`` it has happened or is still due."""

    def __init__(self, deps: Deps, api: Api) -> None:
        self._deps = deps
        self._api = api

    async def run(self, account: str, region: str) -> None:
        caller = Caller(service_principal(account, "renewal"), account, region)
        fetch = self._deps.store.fetch
        rows = await fetch(*connected_certificates(account, region, WAIT, PAGE))
        for row in rows:
            await self._advance(caller, orjson.loads(row["body"])["thingName"])
        for row in await self._due(caller, DUE):
            await self._advance(caller, orjson.loads(row["body"])["thingName"])
        for row in await self._due(caller, RETIRED):
            await self._invoke(caller, "DeleteRetiredCertificate", retirementId=row["id"])

    async def _due(self, caller: Caller, kind: str) -> list[Any]:
        rows = await self._deps.store.fetch(
            *tables.page_resources(caller.account, caller.region, kind, None, PAGE)
        )
        now = self._deps.clock.now()
        return [row for row in rows if is_due(row["id"], now)]

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
