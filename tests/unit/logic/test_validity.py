"""How long an issued certificate is valid: the arithmetic, the refusals, and the two ways to write a date."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from sekisho.logic.certificates import DEFAULT_SUBJECT, issue_device_certificate, make_ca
from sekisho.logic.validity import AWS, DAY, BadValidity, end_of, soonest, validity_of

NOW = 1_700_000_000.75
CA, CA_KEY = make_ca("Sekisho", NOW, 100)
CA_END = CA.not_valid_after_utc


def test_awss_own_end_is_the_last_second_of_2049():
    assert end_of(AWS, NOW, CA_END) == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)


@given(st.integers(1, 30_000))
def test_days_are_counted_from_the_issue_to_the_second(days):
    assert end_of({"days": days}, NOW, CA_END).timestamp() == int(NOW) + days * DAY


@pytest.mark.parametrize(
    ("validity", "words"),
    [
        ({"days": 40_000}, "must not outlive its issuer"),
        ({"notAfter": CA_END.timestamp() + 1}, "must not outlive its issuer"),
        ({"days": 3_000_000}, "the last date that X.509 has"),
        ({"notAfter": 1e12}, "the last date that X.509 has"),
        ({"notAfter": NOW - 1}, "is not after the clock's time"),
    ],
)
def test_what_no_certificate_can_have_is_refused(validity, words):
    with pytest.raises(BadValidity, match=words):
        end_of(validity, NOW, CA_END)


def test_a_certificate_may_end_with_its_issuer():
    assert end_of({"notAfter": CA_END.timestamp()}, NOW, CA_END) == CA_END


def test_before_1950_nothing_can_be_issued():
    with pytest.raises(BadValidity, match="before 1950"):
        end_of({"days": 1}, -700_000_000.0, CA_END)


@pytest.mark.parametrize("given", [(None, None), (1, 2.0)])
def test_exactly_one_of_the_two_is_given(given):
    with pytest.raises(BadValidity, match="either days or notAfter"):
        validity_of(*given)


def test_of_several_the_one_that_ends_first_counts():
    days, fixed = {"days": 10}, {"notAfter": NOW + 5 * DAY}
    assert soonest([days, fixed, AWS], NOW) is fixed
    assert soonest([days, AWS], NOW) is days
    assert soonest([], NOW) is None


@pytest.mark.parametrize(
    ("end", "written"),
    [
        (datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), b"\x17\x0d491231235959Z"),
        (datetime(2050, 1, 1, tzinfo=UTC), b"\x18\x0f20500101000000Z"),
        (datetime(2077, 5, 4, 3, 2, 1, tzinfo=UTC), b"\x18\x0f20770504030201Z"),
    ],
)
def test_from_2050_on_dates_are_generalized_time(end, written):
    made = issue_device_certificate(CA, CA_KEY, CA_KEY.public_key(), DEFAULT_SUBJECT, NOW, end)
    assert written in made.public_bytes(Encoding.DER)  # RFC 5280, 4.1.2.5
    assert made.not_valid_after_utc == end
