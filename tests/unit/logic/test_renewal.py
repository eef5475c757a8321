"""The states of a renewal, and ids that sort by time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.logic.renewal import OPEN, WORDS, due_before, due_id, is_due, next_status

DEADLINE = 100.0


@pytest.mark.parametrize(
    ("status", "connected", "now", "then"),
    [
        ("REQUESTED", False, 99.0, "REQUESTED"),
        ("REQUESTED", False, 100.0, "TIMED_OUT"),
        ("ISSUED", False, 99.0, "ISSUED"),
        ("ISSUED", False, 100.0, "ROLLED_BACK"),
        ("ISSUED", True, 99.0, "SUCCEEDED"),
        ("ISSUED", True, 1000.0, "SUCCEEDED"),  # the node was away; the device was not
    ],
)
def test_what_becomes_of_it(status, connected, now, then):
    assert next_status(status, connected, now, DEADLINE) == then


@pytest.mark.parametrize(
    ("status", "connected", "now"),
    list(itertools.product(sorted(WORDS.keys() - OPEN), (False, True), (0.0, 1000.0))),
)
def test_what_has_ended_stays_as_it_is(status, connected, now):
    assert next_status(status, connected, now, DEADLINE) == status


TIMES = st.floats(0, 2.5e11)


@given(TIMES, TIMES)
def test_ids_sort_by_time(one, other):
    ids = due_id(one, "kettle"), due_id(other, "kettle")
    assert (ids[0] < ids[1]) == (int(one * 1000) < int(other * 1000))


@given(TIMES)
def test_an_id_is_due_from_its_time_on(at):
    id = due_id(at, "a-thing")
    assert is_due(id, at)
    assert not is_due(id, at - 1.0)
    assert due_id(-5.0, "x") == "0000000000000000-x"


@given(st.floats(0, 4e9), st.floats(0, 4e9))
def test_what_is_due_is_less_than_what_stands_for_the_time(at, now):
    id = due_id(at, "name")
    assert (id < due_before(now)) == is_due(id, now)
