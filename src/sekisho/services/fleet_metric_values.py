"""Beyond AWS, which sends them to CloudWatch: what fleet metrics came to."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.services.call import Call
from sekisho.services.fleet_metrics import KIND
from sekisho.services.paging import key, page_of
from sekisho.services.work import Document
from sekisho.store import fleet_metrics

PAGE = 100


async def list_fleet_metric_values(
    call: Call, metricName: str, maxResults: int | None = None, nextToken: str | None = None
) -> Document:
    """Newest first."""
    metric = await call.require(KIND, metricName)
    limit = maxResults or PAGE
    query = fleet_metrics.page_values(call.account, call.region, metricName, _after(nextToken), limit + 1)
    rows = await call.deps.store.fetch(*query)
    values = [
        {
            "at": row["slot"],
            "aggregation": row["aggregation"],
            "value": row["value"],
            "unit": metric.get("unit"),
        }
        for row in rows[:limit]
    ]
    last = f"{rows[limit - 1]['slot']} {rows[limit - 1]['aggregation']}" if len(rows) > limit else ""
    return page_of(values, last, "values", "nextToken")


def _after(given: str | None) -> tuple[int, str] | None:
    text = key(given)
    if not text:
        return None
    slot, _, aggregation = text.partition(" ")
    if not (slot.isdecimal() and slot.isascii() and len(slot) < 16 and aggregation):
        raise InvalidRequestException("the page token is not one that this operation gave")
    return int(slot), aggregation
