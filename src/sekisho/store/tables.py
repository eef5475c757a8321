"""The few tables' verbs, in one place.

Reads are a :class:`Query` (``await store.fetch(*get_resource(…))``), writes a :class:`Statement` for
``store.commit``. JSON goes in and comes out as text; times are seconds as float, given by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence

from sekisho.store.changes import Change, append_change, last_change, read_changes
from sekisho.store.joined import get_with_links, page_containing, page_linked
from sekisho.store.journals import append_audit, append_refusal, page_refusals
from sekisho.store.leases import release_lease, take_lease
from sekisho.store.links import (
    delete_link,
    delete_links_to,
    get_link,
    guard_link,
    guard_links_from_count,
    guard_links_to_below,
    guard_links_to_count,
    guard_no_link,
    guard_no_links_from,
    guard_no_links_to,
    insert_link,
    links_from,
    links_to,
    page_attached,
    tell_links_to,
)
from sekisho.store.resources import (
    delete_resource,
    delete_resources,
    get_resource,
    get_resources,
    guard_absent,
    guard_fewer,
    guard_present,
    guard_version,
    insert_resource,
    page_resources,
    page_resources_by_created,
    update_resource,
)
from sekisho.store.statement import Query, Row
from sekisho.store.store import Store

__all__ = [
    "Change",
    "Query",
    "append_audit",
    "append_change",
    "append_refusal",
    "delete_link",
    "delete_links_to",
    "delete_resource",
    "delete_resources",
    "fetch_one",
    "fetch_resources",
    "get_link",
    "get_resource",
    "get_resources",
    "get_with_links",
    "guard_absent",
    "guard_fewer",
    "guard_link",
    "guard_links_from_count",
    "guard_links_to_below",
    "guard_links_to_count",
    "guard_no_link",
    "guard_no_links_from",
    "guard_no_links_to",
    "guard_present",
    "guard_version",
    "hold_lease",
    "insert_link",
    "insert_resource",
    "last_change",
    "links_from",
    "links_to",
    "page_attached",
    "page_containing",
    "page_linked",
    "page_refusals",
    "page_resources",
    "page_resources_by_created",
    "read_changes",
    "release_lease",
    "take_lease",
    "tell_links_to",
    "update_resource",
]


async def fetch_one(store: Store, query: Query) -> Row | None:
    """The first row, or None."""
    rows = await store.fetch(*query)
    return rows[0] if rows else None


async def fetch_resources(
    store: Store, account: str, region: str, kind: str, ids: Sequence[str]
) -> dict[str, Row]:
    """The rows of those that are there, by their ids."""
    queries = get_resources(account, region, kind, ids)
    rows = [row for query in queries for row in await store.fetch(query.sql, query.params)]
    return {str(row["id"]): row for row in rows}


async def hold_lease(store: Store, name: str, owner: str, now: float, seconds: float) -> bool:
    """Take or prolong a lease at once: whether ``owner`` has it now."""
    rows = await store.commit([take_lease(name, owner, now, seconds)])
    return bool(rows[0])
