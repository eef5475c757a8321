"""Will delay, which the extended profile has: a will waits, unless its client comes back in time."""

from __future__ import annotations

import pytest

from interop.devices import until
from interop.extended import EXTENDED, told
from interop.extended import home as home
from interop.packets import Will
from interop.places import UNLIMITED, long, place

WILL_DELAY = 0x18


def dying(topic, delay, **more):
    return Will(topic, b"last words", properties=long(WILL_DELAY, delay), **more)


def online_with_will(home, name, delay, expiry=3600, clean=False, **more):
    return home.persistent(name, 5, expiry=expiry, clean=clean, will=dying(name, delay, **more))[0]


@pytest.fixture
def mourner(home, name):
    with home.online(f"o-{name}"[:100], 5) as wire:
        wire.subscribe(name)
        yield wire


def nothing_came(home, name, mourner):
    """Whether the node has published no will but the one that is due last, so that it has looked at all."""
    topic, witness = f"{name}/witness", f"x-{name}"[:100]
    mourner.subscribe(topic)
    home.persistent(witness, 5, clean=True, will=dying(topic, 1))[0].close()
    return mourner.message().topic == topic and mourner.messages() == []


def gone(home, name):
    until(lambda: not home.data.get_connection(clientId=name)["connected"])


def test_a_will_waits_for_its_delay(home, name, mourner):
    """[MQTT-3.1.2-8]"""
    online_with_will(home, name, 1000, qos=1).close()
    gone(home, name)
    with home.later(seconds=900):
        assert nothing_came(home, name, mourner)
    with home.later(seconds=1001):
        message = mourner.message()
    assert (message.payload, message.qos, message.properties) == (b"last words", 1, {})
    (record,) = told(home, name, "will delay")
    assert record["action"] == "iot:Connect"


def test_coming_back_in_time_keeps_it_from_being_published(home, name, mourner):
    """[MQTT-3.1.3-9]"""
    online_with_will(home, name, 1000).close()
    gone(home, name)
    with home.persistent(name, 5)[0] as wire:
        with home.later(seconds=1001):
            assert nothing_came(home, name, mourner)
        wire.disconnect()


def test_a_takeover_that_resumes_does_so_too(home, name, mourner):
    older = online_with_will(home, name, 1000)
    with older, home.persistent(name, 5)[0]:
        older.until_closed()
        with home.later(seconds=1001):
            assert nothing_came(home, name, mourner)


@pytest.mark.parametrize("here", [True, False])
def test_a_clean_start_ends_the_session_and_its_will_waits_no_longer(home, name, mourner, here):
    wire = online_with_will(home, name, 1000)
    if not here:
        wire.close()
        gone(home, name)
    with wire, home.online(name, 5):
        assert mourner.message().payload == b"last words"


def test_it_does_not_outlast_the_session(home, name, mourner):
    online_with_will(home, name, 1000, expiry=100).close()
    gone(home, name)
    with home.later(seconds=101):
        assert mourner.message().payload == b"last words"
        assert nothing_came(home, name, mourner)


def test_a_session_that_ends_with_its_connection_delays_nothing(home, name, mourner):
    online_with_will(home, name, 1000, expiry=0, clean=True).close()
    assert mourner.message().payload == b"last words"


@pytest.mark.parametrize("reason", [0, 4])
def test_with_disconnect(home, name, mourner, reason):
    with online_with_will(home, name, 1000) as wire:
        wire.disconnect(reason)
    gone(home, name)
    with home.later(seconds=1001):
        if reason:
            assert mourner.message().payload == b"last words"
        assert nothing_came(home, name, mourner)


@pytest.mark.parametrize("online", [True, False])
def test_it_survives_kill_9(tmp_path, online, database_url):
    """Whether its client went before the node or with it; and one whose client said goodbye does not."""
    with place(tmp_path, UNLIMITED, EXTENDED, f"database={database_url}") as here:
        here.data = here.node.client("iot-data")
        wire = online_with_will(here, "dying", 1000, qos=1, retain=True)
        online_with_will(here, "polite", 1000).disconnect(0)
        gone(here, "polite")
        if not online:
            wire.close()
            gone(here, "dying")
        here.own.list_sessions()
        here.node.kill()
        wire.close()
        here.node.start()
        here.own = here.node.client("sekisho")
        with here.online("mourner", 5) as mourner:
            mourner.subscribe("dying", "polite")
            assert mourner.messages() == []
            with here.later(seconds=1001):
                message = mourner.message()
                assert (message.topic, message.payload, message.qos) == ("dying", b"last words", 1)
                assert nothing_came(here, "dying", mourner)
