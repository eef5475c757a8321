"""The broker's counters as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sekisho.services.live import COUNTERS
from sekisho.store.fleet_metrics import newest_values
from sekisho.store.statement import Row, StoreError
from sekisho.store.store import Store

log = structlog.get_logger("sekisho.metrics")

Count = Callable[[], Mapping[str, int]]


class Counters(Collector):
    """Asks for the counters whenever they are scraped; nothing is counted twice."""

    def __init__(self, count: Count) -> None:
        self._count = count

    def collect(self) -> Iterator[Metric]:
        values = self._count()
        for counter in COUNTERS:
            family = CounterMetricFamily if counter.grows else GaugeMetricFamily
            yield family(f"sekisho_{counter.name}", counter.meaning, value=values[counter.name])


class FleetMetrics(Collector):
    """What fleet metrics came to when they were last asked, on whichever node."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "sekisho_fleet_metric",
            "Fleet metrics, as they last came out.",
            labels=("account", "region", "metric", "aggregation"),
        )
        for row in self._rows:
            labels = (row["account"], row["region"], row["name"], row["aggregation"])
            family.add_metric(labels, row["value"])
        yield family


def metrics(count: Count, store: Store) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint; 404 on a listener of devices, where it would tell strangers about the node."""
    registry = CollectorRegistry()
    registry.register(Counters(count))

    async def answer(request: Request) -> Response:
        if request.scope["state"].get("peer") is not None:
            return PlainTextResponse("not here", 404)
        text = generate_latest(registry)
        try:
            rows = await store.fetch(*newest_values())
        except StoreError as error:  # the node's own are worth having all the more
            log.warning("fleet metrics cannot be read", error=str(error))
        else:
            fleet = CollectorRegistry()
            fleet.register(FleetMetrics(rows))
            text += generate_latest(fleet)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return answer
