"""Which dynamic groups a thing belongs in.

A pure function of its document, of the groups and of the static groups that it is in; what dynamic groups it
is in already does not count, so that membership can never chase itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sekisho.logic.index_terms import Term, given, searchable
from sekisho.logic.query import And, Everything, Leaf, Not, Or, Query, Terms, leaves
from sekisho.logic.query_match import matches

MOST = 10
"""AWS General Reference, AWS IoT quotas: groups that one thing can be in, static and dynamic."""
GROUP_NAMES = "thingGroupNames"


class DynamicGroup(NamedTuple):
    """``created`` is civil epoch seconds."""

    name: str
    created: float
    query: Query


class Belongs(NamedTuple):
    """Groups from the oldest to the newest: those to be in, and those for which there is no room."""

    wanted: Sequence[str]
    losers: Sequence[str]


def as_static(terms: Iterable[Term], dynamic: Collection[str]) -> Terms:
    """A thing's document as queries of dynamic groups see it: with its static groups alone."""
    return searchable(
        one
        for one in terms
        if one.field != GROUP_NAMES or any(name not in dynamic for name in given(one).split("\n"))
    )


def belongs(document: Terms, groups: Sequence[DynamicGroup], static: int) -> Belongs:
    """``groups`` from the oldest to the newest: older ones go before newer ones, and the ``static`` groups
    before all (AWS IoT Developer Guide, Dynamic thing groups, "Limitations and conflicts")."""
    found = [group.name for group in groups if matches(group.query, document)]
    room = max(0, MOST - static)
    return Belongs(found[:room], found[room:])


def candidates(query: Query) -> Query:
    """A query for every document that can match once its dynamic groups are left out: where that may make a
    difference the other way round, everything."""
    return query if not _negates_groups(query) else Everything()


def _negates_groups(query: Query) -> bool:
    match query:
        case And(parts) | Or(parts):
            return any(map(_negates_groups, parts))
        case Not(part):
            return any(map(_sees_groups, leaves(part)))
    return False


def _sees_groups(leaf: Leaf) -> bool:
    return not isinstance(leaf, Everything) and leaf.field in (None, GROUP_NAMES)
