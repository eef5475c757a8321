"""The heap of connections that end with their credentials."""

from __future__ import annotations

from sekisho.broker.endings import SPARE, Endings


class Connection:
    def __init__(self):
        self.ended = 0

    def credentials_ended(self):
        self.ended += 1


def test_each_is_told_once_when_its_time_has_come():
    endings, first, second = Endings(), Connection(), Connection()
    endings.add(second, 20.0)
    endings.add(first, 10.0)
    for now, told in ((9.9, (0, 0)), (10.0, (1, 0)), (15.0, (1, 0)), (99.0, (1, 1)), (100.0, (1, 1))):
        endings.check(now)
        assert (first.ended, second.ended) == told


def test_one_that_has_gone_is_not_told():
    endings, gone = Endings(), Connection()
    endings.remove(endings.add(gone, 10.0))
    endings.check(11.0)
    assert gone.ended == 0


def test_those_that_have_gone_do_not_pile_up():
    endings, stays = Endings(), Connection()
    endings.add(stays, 5.0)
    for _ in range(10_000):
        endings.remove(endings.add(Connection(), 10.0))
    assert len(endings._heap) <= SPARE + 3
    endings.check(5.0)
    assert stays.ended == 1
