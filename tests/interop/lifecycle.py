"""What an observer hears of one client: its lifecycle events, and its will."""

from __future__ import annotations

import json
import time

import pytest

from interop.packets import Will


class Events:
    """What happens to one client id, and to its will."""

    def __init__(self, observer, client_id, will="nothing"):
        self.observer = observer
        presence, subscriptions = "$aws/events/presence", "$aws/events/subscriptions"
        self.filters = [
            f"{presence}/connected/{client_id}",
            f"{presence}/disconnected/{client_id}",
            f"{presence}/connect_failed/{client_id}",
            f"{subscriptions}/subscribed/{client_id}",
            f"{subscriptions}/unsubscribed/{client_id}",
            will,
        ]
        assert observer.subscribe(*self.filters) == [1] * 6

    def next(self, what):
        """The next event, which must be of a kind, as (members that are the same in all, the others)."""
        message = self.observer.message()
        assert message.qos == 1
        event = json.loads(message.payload)
        assert message.topic.split("/")[-2:] == [what, event["clientId"]]
        assert event["eventType"] == what
        assert abs(event.pop("timestamp") / 1000 - time.time()) < 60
        return event


@pytest.fixture
def quitter(device):
    """May do what a device may, and leave a will."""
    return device("quitter")


def events_of(observer, device):
    return Events(observer, device.name, f"devices/{device.name}/will")


def will_of(device):
    return Will(f"devices/{device.name}/will", b"farewell", qos=1)


def assert_left(events, reason, *, will, by_client=False):
    """Disconnected with a reason, and the will is published or is not, in whatever order."""
    seen = [events.observer.message() for _ in range(2 if will else 1)]
    (gone,) = (json.loads(message.payload) for message in seen if message.payload != b"farewell")
    assert gone["eventType"] == "disconnected"
    assert gone["disconnectReason"] == reason
    assert gone["clientInitiatedDisconnect"] is by_client
    assert "ipAddress" not in gone
    assert events.observer.messages() == []
    return gone
