"""A node with low bounds, on each database, and what it says of them."""

from __future__ import annotations

import pytest

from interop.devices import until
from interop.places import UNLIMITED, Place, payloads, place

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


def renewed(home):
    """Clients for the node's new addresses."""
    home.own, home.data = home.node.client("sekisho"), home.node.client("iot-data")
