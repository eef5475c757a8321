"""Whether a certificate's connections show more than one device, against a plain judgement of every pair."""

from __future__ import annotations

from itertools import combinations
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from sekisho.logic.shared_use import TAKEN_OVER, TIMED_OUT, Use, find_sharing


def use(
    id: int, client: str, address: str, began: float, ended: float = inf, reason: str = "", keep: int = 0
):
    return Use(str(id), client, address, began, ended, reason, keep)


def test_one_device_that_comes_and_goes_shares_nothing():
    uses = [use(i, "a", f"10.0.0.{i}", i * 10, i * 10 + 9, "CLIENT_INITIATED_DISCONNECT") for i in range(5)]
    assert find_sharing(uses) is None
    assert find_sharing([]) is None


def test_two_client_ids_at_once():
    found = find_sharing([use(1, "a", "x", 0, 10), use(2, "b", "x", 5)])
    assert found is not None
    assert found.ways == {"CLIENTS"}
    assert (found.first.id, found.second.id, found.occurrences) == ("1", "2", 1)


def test_two_addresses_at_once():
    found = find_sharing([use(1, "a", "x", 0), use(2, "b", "y", 5)])
    assert found is not None
    assert found.ways == {"CLIENTS", "ADDRESSES"}
    assert set(found.addresses) == {"x", "y"}


def test_a_client_id_taken_to_and_fro():
    uses = [use(i, "a", "xy"[i % 2], i, i + 1, TAKEN_OVER) for i in range(3)]
    assert find_sharing(uses[:2]) is None  # a device that roams once
    found = find_sharing(uses)
    assert found is not None
    assert found.ways == {"TAKEOVERS"}


def test_a_device_that_roams_slowly_is_one_device():
    assert (
        find_sharing([use(i, "a", "xy"[i % 2], i * 1e4, i * 1e4 + 1e4, TAKEN_OVER) for i in range(6)]) is None
    )


def test_a_device_that_was_cut_off_and_is_back_under_another_client_id_is_one_device():
    """The broker notices only after one and a half keep-alives that the first connection is dead."""
    uses = [use(1, "a", "x", 0, 145, TIMED_OUT, 30), use(2, "b", "x", 101)]
    assert find_sharing(uses) is None
    assert find_sharing([uses[0], use(2, "b", "x", 99)]) is not None


def test_a_period():
    uses = [use(1, "a", "x", 0, 10), use(2, "b", "x", 5, 8), use(3, "a", "x", 20)]
    assert find_sharing(uses, since=15) is None
    assert find_sharing(uses, until=5) is None
    assert find_sharing(uses, since=5, until=9) is not None


USES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 60), st.integers(1, 20)),
    max_size=12,
)


@given(USES)
def test_an_overlap_is_found_exactly_when_there_is_one(made):
    uses = [use(i, c, a, began, began + lasts) for i, (c, a, began, lasts) in enumerate(made)]
    found = find_sharing(uses)
    ways = found.ways if found is not None else set()
    pairs = [(p, q) for p, q in combinations(uses, 2) if p.began < q.ended and q.began < p.ended]
    assert ("CLIENTS" in ways) == any(p.client_id != q.client_id for p, q in pairs)
    assert ("ADDRESSES" in ways) == any(p.address != q.address for p, q in pairs)
    if found is not None:
        first, second = found.first, found.second
        assert first.began <= second.began < first.ended
        later = [
            q
            for p, q in (sorted(pair, key=lambda u: u.began) for pair in pairs)
            if p.client_id != q.client_id or p.address != q.address
        ]
        assert found.occurrences <= len({u.id for u in uses})
        assert second.began >= max(u.began for u in later)
