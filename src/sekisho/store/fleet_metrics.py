"""The tables ``fleet_metric_run`` and ``fleet_metric_value``: what fleet metrics came to, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.store.statement import NO_PARAMS, Query, Statement

SCHEDULE = """
INSERT INTO fleet_metric_run (account, region, name, period, slot)
VALUES (:account, :region, :name, :period, :slot)
    ON CONFLICT (account, region, name) DO UPDATE SET period = excluded.period, slot = excluded.slot"""

# Of all places at once. A slot that is still to come is from before the civil clock was set back.
DUE = """
SELECT m.account, m.region, m.kind, m.id, m.version, m.body, m.created, m.updated
  FROM fleet_metric_run r JOIN resource m
    ON m.account = r.account AND m.region = r.region AND m.kind = 'fleetmetric' AND m.id = r.name
 WHERE r.slot + r.period <= :now OR r.slot > :now
 ORDER BY r.slot, m.account, m.region, m.id LIMIT :limit"""

RUN = """
UPDATE fleet_metric_run SET slot = :slot
 WHERE account = :account AND region = :region AND name = :name AND slot <> :slot"""

PUT = """
INSERT INTO fleet_metric_value (account, region, name, slot, aggregation, value)
VALUES (:account, :region, :name, :slot, :aggregation, :value)
    ON CONFLICT (account, region, name, slot, aggregation) DO UPDATE SET value = excluded.value"""

# What is later than the newest is from before the civil clock was set back.
TRIM = """
DELETE FROM fleet_metric_value
 WHERE account = :account AND region = :region AND name = :name AND (slot <= :upto OR slot > :slot)"""

DROP_VALUES = """
DELETE FROM fleet_metric_value WHERE account = :account AND region = :region AND name = :name"""
DROP_RUN = "DELETE FROM fleet_metric_run WHERE account = :account AND region = :region AND name = :name"

NEWEST = """
SELECT v.account, v.region, v.name, v.aggregation, v.value
  FROM fleet_metric_run r JOIN fleet_metric_value v
    ON v.account = r.account AND v.region = r.region AND v.name = r.name AND v.slot = r.slot
 ORDER BY v.account, v.region, v.name, v.aggregation"""

PAGE = """
SELECT slot, aggregation, value
  FROM fleet_metric_value
 WHERE account = :account AND region = :region AND name = :name
   AND (slot < :slot OR (slot = :slot AND aggregation > :aggregation))
 ORDER BY slot DESC, aggregation LIMIT :limit"""

LAST_SLOT = 1 << 60
"""Later than all."""


def emit(
    account: str, region: str, name: str, slot: int, values: Mapping[str, float], keep: int
) -> list[Statement]:
    """What a metric is at a time; Conflict if that has been said already. What is older than ``keep`` seconds
    before it goes."""
    place = {"account": account, "region": region, "name": name}
    return [
        Statement(RUN, place | {"slot": slot}, 1),
        *(
            Statement(PUT, place | {"slot": slot, "aggregation": aggregation, "value": value})
            for aggregation, value in values.items()
        ),
        Statement(TRIM, place | {"slot": slot, "upto": slot - keep}),
    ]


def drop(account: str, region: str, name: str) -> list[Statement]:
    place: dict[str, Any] = {"account": account, "region": region, "name": name}
    return [Statement(DROP_VALUES, place), Statement(DROP_RUN, place)]


def schedule(account: str, region: str, name: str, period: int, slot: int) -> Statement:
    """A metric is next due a period after ``slot``, the last multiple of the period."""
    place = {"account": account, "region": region, "name": name}
    return Statement(SCHEDULE, place | {"period": period, "slot": slot})


def due(now: float, limit: int) -> Query:
    """The metrics (their resources) whose time has come, in any account and region."""
    return Query(DUE, {"now": now, "limit": limit})


def newest_values() -> Query:
    """Of all places: what each metric came to when it was last computed."""
    return Query(NEWEST, NO_PARAMS)


def page_values(account: str, region: str, name: str, after: tuple[int, str] | None, limit: int) -> Query:
    """Newest first; ``after`` is the slot and aggregation of the last one that is known."""
    slot, aggregation = after or (LAST_SLOT, "")
    place = {"account": account, "region": region, "name": name}
    return Query(PAGE, place | {"slot": slot, "aggregation": aggregation, "limit": limit})
