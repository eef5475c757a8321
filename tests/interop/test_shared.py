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
