"""What waits for the members of a shared subscription."""

from __future__ import annotations

import pytest

from interop.places import UNLIMITED, payloads, place


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with place(tmp_path_factory.mktemp("shared"), UNLIMITED) as home:
        yield home


@pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5"])
def test_what_waited_comes_once(home, version):
    """Also if it is acknowledged while the node still looks for more."""
    with home.online("writer") as writer:
        for number in range(40):
            name = f"once-{version}-{number}"
            home.subscribed_and_gone(name, f"$share/g/{name}", version=version)
            writer.publish(name, b"waits")
            with home.persistent(name, version)[0] as wire:
                assert payloads(wire, 1) == [b"waits"]
                # By then the node has looked again, and has found nothing.
                writer.publish(name, b"live")
                assert payloads(wire, 1) == [b"live"]
                wire.disconnect()


@pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5"])
def test_what_waits_for_a_member_that_unsubscribes_goes_to_another(home, version):
    """It waits in the database, for any member: what that one was sent is its own [MQTT-3.10.4-3] until its
    connection ends, all the rest is the group's."""
    name = f"unsubscribes-{version}"
    key, window = f"$share/g/{name}", 100
    sent = [b"%d" % number for number in range(window + 20)]
    with home.persistent(f"{name}-1", version)[0] as one, home.online("writer") as writer:
        one.subscribe(key)
        one.acknowledges = False
        home.subscribed_and_gone(f"{name}-2", key, version=version)
        for payload in sent:
            writer.publish(name, payload)
        got = [message.payload for message in one.messages()]
        assert got == sent[:window]  # it takes no more
        one.unsubscribe(key)
        with home.persistent(f"{name}-2", version)[0] as two:
            assert payloads(two, 20) == sent[window:]
            one.close()
            assert payloads(two, window) == sent[:window]
            assert two.messages() == []
