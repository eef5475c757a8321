"""How many shared groups, sessions and retained messages there may be: on both databases, across restarts."""

from __future__ import annotations

import contextlib

import pytest

from interop.bounds import (
    FAILURE,
    GROUPS,
    MEMBERS,
    QUOTA_EXCEEDED,
    RETAINED,
    SESSIONS,
    SHARED,
    counters,
    numbers,
    renewed,
    send,
    sessions,
)
from interop.bounds import home as home
from interop.bounds import name as name
from interop.bounds import writer as writer
from interop.devices import until
from interop.packets import Will
from interop.places import long, payloads
from interop.wire import Closed

# --- shared subscriptions ----------------------------------------------------------------------------------


def test_the_newest_is_dropped_for_a_full_group(home, name, version, writer):
    key = f"$share/group/{name}"
    before = counters(home)
    home.subscribed_and_gone(name, key, version=version)
    send(writer, name, *numbers(SHARED + 2))
    assert counters(home)["overflowed"] - before["overflowed"] == 2
    [shown] = home.own.list_shared_subscriptions()["sharedSubscriptions"]
    assert [message["payload"] for message in shown.pop("firstMessages")] == numbers(SHARED)
    assert shown == {
        "topicFilter": key,
        "memberCount": 1,
        "connectedCount": 0,
        "queues": True,
        "queueLength": SHARED,
        "queueLimit": SHARED,
    }
    refusals = home.own.list_refusals()["refusals"]
    assert any(key in refusal["reason"] and "is full" in refusal["reason"] for refusal in refusals)
    # Somebody else takes them, who has no session.
    with home.online(f"{name}-3", version) as wire:
        wire.subscribe(key)
        assert sorted(payloads(wire, SHARED)) == numbers(SHARED)
        wire.ping()
        send(writer, name, b"more")
        assert payloads(wire, 1) == [b"more"]
        wire.ping()
        until(lambda: counters(home)["queued"] == 0)


def test_a_groups_messages_go_with_its_last_member(home, name, writer):
    key = f"$share/group/{name}"
    with home.persistent(name)[0] as wire:
        wire.acknowledges = False
        wire.subscribe(key)
        send(writer, name, *numbers(SHARED))
        payloads(wire, SHARED)
        wire.unsubscribe(key)
        assert counters(home)["queued"] == 0
        wire.subscribe(key)
        send(writer, name, *numbers(10, 10 + SHARED))
        assert sorted(payloads(wire, SHARED)) == numbers(10, 10 + SHARED)


def test_what_a_group_left_behind_is_deleted_at_the_start(home, name):
    """A node that was killed had no time to."""
    key = f"$share/group/{name}"
    with home.online("w", 5) as writer, home.online(name) as wire, home.persistent(f"{name}-2")[0] as other:
        wire.subscribe(key)
        other.subscribe(key)
        wire.acknowledges = other.acknowledges = False
        send(writer, name, *numbers(SHARED))
        other.unsubscribe(key)  # the row of its session is written, and the group goes on with the other
        assert counters(home)["queued"] == SHARED
        home.node.kill()
    home.node.start()
    renewed(home)
    assert counters(home)["queued"] == 0
    with home.online("w", 5) as writer, home.persistent(f"{name}-2")[0] as other:
        other.subscribe(key)
        send(writer, name, b"new")
        assert payloads(other, 1) == [b"new"]
        assert other.messages() == []


def test_groups_and_members_are_bounded(home, name, version):
    code = QUOTA_EXCEEDED if version == 5 else FAILURE
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(home.online(f"{name}-{n}", version)) for n in range(MEMBERS + 1)]
        *first, last = wires
        for number in range(GROUPS):
            for wire in first:
                assert wire.subscribe(f"$share/g/{number}") == [1]
                assert wire.subscribe(f"$share/g/{number}") == [1]  # it is a member already
            assert last.subscribe(f"$share/g/{number}") == [code]
        assert last.subscribe("$share/g/other", "plain") == [code, 1]
        words = [refusal["reason"] for refusal in home.refusals(f"{name}-{MEMBERS}")]
        assert words[0] == f"there are {GROUPS} shared subscriptions already"
        assert words[1] == f"$share/g/{GROUPS - 1} has {MEMBERS} members already"
        for wire in first:
            wire.unsubscribe("$share/g/0")
        assert last.subscribe("$share/g/other") == [1]


