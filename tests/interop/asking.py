"""A device asking for its identity over MQTT, without the SDK."""

from __future__ import annotations

import json
from typing import Any

from interop.wire import Wire


def ask(wire: Wire, topic: str, **members: Any) -> dict[str, Any]:
    """One request of the fleet provisioning API and its answer."""
    wire.subscribe(f"{topic}/accepted", f"{topic}/rejected")
    wire.publish(topic, json.dumps(members).encode())
    answer = wire.message()
    assert answer.topic == f"{topic}/accepted", answer.payload
    return json.loads(answer.payload)
