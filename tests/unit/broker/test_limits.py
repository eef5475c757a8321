"""Token buckets: what may be done in a second, and what is remembered of it."""

import pytest

from sekisho.broker.aliases import Aliases
from sekisho.broker.limits import COMPLAINT_EVERY, Bucket, Complaints, Connects
from sekisho.broker.resends import GIVE_UP, Resends


def taken(bucket, now, tries=1000):
    return sum(bucket.take(now) for _ in range(tries))


def test_a_bucket_holds_one_second_and_fills_at_its_rate():
    bucket = Bucket(100, 0.0)
    assert taken(bucket, 0.0) == 100
    assert taken(bucket, 0.5) == 50
    assert taken(bucket, 0.505) == 0
    assert taken(bucket, 0.51) == 1
    assert taken(bucket, 1000.0) == 100


def test_a_rate_below_one_still_lets_one_through():
    bucket = Bucket(0.5, 0.0)
    assert taken(bucket, 0.0) == 1
    assert bucket.wait(0.0) == 2.0
    assert taken(bucket, 1.9) == 0
    assert taken(bucket, 2.0) == 1


def test_a_clock_that_stands_still_or_goes_back_fills_nothing():
    bucket = Bucket(1, 10.0)
    assert taken(bucket, 10.0) == 1
    assert taken(bucket, 5.0) == 0
    assert taken(bucket, 10.0) == 0
    assert taken(bucket, 11.0) == 1


def test_debt_is_paid_before_more_is_taken():
    bucket = Bucket(1000, 0.0)
    assert bucket.spend(0.0, 1000) == 0.0
    assert bucket.spend(0.0, 500) == 0.5
    assert bucket.spend(0.25, 250) == 0.5
    assert taken(bucket, 0.75) == 0
    assert taken(bucket, 0.751) == 1


def test_a_full_bucket_is_as_new():
    bucket = Bucket(10, 0.0)
    assert bucket.full(0.0)
    bucket.take(0.0)
    assert not bucket.full(0.05)
    assert bucket.full(0.1)


def test_one_connect_a_second_for_each_client_id():
    connects = Connects(1)
    assert connects.take("a", 0.0)
    assert connects.take("b", 0.0)
    assert not connects.take("a", 0.5)
    assert not connects.take("b", 0.99)
    assert connects.take("a", 1.0)  # the refused one did not count


def test_client_ids_that_may_connect_again_are_forgotten():
    connects = Connects(1)
    for number in range(1000):
        assert connects.take(f"c{number}", number * 0.5)
    assert len(connects) <= 4


def test_client_ids_are_bounded_when_all_come_at_once():
    connects = Connects(1, most=100)
    for number in range(1000):
        assert connects.take(f"c{number}", 0.0)
    assert len(connects) <= 100
    assert not connects.take("c999", 0.5)  # the newest is the one that is remembered


def test_complaints_of_a_kind_once_a_second():
    complaints = Complaints()
    assert complaints.due("in", 0.0)
    assert complaints.due("out", 0.0)
    assert not complaints.due("in", COMPLAINT_EVERY - 0.01)
    assert complaints.due("in", COMPLAINT_EVERY)


def test_what_is_unacknowledged_is_sent_again_each_time_it_is_due():
    resends, inflight = Resends(30, GIVE_UP[4]), {7: object()}
    assert resends.look(inflight, 100.0) == ([], [])
    assert resends.look(inflight, 129.9) == ([], [])
    assert resends.look(inflight, 130.0) == ([7], [])
    assert resends.look(inflight, 145.0) == ([], [])
    assert resends.look(inflight, 160.0) == ([7], [])


def test_an_identifier_that_is_another_messages_by_now_starts_anew():
    resends = Resends(30, GIVE_UP[4])
    resends.look({7: object()}, 0.0)
    inflight = {7: object()}
    assert resends.look(inflight, 30.0) == ([], [])
    assert resends.look(inflight, 60.0) == ([7], [])


@pytest.mark.parametrize(("version", "seconds"), [(4, 3600), (5, 960)])
def test_after_an_hour_it_is_given_up_and_in_mqtt_5_sooner(version, seconds):
    resends, inflight = Resends(30, GIVE_UP[version]), {1: object()}
    resends.look(inflight, 0.0)
    assert resends.look(inflight, seconds - 1) == ([1], [])
    assert resends.look(inflight, seconds) == ([], [1])
    del inflight[1]
    assert resends.look(inflight, seconds + 60) == ([], [])


def test_the_first_topics_get_the_aliases():
    aliases = Aliases(2)
    assert aliases.of("a") == ("a", 1)
    assert aliases.of("a") == ("a", 1)  # not given yet: the message was not written
    aliases.given("a", 1)
    assert aliases.of("a") == ("", 1)
    assert aliases.of("b") == ("b", 2)
    aliases.given("b", 2)
    assert aliases.of("c") == ("c", 0)
    assert aliases.of("b") == ("", 2)


def test_no_more_than_eight_aliases():
    aliases = Aliases(65535)
    for number in range(8):
        topic, alias = aliases.of(f"t{number}")
        assert (topic, alias) == (f"t{number}", number + 1)
        aliases.given(topic, alias)
    assert aliases.of("t8") == ("t8", 0)
