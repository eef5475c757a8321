"""What fleet metrics and dynamic groups need of an index, and that it is not taken from under them.

Source: AWS IoT Developer Guide, "Fleet indexing troubleshooting": data sources and custom fields of a fleet
metric or a dynamic group can be removed only after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.index_terms import THINGS
from sekisho.logic.query import fields
from sekisho.services.call import Call
from sekisho.services.group_tree import QUERY
from sekisho.services.index_reads import parsed
from sekisho.services.work import Document

METRIC = "fleetmetric"
PAGE = 250
"""There are fewer of either kind."""

Fields = Mapping[str, Mapping[str, str]]
"""Index → field → type; an index that is off has none."""


async def require_kept(call: Call, before: Fields, after: Fields) -> None:
    """InvalidRequestException: something goes, or has another type, that a metric or a group needs."""
    lost = {
        (index, name) for index in before for name in before[index].items() - after.get(index, {}).items()
    }
    if not lost:
        return
    gone = {(index, name) for index, (name, _) in lost}
    async for name, metric in _all(call, METRIC):
        index = metric["indexName"]
        for field in (metric["aggregationField"], *fields(parsed(metric["queryString"]))):
            _keep(gone, index, field, f"fleet metric {name}")
    async for name, group in _all(call, QUERY):
        for field in fields(parsed(group["queryString"])):
            _keep(gone, THINGS, field, f"dynamic thing group {name}")


def _keep(gone: set[tuple[str, str]], index: str, field: str, whose: str) -> None:
    if (index, field) in gone:
        raise InvalidRequestException(
            f"{field} of {index} cannot be removed or given another type: {whose} needs it; delete that first"
        )


async def _all(call: Call, kind: str) -> AsyncIterator[tuple[str, Document]]:
    """All of a kind; the commit proves that there is none besides, and that they are still as they were."""
    found, _ = await call.work.page(kind, "", PAGE)
    await call.work.require_fewer(kind, len(found) + 1)
    for name, _ in found:
        body = await call.work.get(kind, name)
        if body is not None:
            yield name, body
