from __future__ import annotations

import random

import pytest

from sekisho.logic.index_terms import thing_terms
from sekisho.logic.membership import MOST, DynamicGroup, as_static, belongs, candidates
from sekisho.logic.query import Everything
from sekisho.logic.query_match import matches
from sekisho.logic.query_parser import parse


def terms(*groups: str, **attributes: str):
    return thing_terms({"thingName": "t", "attributes": attributes}, 1, groups)


def group(name: str, query: str) -> DynamicGroup:
    return DynamicGroup(name, 0.0, parse(query))


def test_older_groups_go_first_and_static_ones_before_all() -> None:
    groups = [group(f"g{number:02}", "attributes.a:1") for number in range(12)]
    document = as_static(terms(a="1"), ())
    for static in range(13):
        room = max(0, MOST - static)
        found = belongs(document, groups, static)
        assert found.wanted == [one.name for one in groups][:room]
        assert found.losers == [one.name for one in groups][room:]
    assert belongs(as_static(terms(a="2"), ()), groups, 0) == ([], [])


def test_dynamic_groups_are_not_seen() -> None:
    document = as_static(terms("Static", "d1", "D1", "d2"), {"d1", "d2"})
    for query, expected in (
        ("thingGroupNames:static", True),
        ("thingGroupNames:d2", False),
        ("d2", False),
        ("NOT thingGroupNames:d2", True),
        # One that differs in case alone is another group.
        ("thingGroupNames:d1", True),
    ):
        assert matches(parse(query), document) is expected, query


@pytest.mark.parametrize(
    ("query", "all"),
    [
        ("*", True),
        ("attributes.a:1", False),
        ("NOT attributes.a:1", False),
        ("thingGroupNames:a", False),
        ("a*", False),
        ("attributes.a:1 AND -thingGroupNames:a", True),
        ("attributes.a:1 OR NOT (attributes.b:2 a*)", True),
        ("NOT thingGroupNames:*", True),
        ("NOT thingGroupNames:[a TO b]", True),
    ],
)
def test_what_may_match_is_found_by(query: str, all: bool) -> None:
    assert isinstance(candidates(parse(query)), Everything) is all


def test_no_candidate_is_missed() -> None:
    dice = random.Random(7)
    leaves = ["thingGroupNames:s", "thingGroupNames:d", "d", "s", "attributes.a:1", "thingGroupNames:*", "*"]

    def query(depth: int) -> str:
        if depth == 0 or dice.random() < 0.3:
            return dice.choice(leaves)
        if dice.random() < 0.4:
            return f"NOT ({query(depth - 1)})"
        return f"({query(depth - 1)}) {dice.choice(('AND', 'OR'))} ({query(depth - 1)})"

    seen = 0
    for _ in range(2000):
        tree = parse(query(3))
        groups = [name for name in ("s", "d") if dice.random() < 0.5]
        found = terms(*groups, **({"a": "1"} if dice.random() < 0.5 else {}))
        if matches(tree, as_static(found, {"d"})):
            assert matches(candidates(tree), as_static(found, ()))
            seen += 1
    assert seen > 200
