"""How much may wait under one name."""

import pytest

from sekisho.broker.queue import COMPLAINT_EVERY, Queue


def state(queue):
    return queue.messages, queue.bytes


def test_as_many_messages_as_may_be():
    queue = Queue(2, 100)
    assert [queue.take(10) for _ in range(3)] == [True, True, False]
    assert state(queue) == (2, 20)
    queue.remove(10)
    assert queue.take(5)
    assert state(queue) == (2, 15)


@pytest.mark.parametrize(("second", "taken"), [(60, True), (61, False)])
def test_as_many_bytes_as_may_be(second, taken):
    queue = Queue(9, 100)
    assert queue.take(40)
    assert queue.take(second) == taken
    assert state(queue) == (1 + taken, 40 + second * taken)


@pytest.mark.parametrize(("messages", "bytes"), [(0, 100), (9, 5), (0, 0)])
def test_one_alone_may_always_wait(messages, bytes):
    queue = Queue(messages, bytes)
    assert queue.take(10)
    assert not queue.take(0 if not messages else 1)
    queue.remove(10)
    assert queue.take(10)


def test_what_the_database_has_counts():
    queue = Queue(3, 100)
    queue.found(2, 90)
    assert not queue.take(11)
    assert queue.take(10)
    assert not queue.take(0)


def test_what_was_not_there_is_counted_again():
    queue = Queue(1, 100)
    assert queue.take(7)
    queue.remove(7)
    queue.put_back(7)
    assert state(queue) == (1, 7)
    assert not queue.take(7)


def test_a_full_queue_is_complained_of_once_a_second():
    queue = Queue(1, 1)
    assert queue.complaint_due(0.0)
    assert not queue.complaint_due(COMPLAINT_EVERY - 0.01)
    assert queue.complaint_due(COMPLAINT_EVERY)
    assert "1 and 1" in queue.why_full()