# --- sessions ----------------------------------------------------------------------------------------------


def test_sessions_are_bounded(home, name, version):
    there = len(sessions(home))
    for number in range(SESSIONS - there):
        home.subscribed_and_gone(f"{name}-{number}", "a", version=version)
    with home.anything.wire() as wire:
        if version == 5:
            assert wire.connect(name, 5, clean=False, properties=long(0x11, 10)).code == QUOTA_EXCEEDED
        else:
            with pytest.raises(Closed):
                wire.connect(name, clean=False)
    [refusal] = home.refusals(name)
    assert f"there are {SESSIONS} persistent sessions already" in refusal["reason"]
    home.online(name, version).close()  # without a session
    wire, present = home.persistent(f"{name}-0", version)
    with wire:
        assert present
    home.data.delete_connection(clientId=f"{name}-0", cleanSession=True)
    until(lambda: len(sessions(home)) < SESSIONS)
    home.subscribed_and_gone(name, "a", version=version)


# --- retained messages -------------------------------------------------------------------------------------


@pytest.fixture
def nothing_retained(home):
    yield
    for kept in home.data.list_retained_messages()["retainedTopics"]:
        home.data.publish(topic=kept["topic"], retain=True)
    assert counters(home)["retained"] == 0


@pytest.mark.usefixtures("nothing_retained")
def test_retained_messages_are_bounded(home, name, version):
    """AWS General Reference, AWS IoT Core quotas: at the maximum all that have a payload are throttled."""
    with home.online(name, version) as wire, home.online(f"{name}-2") as reader:
        reader.subscribe(f"{name}/#")
        for number in (0, *range(RETAINED)):
            assert wire.publish(f"{name}/{number}", b"kept", retain=True) == 0
        assert len(payloads(reader, RETAINED + 1)) == RETAINED + 1
        before = counters(home)
        assert before["retained"] == RETAINED
        with pytest.raises(home.data.exceptions.ThrottlingException) as caught:
            home.data.publish(topic=f"{name}/new", payload=b"x", retain=True)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        wire.publish(f"{name}/new", b"x", qos=0, retain=True)
        if version == 5:
            assert wire.publish(f"{name}/new", b"x", retain=True) == QUOTA_EXCEEDED
            assert wire.publish(f"{name}/0", b"x", retain=True) == QUOTA_EXCEEDED
            assert counters(home)["throttled"] - before["throttled"] == 3
        wire.ping()
        assert reader.messages() == []
        assert "retained already" in home.refusals(name)[0]["reason"]
        assert wire.publish(f"{name}/0", b"", retain=True) == 0
        assert wire.publish(f"{name}/new", b"room", retain=True) == 0
        assert counters(home)["retained"] == RETAINED


@pytest.mark.usefixtures("nothing_retained")
def test_a_will_that_cannot_be_retained_is_published(home, name, version):
    with home.online(f"{name}-2") as reader:
        reader.subscribe(f"{name}/will")
        for number in range(RETAINED):
            home.data.publish(topic=f"{name}/{number}", payload=b"kept", retain=True)
        home.online(name, version, will=Will(f"{name}/will", b"bye", qos=1, retain=True)).close()
        assert payloads(reader, 1) == [b"bye"]
    with pytest.raises(home.data.exceptions.ResourceNotFoundException):
        home.data.get_retained_message(topic=f"{name}/will")
    assert "not retained" in home.refusals(name)[0]["effect"]


@pytest.mark.usefixtures("nothing_retained")
def test_retained_messages_that_expire_make_room(home, name):
    for number in range(RETAINED):
        home.data.publish(topic=f"{name}/{number}", payload=b"kept", retain=True, messageExpiry=60)
    with home.later(seconds=61):
        until(lambda: counters(home)["retained"] == 0, within=30)
        home.data.publish(topic=f"{name}/new", payload=b"kept", retain=True)
    assert counters(home)["retained"] == 1


@pytest.mark.usefixtures("nothing_retained")
def test_retained_messages_are_counted_at_the_start(home, name):
    for number in range(RETAINED):
        home.data.publish(topic=f"{name}/{number}", payload=b"kept", retain=True)
    home.node.kill()
    home.node.start()
    renewed(home)
    with pytest.raises(home.data.exceptions.ThrottlingException):
        home.data.publish(topic=f"{name}/new", payload=b"x", retain=True)
