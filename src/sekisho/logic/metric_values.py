"""What a fleet metric emits: which aggregations it may have, and the numbers of an answer by their names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

STATISTICS, PERCENTILES, CARDINALITY = "Statistics", "Percentiles", "Cardinality"
NUMBERS = ("count", "average", "sum", "minimum", "maximum", "sumOfSquares", "variance", "stdDeviation")
"""Of Numbers (botocore, Statistics)."""
OF_TYPE: Mapping[str, Sequence[str]] = {
    "Number": NUMBERS,
    "String": ("count",),
    "Boolean": ("count", "average", "sum", "minimum", "maximum"),
}
PERCENTS = ("1", "5", "25", "50", "75", "95", "99")
"""Unless told (botocore, GetPercentiles)."""
THE_CARDINALITY = "cardinality"

EMITTED = 60
"""Emissions of a metric that are kept."""


def values_of(name: str, given: Sequence[str], type: str) -> list[str]:
    """The aggregations of a metric on a field of a type; all that there are if none is given.

    :raises ValueError: one that cannot be
    """
    if name == PERCENTILES:
        if type != "Number":
            raise ValueError(f"{PERCENTILES} need a field of type Number; this one is a {type}")
        for one in given:
            if not one.isdecimal() or int(one) > 100:
                raise ValueError(f"{PERCENTILES} {one}: give percents from 0 to 100")
        return _once(given) or list(PERCENTS)
    possible = OF_TYPE[type] if name == STATISTICS else (THE_CARDINALITY,)
    for one in given:
        if one not in possible:
            raise ValueError(f"{name} of a {type} has {', '.join(possible)}, not {one}")
    return _once(given) or list(possible)


def _once(given: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(given))


def emitted(name: str, wanted: Sequence[str], answer: Mapping[str, Any]) -> dict[str, float]:
    """The values of an aggregation's answer: what no document has is not there, but for counts of 0."""
    if name == PERCENTILES:
        found = {f"{one['percent']:g}": one["value"] for one in answer["percentiles"]}
        # A percent may have been given as 05.
        numbers = {f"p{one}": found.get(f"{float(one):g}") for one in wanted}
    elif name == CARDINALITY:
        numbers = dict.fromkeys(wanted, answer["cardinality"])
    else:
        numbers = {one: answer["statistics"].get(one) for one in wanted}
    return {
        one: float(number) for one, number in numbers.items() if number is not None and math.isfinite(number)
    }


def slot_of(now: float, period: int) -> int:
    """The newest multiple of a period in civil time that has come."""
    return int(now // period) * period
