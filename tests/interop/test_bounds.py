"""What may be kept for those who are away, and what happens beyond it: on both databases, across restarts."""

from __future__ import annotations

import contextlib
import urllib.request

import pytest

from interop.devices import until
from interop.places import MESSAGE_EXPIRY, UNLIMITED, Place, long, payloads, place
from interop.wire import Closed, Will

QUOTA_EXCEEDED = 0x97
FAILURE = 0x80

MESSAGES, BYTES = 5, 1000
SHARED, GROUPS, MEMBERS = 4, 2, 2
SESSIONS = 6
RETAINED = 3

SETTINGS = (
    UNLIMITED,
    f"mqtt.limits.session_queue_messages={MESSAGES}",
    f"mqtt.limits.session_queue_bytes={BYTES}",
    f"mqtt.limits.shared_queue_messages={SHARED}",
    f"mqtt.limits.shared_groups={GROUPS}",
    f"mqtt.limits.shared_subscriptions={MEMBERS}",
    f"mqtt.limits.sessions={SESSIONS}",
    f"mqtt.limits.retained_messages={RETAINED}",
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def home(request, tmp_path_factory):
    settings = list(SETTINGS)
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        settings.append(f"database={server.url(server.create_database())}")
    with place(tmp_path_factory.mktemp("bounds"), *settings) as home:
        home.data = home.node.client("iot-data")
        yield home
        assert "Traceback" not in home.node.log


@pytest.fixture
def name(request, home):
    """A client id and topic of the test's own; its session is ended afterwards."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:80]
    yield name
    for session in sessions(home):
        if session["clientId"].startswith(name):
            home.data.delete_connection(clientId=session["clientId"], cleanSession=True)
    # Else the next test's sessions would be too many.
    until(lambda: not [s for s in sessions(home) if s["clientId"].startswith(name)])


@pytest.fixture
def writer(home, name):
    with home.online(f"w-{name}", 5) as wire:
        yield wire


def sessions(home: Place):
    pages = home.own.get_paginator("list_sessions").paginate()
    return [session for page in pages for session in page["sessions"]]


def waits(home, client_id):
    """How many messages wait for a session, in the database."""
    [session] = home.own.list_sessions(clientId=client_id)["sessions"]
    assert session["queueLimit"] == MESSAGES
    return session["queueLength"]


def counters(home):
    shown = home.own.describe_broker()
    del shown["ResponseMetadata"]
    return shown


def send(wire, topic, *messages, code=0):
    for payload in messages:
        assert wire.publish(topic, payload) == code


def numbers(*ends):
    return [b"%d" % number for number in range(*ends)]


def come_back(home, name, count, version=4):
    """What a client finds when it comes back and takes it all."""
    with home.persistent(name, version)[0] as wire:
        got = payloads(wire, count)
        assert wire.messages() == []
        wire.disconnect()
    return got


# --- the queue of a session --------------------------------------------------------------------------------


def test_the_newest_is_dropped_for_a_full_session_and_for_no_other(home, name, version, writer):
    before = counters(home)
    home.subscribed_and_gone(name, name, version=version)
    with home.online(f"{name}-2", version) as other:
        other.subscribe(name)
        send(writer, name, *numbers(MESSAGES + 3))  # each is acknowledged
        assert payloads(other, MESSAGES + 3) == numbers(MESSAGES + 3)
        other.ping()
        assert waits(home, name) == MESSAGES
        after = counters(home)
        assert after["overflowed"] - before["overflowed"] == 3
        assert (after["queued"], after["queued_bytes"]) == (MESSAGES, MESSAGES * (1 + len(name) + 2))
        [refusal] = home.refusals(name)
        assert (refusal["action"], refusal["resource"], refusal["decision"]) == (
            "iot:Receive",
            name,
            "REFUSED",
        )
        assert f"{MESSAGES} messages" in refusal["reason"]
        assert "dropped for this session alone" in refusal["effect"]
        assert come_back(home, name, MESSAGES, version) == numbers(MESSAGES)
        send(writer, name, b"again")
        assert payloads(other, 1) == [b"again"]
        assert come_back(home, name, 1, version) == [b"again"]
    assert waits(home, name) == 0
    assert counters(home)["queued"] == 0


def test_bytes_are_bounded_too(home, name, writer):
    home.subscribed_and_gone(name, name)
    size = (BYTES - 2 * (len(name) + 2)) // 2
    send(writer, name, b"a" * size, b"b" * size, b"c")
    assert come_back(home, name, 2) == [b"a" * size, b"b" * size]
    send(writer, name, b"d" * (2 * BYTES), b"e")
    assert come_back(home, name, 1) == [b"d" * (2 * BYTES)]


def test_properties_are_counted(home, name, writer):
    home.subscribed_and_gone(name, name)
    user = b"\x26\x00\x01a\x03\x20" + b"x" * 800
    send(writer, name, b"first")
    assert writer.publish(name, b"second", properties=user) == 0
    assert writer.publish(name, b"third", properties=user) == 0
    send(writer, name, b"fourth")
    assert come_back(home, name, 3) == [b"first", b"second", b"fourth"]


def test_each_acknowledgement_makes_room_for_a_client_that_is_here(home, name, version, writer):
    with home.persistent(name, version)[0] as wire:
        wire.subscribe(name)
        wire.acknowledges = False
        send(writer, name, *numbers(MESSAGES + 2))
        assert payloads(wire, MESSAGES) == numbers(MESSAGES)
        assert wire.messages() == []
        wire.acknowledges = True
        # It is sent them again on a new connection, and takes them there.
    with home.persistent(name, version)[0] as wire:
        assert payloads(wire, MESSAGES) == numbers(MESSAGES)
        wire.ping()
        for payload in numbers(100, 100 + 3 * MESSAGES):
            send(writer, name, payload)
            assert payloads(wire, 1) == [payload]
            wire.ping()


def test_a_takeover_keeps_the_count(home, name, version, writer):
    older, _ = home.persistent(name, version)
    with older:
        older.subscribe(name)
        older.acknowledges = False
        send(writer, name, *numbers(3))
        payloads(older, 3)
        newer, _ = home.persistent(name, version)
        with newer:
            newer.acknowledges = False
            older.until_closed()
            assert payloads(newer, 3) == numbers(3)
            send(writer, name, *numbers(3, 9))
            assert payloads(newer, MESSAGES - 3) == numbers(3, MESSAGES)
            assert newer.messages() == []
    assert waits(home, name) == MESSAGES


def test_what_expires_makes_room(home, name, writer):
    home.subscribed_and_gone(name, name)
    for payload in numbers(MESSAGES - 1):
        assert writer.publish(name, payload, properties=long(MESSAGE_EXPIRY, 60)) == 0
    send(writer, name, b"stays", b"dropped")
    with home.later(seconds=61):
        until(lambda: waits(home, name) == 1, within=30)
        until(lambda: counters(home)["queued"] == 1)
        send(writer, name, *numbers(MESSAGES))
    assert come_back(home, name, MESSAGES) == [b"stays", *numbers(MESSAGES - 1)]


def test_what_expires_while_it_is_unacknowledged_counts_once(home, name, writer):
    """Its row goes first, and then the client acknowledges it."""
    with home.persistent(name, 5)[0] as wire:
        wire.subscribe(name)
        wire.acknowledges = False
        assert writer.publish(name, b"late", properties=long(MESSAGE_EXPIRY, 60)) == 0
        send(writer, name, b"stays")
        assert payloads(wire, 2) == [b"late", b"stays"]
        with home.later(seconds=61):
            until(lambda: waits(home, name) == 1, within=30)
        wire.send(b"\x40\x02\x00\x01")
        wire.ping()
        until(lambda: (waits(home, name), counters(home)["queued"]) == (1, 1))


@pytest.mark.parametrize("how", ["clean start", "DeleteConnection", "time"])
def test_a_new_session_begins_empty(home, name, version, writer, how):
    home.subscribed_and_gone(name, name, version=version)
    send(writer, name, *numbers(MESSAGES + 1))
    if how == "clean start":
        home.online(name, version).close()
    elif how == "DeleteConnection":
        home.data.delete_connection(clientId=name, cleanSession=True)
    else:
        with home.later(seconds=3601):
            until(lambda: not home.own.list_sessions(clientId=name)["sessions"])
    assert counters(home)["queued"] == 0
    home.subscribed_and_gone(name, name, version=version)
    send(writer, name, *numbers(MESSAGES + 1))
    assert come_back(home, name, MESSAGES, version) == numbers(MESSAGES)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_count_is_that_of_the_database_after_a_restart(home, name, how):
    shared = f"$share/group/{name}"
    home.subscribed_and_gone(name, name)
    home.subscribed_and_gone(f"{name}-2", shared)
    with home.online("w", 5) as writer:
        send(writer, name, *numbers(3))
        before = counters(home)
    getattr(home.node, how)()
    home.node.start()
    renewed(home)
    after = counters(home)
    for counter in ("queued", "queued_bytes", "sessions", "shared_subscriptions"):
        assert after[counter] == before[counter]
    assert after["queued"] == 6
    with home.online("w", 5) as writer:
        send(writer, name, *numbers(3, 9))
    assert come_back(home, name, MESSAGES) == numbers(MESSAGES)
    assert sorted(come_back(home, f"{name}-2", SHARED)) == numbers(SHARED)


def renewed(home):
    """Clients for the node's new addresses."""
    home.own, home.data = home.node.client("sekisho"), home.node.client("iot-data")


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


# --- metrics -----------------------------------------------------------------------------------------------


def test_what_waits_is_a_metric(home, name, writer):
    home.subscribed_and_gone(name, name)
    send(writer, name, b"x", b"yz")
    with urllib.request.urlopen(f"http://{home.node.endpoints['api']}/_sekisho/metrics") as response:
        lines = response.read().decode().splitlines()
    assert "sekisho_queued 2.0" in lines
    assert f"sekisho_queued_bytes {float(3 + 2 * (len(name) + 2))}" in lines
    assert counters(home)["queued"] == 2
