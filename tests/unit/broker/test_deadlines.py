"""Deadlines: who was silent for too long is told once, whatever moved in between."""

from dataclasses import dataclass

from sekisho.broker.deadlines import Deadlines


@dataclass(eq=False)
class Item:
    deadline: float | None


def watched(*items, every=15.0):
    expired = []

    def expire(item):
        expired.append(item)
        item.deadline = None

    deadlines = Deadlines(expire, every)
    for item in items:
        deadlines.watch(item, 0.0)
    return deadlines, expired


def test_an_item_expires_when_its_deadline_has_passed():
    item = Item(10.0)
    deadlines, expired = watched(item)
    deadlines.check(9.9)
    assert expired == []
    deadlines.check(10.0)
    deadlines.check(99.0)
    assert expired == [item]


def test_a_deadline_that_moved_away_is_waited_for():
    item = Item(10.0)
    deadlines, expired = watched(item)
    item.deadline = 30.0
    deadlines.check(10.0)
    deadlines.check(29.0)
    assert expired == []
    deadlines.check(30.0)
    assert expired == [item]


def test_a_deadline_that_moved_closer_is_met_within_a_period():
    item = Item(1000.0)
    deadlines, expired = watched(item, every=15.0)
    item.deadline = 5.0
    deadlines.check(15.0)
    assert expired == [item]


def test_never_is_looked_at_again_and_none_is_not():
    endless, gone = Item(float("inf")), Item(20.0)
    deadlines, expired = watched(endless, gone)
    gone.deadline = None
    for now in range(0, 100, 5):
        deadlines.check(float(now))
    assert expired == []
    endless.deadline = 101.0
    deadlines.check(120.0)
    assert expired == [endless]
