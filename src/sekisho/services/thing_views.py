"""Things as connections have them: with attributes, groups, their policies, and what messages get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from sekisho.logic.arns import arn, parse_arn
from sekisho.logic.enrichment import Pairs, propagated
from sekisho.services.kept import Kept
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.store import Store

GROUP = "thinggroup"
LINKED = ("linked ", "unlinked ")
"""How a link's change begins; its source follows."""

Key = tuple[str, str, str]
"""Account, region, name."""


@dataclass(frozen=True, slots=True)
class ThingView:
    """The thing of a connection, as policy variables and events show it.

    ``groups`` has all its groups and their ancestors, ``policies`` the names of what is attached to those,
    and ``propagated`` the user properties that its type adds to its messages.
    """

    name: str
    type_name: str | None
    attributes: Mapping[str, str]
    exclusive: bool
    groups: frozenset[str] = field(default_factory=frozenset)
    policies: tuple[str, ...] = ()
    propagated: Pairs = ()


class Thing(NamedTuple):
    """A thing's document, and the groups that it is itself in."""

    body: Mapping[str, Any]
    groups: tuple[str, ...]


class Group(NamedTuple):
    """A group's ancestors, root first, and the names of the policies attached to itself."""

    ancestors: tuple[str, ...]
    policies: tuple[str, ...]


class ThingViews:
    """Reads them, and keeps what it has read; ``forget`` must hear of every change."""

    def __init__(self, store: Store, kept: Kept) -> None:
        self._store = store
        self._kept = kept
        self._things: dict[Key, Thing] = {}
        self._groups: dict[Key, Group] = {}
        self._types: dict[Key, list[Mapping[str, str]]] = {}

    def forget(self, change: Change) -> None:
        account, region, id = change.account, change.region, change.id
        match change.kind:
            case "thing":
                self._things.pop((account, region, id), None)
            case "thing-group":
                self._things.pop((account, region, linked_source(change)), None)
            case "thinggroup":
                self._groups.pop((account, region, id), None)
                # One change for all things that were in it; and before there is one again, links may be left.
                if change.what != "updated":
                    self._things = {
                        key: thing for key, thing in self._things.items() if id not in thing.groups
                    }
            case "attached-policy":
                self._groups.pop((account, region, group_name_of(id)), None)
            case "thingtype":
                self._types.pop((account, region, id), None)

    async def load(
        self, account: str, region: str, name: str, exclusive: bool, client_id: str
    ) -> ThingView | None:
        """A thing, or None when there is none of that name; without a connection ``client_id`` is ''."""
        thing = await self._thing((account, region, name))
        if thing is None:
            return None
        groups, policies = await self.over(account, region, thing.groups)
        type_name = thing.body.get("thingTypeName")
        attributes = thing.body["attributes"]
        added: Pairs = ()
        if type_name is not None:
            propagating = await self._propagating((account, region, type_name))
            added = propagated(propagating, name, attributes, client_id) if propagating else ()
        return ThingView(name, type_name, attributes, exclusive, groups, policies, added)

    async def over(
        self, account: str, region: str, direct: Iterable[str]
    ) -> tuple[frozenset[str], tuple[str, ...]]:
        """Groups with all of their ancestors, and the names of what is attached to any of them."""
        groups: set[str] = set()
        policies: dict[str, None] = {}
        for name in direct:
            group = await self._group((account, region, name))
            if group is None:
                continue
            for above in group.ancestors:
                ancestor = await self._group((account, region, above))
                policies.update(dict.fromkeys(ancestor.policies if ancestor is not None else ()))
            groups.update(group.ancestors, [name])
            policies.update(dict.fromkeys(group.policies))
        return frozenset(groups), tuple(policies)

    async def _thing(self, key: Key) -> Thing | None:
        known = self._things.get(key)
        if known is not None:
            return known
        seen = self._kept.changes
        account, region, name = key
        rows = await self._store.fetch(*tables.get_with_links(account, region, "thing", name, "thing-group"))
        if not rows:
            return None
        groups = tuple(row["linked"] for row in rows if row["linked"] is not None)
        return self._kept.keep(self._things, key, Thing(orjson.loads(rows[0]["body"]), groups), seen)

    async def _group(self, key: Key) -> Group | None:
        known = self._groups.get(key)
        if known is not None:
            return known
        seen = self._kept.changes
        account, region, name = key
        rows = await self._store.fetch(*tables.get_resource(account, region, GROUP, name))
        if not rows:
            return None
        target = arn(region, account, GROUP, name)
        attached = await self._store.fetch(
            *tables.links_to(account, region, "attached-policy", target, after="", limit=250)
        )
        ancestors = tuple(orjson.loads(rows[0]["body"]).get("rootToParent", ()))
        found = Group(ancestors, tuple(row["source"] for row in attached))
        return self._kept.keep(self._groups, key, found, seen)

    async def _propagating(self, key: Key) -> list[Mapping[str, str]]:
        known = self._types.get(key)
        if known is not None:
            return known
        seen = self._kept.changes
        account, region, name = key
        rows = await self._store.fetch(*tables.get_resource(account, region, "thingtype", name))
        properties = orjson.loads(rows[0]["body"])["thingTypeProperties"] if rows else {}
        found = properties.get("mqtt5Configuration", {}).get("propagatingAttributes", [])
        return self._kept.keep(self._types, key, found, seen)


def linked_source(change: Change) -> str:
    """What was linked or unlinked, or '' when the change is of another sort."""
    for word in LINKED:
        if change.what.startswith(word):
            return change.what.removeprefix(word)
    return ""


def group_name_of(target: str) -> str:
    """The name in a thing group's ARN, or '' when it is another target's."""
    try:
        kind, _, name = parse_arn(target).resource.partition("/")
    except ValueError:
        return ""
    return name if kind == GROUP else ""
