"""What the fleet index is built from: things with their groups and connections, thing groups with their
parents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import orjson

from sekisho.logic.index_terms import GROUPS, THINGS, Connectivity, Term, group_terms, thing_terms
from sekisho.store import index
from sekisho.store.changes import Change
from sekisho.store.index import (
    CONNECTIVITY,
    LINKS,
    LINKS_OF_EITHER,
    NEWEST_CONNECTIONS,
    SOURCES,
    Scope,
    fetch_any,
)
from sekisho.store.store import Store

KINDS = {THINGS: "thing", GROUPS: "thinggroup"}
MEMBER, PARENT, BILLING = "thing-group", "group-parent", "thing-billing"
DEPTH = 7
"""Levels of a hierarchy of groups (AWS General Reference, AWS IoT quotas)."""


def touched(change: Change) -> tuple[str, str] | None:
    """The index and the name of the document that a change may have changed."""
    match change.kind:
        case "thing":
            return THINGS, change.id
        case "thinggroup":
            return GROUPS, change.id
        case index.CONNECTIVITY:
            return THINGS, change.id
        case "thing-group" | "thing-billing":
            return THINGS, change.what.partition(" ")[2]
        case "group-parent":
            return GROUPS, change.what.partition(" ")[2]
    return None


def concerns(scope: Scope, change: Change) -> bool:
    """Whether a change of the scope's place is one that it looks at."""
    return change.kind != CONNECTIVITY or bool(scope.connectivity)


async def load(store: Store, scope: Scope, names: Sequence[str]) -> dict[str, list[Term]]:
    """The terms of those documents that exist now, by their names."""
    place = {"account": scope.account, "region": scope.region}
    rows = await fetch_any(store, SOURCES, "name", names, place | {"kind": KINDS[scope.name]})
    bodies = {row["id"]: (row["version"], orjson.loads(row["body"])) for row in rows}
    if not bodies:
        return {}
    if scope.name == GROUPS:
        parents = await _ancestors(store, place, list(bodies))
        return {
            name: group_terms({"thingGroupName": name} | body, parents[name])
            for name, (_, body) in bodies.items()
        }
    groups = await _links(store, place, MEMBER, list(bodies), BILLING)
    newest = await _connections(store, place, list(bodies)) if scope.connectivity else {}
    return {
        name: thing_terms(
            body, version, groups.get(name, ()), newest.get(name), with_connectivity=bool(scope.connectivity)
        )
        for name, (version, body) in bodies.items()
    }


async def _links(
    store: Store, place: dict[str, str], kind: str, sources: Sequence[str], also: str = ""
) -> dict[str, list[str]]:
    """Source → targets, by links of one kind or of either of two."""
    found: dict[str, list[str]] = defaultdict(list)
    text = LINKS_OF_EITHER if also else LINKS
    kinds = {"kind": kind} | ({"also": also} if also else {})
    for row in await fetch_any(store, text, "name", sources, place | kinds):
        if row["target"] not in found[row["source"]]:
            found[row["source"]].append(row["target"])
    return found


async def _ancestors(store: Store, place: dict[str, str], names: Sequence[str]) -> dict[str, list[str]]:
    """Of each group its parent, that one's parent, and so on."""
    found: dict[str, list[str]] = {name: [] for name in names}
    last = {name: name for name in names}
    for _ in range(DEPTH):
        links = await _links(store, place, PARENT, sorted(set(last.values())))
        last = {name: links[at][0] for name, at in last.items() if links.get(at)}
        if not last:
            break
        for name, parent in last.items():
            found[name].append(parent)
    return found


async def _connections(store: Store, place: dict[str, str], names: Sequence[str]) -> dict[str, Connectivity]:
    """Client id and thing name are the same (AWS IoT Developer Guide, Manage thing indexing)."""
    found = {}
    for row in await fetch_any(store, NEWEST_CONNECTIONS, "name", names, place):
        at, detail = row["disconnected"] or row["connected"], orjson.loads(row["detail"])
        found[row["client_id"]] = Connectivity(
            row["client_id"],
            not row["disconnected"],
            int(at * 1000),
            row["reason"],
            detail["keepAlive"],
            detail["cleanSession"],
            detail["sessionExpiry"],
        )
    return found
