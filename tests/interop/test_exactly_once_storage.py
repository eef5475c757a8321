"""QoS 2 when somebody else holds the database for too long: whichever step cannot be stored is not told, and
the exchange goes on from there with the next connection."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from interop.devices import until
from interop.exactly_once import PUBCOMP, PUBREC, PUBREL, get_whole, hear, put, put_whole, say
from interop.extended import EXTENDED
from interop.packets import PUBLISH
from interop.places import RECEIVE_MAXIMUM, UNLIMITED, Seen, payloads, place, short
from interop.wire import Closed

UNSPECIFIED_ERROR, QUOTA = 0x80, 0x97
ONE_AT_A_TIME = short(RECEIVE_MAXIMUM, 1)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("storage")
    with place(folder, UNLIMITED, EXTENDED, "mqtt.limits.resend_seconds=0") as home:
        yield home


@pytest.fixture
def name(request):
    return request.node.name.translate(str.maketrans("[]", "--"))[:80]


@pytest.fixture
def writer(home, name):
    with home.online(f"w-{name}") as wire:
        yield wire


@contextlib.contextmanager
def held(home):
    """Nobody else can write."""
    with contextlib.closing(sqlite3.connect(home.node.data / "sekisho.db")) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.rollback()


def ends_without(wire, kind):
    """The node closes the connection, and has not sent a packet of a kind before."""
    with pytest.raises(Closed):
        wire.take(kind, within=30)
    assert wire.reason == (UNSPECIFIED_ERROR if wire.version == 5 else None)


def failed(home):
    """How many commits of the mailbox have failed."""
    return home.node.log.count("messages not taken")


def nothing_waits(home):
    """In the database, and in the count by which a queue is full."""

    def counted():
        found = home.own.describe_broker()
        return found["queued"], found["queued_bytes"]

    until(lambda: counted() == (0, 0))
    sessions = home.own.list_sessions()["sessions"]
    assert [session["clientId"] for session in sessions if session["queueLength"]] == []


# --- from the client ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5"])
def test_a_publish_has_no_pubrec_and_is_new_when_it_comes_again(home, name, writer, version):
    home.subscribed_and_gone(f"r-{name}", name, version=version)
    with home.persistent(name, version)[0] as wire, held(home):
        put(wire, name, b"once")
        ends_without(wire, PUBREC)
    with home.persistent(name, version)[0] as wire:
        put(wire, name, b"once", dup=True)
        assert hear(wire, PUBREC) == (1, 0)
        say(wire, PUBREL, 1)
        assert hear(wire, PUBCOMP) == (1, 0)
    put_whole(writer, name, b"end")
    with home.persistent(f"r-{name}", version)[0] as wire:
        assert payloads(wire, 2) == [b"once", b"end"]
        wire.ping()
    nothing_waits(home)


def test_a_pubrel_has_no_pubcomp_and_the_message_stays_known(home, name, writer):
    home.subscribed_and_gone(f"r-{name}", name)
    with home.persistent(name, 5)[0] as wire:
        put(wire, name, b"once")
        assert hear(wire, PUBREC) == (1, 0)
        with held(home):
            say(wire, PUBREL, 1)
            ends_without(wire, PUBCOMP)
    with home.persistent(name, 5)[0] as wire:
        put(wire, name, b"once", dup=True)
        assert hear(wire, PUBREC) == (1, 0)
        say(wire, PUBREL, 1)
        assert hear(wire, PUBCOMP) == (1, 0)
        put_whole(wire, name, b"another")
    with home.persistent(f"r-{name}")[0] as wire:
        assert payloads(wire, 2) == [b"once", b"another"]
        wire.ping()
    nothing_waits(home)


# --- towards the client ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["session", "shared", "retained"])
def test_a_message_that_could_not_be_begun_is_not_sent(home, name, writer, kind):
    """It stays what it was; a retained one comes with the next SUBSCRIBE."""
    topics = [f"{name}/{number}" for number in range(2)]
    how = {"properties": ONE_AT_A_TIME}
    if kind == "retained":
        for topic in topics:
            put_whole(writer, topic, topic.encode(), retain=True)
    with home.persistent(name, 5, **how)[0] as wire:
        wire.acknowledges = False
        wire.subscribe(f"$share/g/{name}/+" if kind == "shared" else f"{name}/+", qos=2)
        if kind != "retained":
            for topic in topics:
                put_whole(writer, topic, topic.encode())
        first = Seen(wire)
        assert first.payload == topics[0].encode()
        say(wire, PUBREC, first.packet_id)
        assert hear(wire, PUBREL) == (first.packet_id, 0)
        with held(home):
            say(wire, PUBCOMP, first.packet_id)
            ends_without(wire, PUBLISH)
    with home.persistent(name, 5, **how)[0] as wire:
        assert hear(wire, PUBREL) == (first.packet_id, 0)  # that this was complete is not known either
        say(wire, PUBCOMP, first.packet_id)
        if kind != "retained":
            assert get_whole(wire, topics[1].encode()).dup == 0
        assert wire.messages() == []
    nothing_waits(home)


def test_a_message_that_may_not_have_been_received_comes_again(home, name, writer):
    """The PUBREC could not be stored: there is no PUBREL, and PUBLISH again with the same identifier."""
    with home.persistent(name, 5)[0] as wire:
        wire.acknowledges = False
        wire.subscribe(name, qos=2)
        put_whole(writer, name)
        first = Seen(wire)
        with held(home):
            say(wire, PUBREC, first.packet_id)
            ends_without(wire, PUBREL)
    with home.persistent(name, 5)[0] as wire:
        again = get_whole(wire)
        assert (again.packet_id, again.dup) == (first.packet_id, 1)
        assert wire.messages() == []
    nothing_waits(home)


@pytest.mark.parametrize("refused", [True, False])
def test_a_last_answer_that_was_not_stored(home, name, writer, refused):
    """The message is done with all the same, also one that the client has refused [MQTT-4.4.0-2]; what may
    come again is PUBREL."""
    before = failed(home)
    with home.persistent(name, 5)[0] as wire:
        wire.acknowledges = False
        wire.subscribe(name, qos=2)
        put_whole(writer, name)
        first = Seen(wire)
        if not refused:
            say(wire, PUBREC, first.packet_id)
            assert hear(wire, PUBREL) == (first.packet_id, 0)
        with held(home):
            if refused:
                say(wire, PUBREC, first.packet_id, QUOTA)
            else:
                say(wire, PUBCOMP, first.packet_id)
            until(lambda: failed(home) > before, within=30)
        put_whole(writer, name, b"next")
        get_whole(wire, b"next")
    with home.persistent(name, 5)[0] as wire:
        assert hear(wire, PUBREL) == (first.packet_id, 0)
        say(wire, PUBCOMP, first.packet_id)
        assert wire.messages() == []
    with home.persistent(name, 5)[0] as wire:
        assert wire.messages() == []
    nothing_waits(home)
