"""Copies of a certificate, seen in its connections."""

from __future__ import annotations

import pytest

from sekisho.logic.double_use import TAKEN, DoubleUse, Use, double_use

HERE, THERE, ELSEWHERE = "192.0.2.1", "198.51.100.2", "203.0.113.3"
LOST = "CONNECTION_LOST"


@pytest.mark.parametrize(
    "uses",
    [
        [],
        [Use("a", HERE, 1)],
        [Use("a", HERE, 1, 2, LOST), Use("b", HERE, 2, 3, LOST), Use("a", THERE, 3)],
        # It changes its network, and takes its own connection over.
        [Use("a", HERE, 1, 5, TAKEN), Use("a", THERE, 5)],
        [Use("a", HERE, 1, 5, TAKEN), Use("a", THERE, 5, 8, TAKEN), Use("a", ELSEWHERE, 8)],
        # It comes back from its network to an earlier one, properly.
        [Use("a", HERE, 1, 5, TAKEN), Use("a", THERE, 5, 8, LOST), Use("a", HERE, 9)],
        # The same place again and again: a client that connects before its last connection has gone.
        [Use("a", HERE, 1, 2, TAKEN), Use("a", HERE, 2, 3, TAKEN), Use("a", HERE, 3)],
    ],
    ids=["none", "one", "one by one", "another network", "a third network", "and back", "hasty"],
)
def test_one_device(uses):
    assert double_use(uses) is None


def test_two_client_ids_at_once():
    uses = [Use("a", HERE, 1, 10, LOST), Use("b", THERE, 5, 6, LOST), Use("c", ELSEWHERE, 20)]
    assert double_use(uses) == DoubleUse(1, 0, ["a", "b"], [HERE, THERE], 5)


def test_a_connection_that_lasts():
    uses = [Use("a", HERE, 1), Use("b", THERE, 1000, 1001, LOST), Use("c", THERE, 2000)]
    assert double_use(uses) == DoubleUse(2, 0, ["a", "b", "c"], [HERE, THERE], 2000)


def test_two_devices_that_take_one_client_id_from_each_other():
    uses = [
        Use("a", HERE, 1, 5, TAKEN),
        Use("a", THERE, 5, 8, TAKEN),
        Use("a", HERE, 8, 9, TAKEN),
        Use("a", THERE, 9),
    ]
    assert double_use(uses) == DoubleUse(0, 2, ["a"], [HERE, THERE], 9)
