"""Version numbers of lifecycle events.

AWS IoT Developer Guide, Lifecycle events: they grow with each connection of a client id; after about an hour
without one, or after the time of its persistent session, they begin at 0 again.
"""

import pytest

from sekisho.broker import versions
from sekisho.broker.versions import AWAY, Versions

ONE, TWO = ("a", "r", "one"), ("a", "r", "two")


def test_they_grow_for_each_client_id():
    numbers = Versions()
    seen = []
    for now in (1.0, 2.0, 3.0):
        number = numbers.joined(ONE, now)
        numbers.left(ONE, number, now + 0.5, 0.0)
        seen.append(number)
    assert seen == [0, 1, 2]
    assert numbers.joined(TWO, 4.0) == 0


@pytest.mark.parametrize(("expiry", "away"), [(0.0, AWAY), (100.0, 100.0), (7200.0, 7200.0)])
def test_they_begin_anew_after_the_clients_time(expiry, away):
    for late, number in ((-0.1, 1), (0.0, 0)):
        numbers = Versions()
        numbers.left(ONE, numbers.joined(ONE, 0.0), 10.0, expiry)
        assert numbers.joined(ONE, 10.0 + away + late) == number


def test_they_do_not_while_it_is_connected():
    numbers = Versions()
    assert [numbers.joined(ONE, now) for now in (0.0, 10 * AWAY)] == [0, 1]


def test_a_connection_that_was_taken_over_does_not_end_the_newer_ones_number():
    numbers = Versions()
    older = numbers.joined(ONE, 0.0)
    newer = numbers.joined(ONE, 1.0)
    numbers.left(ONE, older, 2.0, 0.0)
    assert numbers.joined(ONE, 3 * AWAY) == newer + 1


def test_they_go_on_after_what_was_told_before():
    numbers = Versions()
    numbers.restore(ONE, 3, 10.0, 0.0)
    numbers.restore(ONE, 4, 20.0, 0.0)
    assert numbers.joined(ONE, 30.0) == 5


def test_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(versions, "KEPT", 2)
    numbers = Versions()
    for client in ("one", "two", "one", "three"):
        numbers.joined(("a", "r", client), 0.0)
    assert [numbers.joined(("a", "r", client), 0.0) for client in ("one", "three", "two")] == [2, 1, 0]
