"""Asks the fleet metrics when they are due, and keeps what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from sekisho.aws.errors import AwsError
from sekisho.logic.metric_values import (
    CARDINALITY,
    EMITTED,
    PERCENTILES,
    emitted,
    slot_of,
    values_of,
)
from sekisho.services.api import Api
from sekisho.services.call import Caller, Deps, service_principal
from sekisho.services.fleet_metrics import KIND
from sekisho.services.indexer import CONFIGURATION
from sekisho.services.indexing import declared
from sekisho.services.work import Document, row_document
from sekisho.store import fleet_metrics, tables
from sekisho.store.statement import Conflict, Row
from sekisho.store.tables import fetch_one

log = structlog.get_logger("sekisho.metrics")

AT_ONCE = 250
"""Metrics of one round; those behind them come in the next."""
OPERATIONS = {CARDINALITY: "GetCardinality", PERCENTILES: "GetPercentiles"}


class MetricWork:
    """``run`` does what is due, wherever it is, by the civil clock.

    A metric is due at each multiple of its period. A time when no node was there, or that the clock jumped
    over, is left out: what the fleet was then is not known any more.
    """

    def __init__(self, deps: Deps, api: Api) -> None:
        self._deps = deps
        self._api = api

    async def run(self) -> None:
        now = self._deps.clock.now()
        of_accounts: dict[str, list[Row]] = {}
        for row in await self._deps.store.fetch(*fleet_metrics.due(now, AT_ONCE)):
            of_accounts.setdefault(row["account"], []).append(row)
        # One after the other in each account; whose take long keep nobody else's waiting.
        each = [self._emit_all(rows, now) for rows in of_accounts.values()]
        for failed in await asyncio.gather(*each, return_exceptions=True):
            if failed is not None:
                raise failed

    async def _emit_all(self, rows: Sequence[Row], now: float) -> None:
        for row in rows:
            metric = row_document(row)
            slot = slot_of(now, metric["period"])
            await self._emit(row["account"], row["region"], row["id"], metric, slot)

    async def _emit(self, account: str, region: str, name: str, metric: Document, slot: int) -> None:
        try:
            values = await self._values(account, region, metric)
        except (AwsError, ValueError) as error:
            log.warning("a fleet metric has no values", metric=name, region=region, error=str(error))
            values = {}
        keep = EMITTED * metric["period"]
        there = tables.guard_version(account, region, KIND, name, metric["version"])
        try:
            await self._deps.store.commit(
                [there, *fleet_metrics.emit(account, region, name, slot, values, keep)]
            )
        except Conflict:
            return  # it has changed, or another node was there first

    async def _values(self, account: str, region: str, metric: Document) -> dict[str, float]:
        kind = metric["aggregationType"]["name"]
        row = await fetch_one(self._deps.store, tables.get_resource(account, region, CONFIGURATION, ""))
        fields = declared(row_document(row) if row is not None else {}, metric["indexName"])
        field = metric["aggregationField"]
        if field not in fields:
            raise ValueError(f"{field} is not a field of {metric['indexName']}")
        wanted = values_of(kind, metric["aggregationType"]["values"], fields[field])
        members = {
            "indexName": metric["indexName"],
            "queryString": metric["queryString"],
            "queryVersion": metric["queryVersion"],
            "aggregationField": field,
        }
        if kind == PERCENTILES:
            members["percents"] = [float(one) for one in wanted]
        caller = Caller(service_principal(account, "fleet-metrics"), account, region)
        answer = await self._api.invoke(caller, "iot", OPERATIONS.get(kind, "GetStatistics"), **members)
        return emitted(kind, wanted, answer)
