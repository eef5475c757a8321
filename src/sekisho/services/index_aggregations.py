"""What is said of many documents at once: GetStatistics, GetCardinality, GetPercentiles,
GetBucketsAggregation. Each is one statement of the database, which computes while the node goes on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sekisho.aws.errors import InvalidAggregationException, InvalidRequestException
from sekisho.logic.index_terms import THINGS
from sekisho.logic.query import Everything
from sekisho.logic.query_sql import COUNTED
from sekisho.services.call import Call
from sekisho.services.index_reads import IndexReads, Prepared, parsed, prepare, require_index
from sekisho.services.indexer import CONFIGURATION
from sekisho.services.indexing import ALIASES, BOOLEAN, NUMBER, STRING, declared
from sekisho.services.work import Document
from sekisho.store.statement import Row

DEFAULT_FIELD = "registry.version"
PERCENTS = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)
"""Unless told (botocore, GetPercentiles)."""
MOST_PERCENTS = 100
BUCKETS = 10
"""Unless told (AWS IoT Developer Guide, Querying for aggregate data)."""


class Source(NamedTuple):
    """``FROM …`` with rows ``a`` of the aggregated field of the documents that match."""

    text: str
    params: Mapping[str, Any]
    prepared: Prepared
    type: str
    reads: IndexReads

    async def one(self, columns: str, more: str = "", **params: Any) -> Row:
        rows = await self.all(columns, more, **params)
        return rows[0]

    async def all(self, columns: str, more: str = "", **params: Any) -> list[Row]:
        sql = f"SELECT {columns} {self.text}{more}"
        return await self.aggregate(sql, {**self.params, **params})

    async def aggregate(self, sql: str, params: Mapping[str, Any]) -> list[Row]:
        return await self.reads.aggregate(self.prepared.scope.account, sql, params)


async def _source(
    call: Call, index: str | None, query: str, field: str | None, version: str | None, *types: str
) -> Source:
    field = field or DEFAULT_FIELD
    tree = parsed(query, version)
    scope = await require_index(call, index)
    configuration = await call.work.get(CONFIGURATION, "") or {}
    type_ = declared(configuration, scope.name).get(field)
    if type_ is None:
        hint = "; declare it in customFields" if scope.name == THINGS else ""
        raise InvalidAggregationException(f"aggregationField {field} is not a field of {scope.name}{hint}")
    if types and type_ not in types:
        raise InvalidAggregationException(
            f"aggregationField {field} is of type {type_}; this needs {' or '.join(types)}"
        )
    reads: IndexReads = call.deps.index
    stored = ALIASES.get(field, field)
    prepared = await prepare(reads, scope, tree, stored)
    text, params = _matching(prepared)
    # A single word of a text is no value of its own.
    tests = ["a.field = :wanted", "(a.shown IS NULL OR a.shown <> '')"]
    if type_ == NUMBER:
        tests[1] = "a.number IS NOT NULL"
    elif type_ == BOOLEAN:
        tests[1] = "a.value IN ('true', 'false')"
    wanted = {"wanted": prepared.numbers.get(stored, 0)}
    return Source(f"FROM {text}{' AND '.join(tests)}", {**params, **wanted}, prepared, type_, reads)


def _matching(prepared: Prepared) -> tuple[str, Mapping[str, Any]]:
    """From the documents to their values where they are few, else from the values to the documents."""
    compiler = prepared.compiler
    if isinstance(compiler.query, Everything):
        return "index_term a WHERE ", {}
    chosen = compiler.select(prepared.counts)
    if chosen.estimate < COUNTED:
        where = f" WHERE {chosen.condition}" if chosen.condition else ""
        inner = f"SELECT d.id AS id FROM ({chosen.driver}) d{where}"  # noqa: S608
        return f"({inner}) s CROSS JOIN index_term a WHERE a.document = s.id AND ", chosen.params
    condition, params = compiler.condition("a.document")
    return f"index_term a WHERE {condition} AND ", params


async def _count(source: Source) -> int:
    """How many documents match, whether they have the field or not."""
    chosen = source.prepared.compiler.select(source.prepared.counts)
    where = f" WHERE {chosen.condition}" if chosen.condition else ""
    sql = f"SELECT COUNT(*) AS n FROM ({chosen.driver}) d{where}"  # noqa: S608
    rows = await source.aggregate(sql, chosen.params)
    return int(rows[0]["n"])


async def get_statistics(
    call: Call,
    queryString: str,
    indexName: str | None = None,
    aggregationField: str | None = None,
    queryVersion: str | None = None,
) -> Document:
    source = await _source(call, indexName, queryString, aggregationField, queryVersion)
    if source.type == STRING:
        row = await source.one("COUNT(DISTINCT a.document) AS n")
        return {"statistics": {"count": row["n"]}}
    if source.type == BOOLEAN:
        row = await source.one("COUNT(*) AS n, SUM(CASE a.value WHEN 'true' THEN 1 ELSE 0 END) AS yes")
        return {"statistics": _truths(row["n"], int(row["yes"] or 0))}
    return {"statistics": await _numbers(source)}


def _truths(count: int, yes: int) -> Document:
    """Of Booleans, as 0 and 1 (AWS IoT Developer Guide, GetStatistics with Boolean values)."""
    if not count:
        return {"count": 0}
    low, high = float(yes == count), float(yes > 0)
    return {"count": count, "average": yes / count, "sum": float(yes), "minimum": low, "maximum": high}


async def _numbers(source: Source) -> Document:
    """Sums of differences from one of the values: squares of numbers that are large and near each other, as
    times are, would leave nothing of their variance."""
    some = await source.all("a.number AS number", " LIMIT 1")
    if not some:
        return {"count": 0}
    pivot = some[0]["number"]
    row = await source.one(
        "COUNT(*) AS n, SUM(a.number - :pivot) AS d, SUM((a.number - :pivot) * (a.number - :pivot)) AS dd,"
        " SUM(a.number * a.number) AS squares, MIN(a.number) AS low, MAX(a.number) AS high",
        pivot=pivot,
    )
    if not row["n"]:
        return {"count": 0}
    count, mean = row["n"], row["d"] / row["n"]
    variance = max(0.0, row["dd"] / count - mean * mean)
    return {
        "count": count,
        "average": pivot + mean,
        "sum": pivot * count + row["d"],
        "minimum": row["low"],
        "maximum": row["high"],
        "sumOfSquares": row["squares"],
        "variance": variance,
        "stdDeviation": math.sqrt(variance),
    }


async def get_cardinality(
    call: Call,
    queryString: str,
    indexName: str | None = None,
    aggregationField: str | None = None,
    queryVersion: str | None = None,
) -> Document:
    source = await _source(call, indexName, queryString, aggregationField, queryVersion)
    # In the order of the index, where there is one.
    values = f"SELECT a.value AS value {source.text} GROUP BY a.value"
    rows = await source.aggregate(f"SELECT COUNT(*) AS n FROM ({values}) v", source.params)  # noqa: S608
    return {"cardinality": rows[0]["n"]}


async def get_percentiles(
    call: Call,
    queryString: str,
    indexName: str | None = None,
    aggregationField: str | None = None,
    queryVersion: str | None = None,
    percents: Sequence[float] | None = None,
) -> Document:
    wanted = list(PERCENTS if percents is None else percents)
    if len(wanted) > MOST_PERCENTS:
        raise InvalidRequestException(f"{len(wanted)} percents; at most {MOST_PERCENTS}")
    source = await _source(call, indexName, queryString, aggregationField, queryVersion, NUMBER)
    count = (await source.one("COUNT(*) AS n"))["n"]
    if not count or not wanted:
        return {"percentiles": []}
    places = {percent: max(1, math.ceil(percent / 100 * count)) for percent in wanted}
    names = {place: f"p{number}" for number, place in enumerate(sorted(set(places.values())))}
    ranked = f"SELECT a.number AS number, ROW_NUMBER() OVER (ORDER BY a.number) AS place {source.text}"
    listed = ", ".join(f":{name}" for name in names.values())
    rows = await source.aggregate(
        f"SELECT place, number FROM ({ranked}) r WHERE place IN ({listed})",  # noqa: S608
        {**source.params, **{name: place for place, name in names.items()}},
    )
    values = {row["place"]: row["number"] for row in rows}
    # Between the two statements the index may have become smaller.
    last = max(values.values(), default=None)
    pairs = [(percent, values.get(place, last)) for percent, place in places.items()]
    return {
        "percentiles": [{"percent": percent, "value": value} for percent, value in pairs if value is not None]
    }


async def get_buckets_aggregation(
    call: Call,
    queryString: str,
    aggregationField: str,
    bucketsAggregationType: Mapping[str, Any],
    indexName: str | None = None,
    queryVersion: str | None = None,
) -> Document:
    terms = bucketsAggregationType.get("termsAggregation")
    if terms is None:
        raise InvalidAggregationException("bucketsAggregationType must have termsAggregation")
    limit = terms.get("maxBuckets") or BUCKETS
    source = await _source(call, indexName, queryString, aggregationField, queryVersion)
    rows = await source.all(
        "MIN(COALESCE(a.shown, a.value)) AS shown, COUNT(*) AS n",
        " GROUP BY a.value ORDER BY n DESC, a.value LIMIT :limit",
        limit=limit,
    )
    buckets = [{"keyValue": row["shown"], "count": row["n"]} for row in rows]
    return {"totalCount": await _count(source), "buckets": buckets}
