"""Fleet metrics: queries that are asked over and over. `metric_work.py` asks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.aws.errors import InvalidAggregationException, InvalidRequestException, LimitExceededException
from sekisho.logic.index_terms import THINGS
from sekisho.logic.metric_values import slot_of, values_of
from sekisho.services.call import Call
from sekisho.services.index_reads import VERSION, parsed, require_index
from sekisho.services.indexer import CONFIGURATION
from sekisho.services.indexing import declared
from sekisho.services.paging import key, page_of
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.taken import agrees, same_or_taken
from sekisho.services.versions import expect_version
from sekisho.services.work import Document
from sekisho.store import fleet_metrics

KIND = "fleetmetric"
MOST = 100
"""Metrics of an account and region, a bound of ours."""
PAGE = 250
STEP = 60
"""Of periods, in seconds (botocore, CreateFleetMetric)."""


async def create_fleet_metric(
    call: Call,
    metricName: str,
    queryString: str,
    aggregationType: Mapping[str, Any],
    period: int,
    aggregationField: str,
    description: str | None = None,
    queryVersion: str | None = None,
    indexName: str | None = None,
    unit: str | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    arn = call.arn(KIND, metricName)
    body = await _checked(
        call,
        {
            "metricName": metricName,
            "metricArn": arn,
            "queryString": queryString,
            "aggregationType": _type(aggregationType),
            "period": period,
            "aggregationField": aggregationField,
            "description": description,
            "queryVersion": queryVersion or VERSION,
            "indexName": indexName or THINGS,
            "unit": unit,
        },
    )
    existing = await call.work.get(KIND, metricName)
    if existing is not None:
        words = f"Fleet metric {metricName} already exists with other members"
        return same_or_taken(existing, agrees(existing, body), "metric", metricName, words)
    if not await call.work.require_fewer(KIND, MOST):
        raise LimitExceededException(f"there are {MOST} fleet metrics, the most there can be")
    await put_tags(call, arn, tags)
    _schedule(call, body)
    return await call.work.put(KIND, metricName, body)


async def describe_fleet_metric(call: Call, metricName: str) -> Document:
    return await call.require(KIND, metricName)


async def update_fleet_metric(
    call: Call,
    metricName: str,
    indexName: str,
    queryString: str | None = None,
    aggregationType: Mapping[str, Any] | None = None,
    period: int | None = None,
    aggregationField: str | None = None,
    description: str | None = None,
    queryVersion: str | None = None,
    unit: str | None = None,
    expectedVersion: int | None = None,
) -> None:
    """What is not given stays."""
    metric = await call.require(KIND, metricName)
    expect_version(metric, f"Fleet metric {metricName}", expectedVersion)
    given = {
        "indexName": indexName,
        "queryString": queryString,
        "aggregationType": _type(aggregationType) if aggregationType is not None else None,
        "period": period,
        "aggregationField": aggregationField,
        "description": description,
        "queryVersion": queryVersion,
        "unit": unit,
    }
    body = metric | {name: value for name, value in given.items() if value is not None}
    if body["period"] != metric["period"]:
        _schedule(call, body)
    await call.work.put(KIND, metricName, await _checked(call, body))


async def delete_fleet_metric(call: Call, metricName: str, expectedVersion: int | None = None) -> None:
    metric = await call.work.get(KIND, metricName)
    if metric is None:
        return  # deleting what is not there succeeds (botocore, DeleteFleetMetric)
    expect_version(metric, f"Fleet metric {metricName}", expectedVersion)
    call.work.also += fleet_metrics.drop(call.account, call.region, metricName)
    await drop_tags(call, metric["metricArn"])
    await call.work.delete(KIND, metricName)


async def list_fleet_metrics(
    call: Call, nextToken: str | None = None, maxResults: int | None = None
) -> Document:
    page, after = await call.work.page(KIND, key(nextToken), maxResults or PAGE)
    return page_of([metric for _, metric in page], after, "fleetMetrics", "nextToken")


def _schedule(call: Call, metric: Document) -> None:
    """It is first asked at the next multiple of its period."""
    place, period = (call.account, call.region, metric["metricName"]), metric["period"]
    call.work.also.append(fleet_metrics.schedule(*place, period, slot_of(call.now, period)))


def _type(given: Mapping[str, Any]) -> Document:
    return {"name": given["name"], "values": list(given.get("values") or ())}


async def _checked(call: Call, metric: Document) -> Document:
    """A metric that can be asked for now: its index is there, its query and its aggregation are right."""
    if metric["period"] % STEP:
        raise InvalidRequestException(f"period {metric['period']}: must be a multiple of {STEP} seconds")
    parsed(metric["queryString"], metric["queryVersion"])
    scope = await require_index(call, metric["indexName"])
    configuration = await call.work.get(CONFIGURATION, "") or {}
    field, type_ = metric["aggregationField"], metric["aggregationType"]
    of_field = declared(configuration, scope.name).get(field)
    if of_field is None:
        raise InvalidAggregationException(
            f"aggregationField {field} is not a field of {scope.name}; declare it in customFields"
        )
    try:
        values_of(type_["name"], type_["values"], of_field)
    except ValueError as error:
        raise InvalidAggregationException(f"aggregationType: {error}") from None
    return metric
