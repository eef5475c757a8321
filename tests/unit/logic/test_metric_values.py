from __future__ import annotations

import pytest

from sekisho.logic.metric_values import NUMBERS, PERCENTS, emitted, slot_of, values_of


@pytest.mark.parametrize(
    ("name", "given", "type", "expected"),
    [
        ("Statistics", [], "Number", list(NUMBERS)),
        ("Statistics", [], "String", ["count"]),
        ("Statistics", ["average"], "Boolean", ["average"]),
        ("Statistics", ["sum", "sum"], "Number", ["sum"]),
        ("Percentiles", [], "Number", list(PERCENTS)),
        ("Percentiles", ["0", "100"], "Number", ["0", "100"]),
        ("Cardinality", [], "String", ["cardinality"]),
    ],
)
def test_what_a_metric_emits(name: str, given: list[str], type: str, expected: list[str]) -> None:
    assert values_of(name, given, type) == expected


@pytest.mark.parametrize(
    ("name", "given", "type", "word"),
    [
        ("Statistics", ["sum"], "String", "sum"),
        ("Statistics", ["variance"], "Boolean", "variance"),
        ("Percentiles", ["50"], "String", "String"),
        ("Percentiles", ["101"], "Number", "101"),
        ("Percentiles", ["p50"], "Number", "p50"),
        ("Cardinality", ["count"], "Number", "count"),
    ],
)
def test_what_it_cannot(name: str, given: list[str], type: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        values_of(name, given, type)


def test_what_is_not_there_is_not_emitted() -> None:
    assert emitted("Statistics", ["count", "sum"], {"statistics": {"count": 0}}) == {"count": 0.0}
    assert emitted("Percentiles", ["50"], {"percentiles": []}) == {}
    answer = {"percentiles": [{"percent": 5.0, "value": 1.5}, {"percent": 100.0, "value": 2.0}]}
    assert emitted("Percentiles", ["05", "100"], answer) == {"p05": 1.5, "p100": 2.0}
    assert emitted("Cardinality", ["cardinality"], {"cardinality": 3}) == {"cardinality": 3.0}
    assert emitted("Statistics", ["sum"], {"statistics": {"count": 1, "sum": float("inf")}}) == {}


def test_a_slot_is_a_multiple_of_the_period_that_has_come() -> None:
    assert [slot_of(at, 60) for at in (119.9, 120.0, 179.9)] == [60, 120, 120]
