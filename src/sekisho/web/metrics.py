"""The broker's counters as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sekisho.services.live import COUNTERS

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


def metrics(count: Count) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint; 404 on a listener of devices, where it would tell strangers about the node."""
    registry = CollectorRegistry()
    registry.register(Counters(count))

    async def answer(request: Request) -> Response:
        if request.scope["state"].get("peer") is not None:
            return PlainTextResponse("not here", 404)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return answer
