"""What a connection is given that AWS IoT would have refused or not done, for `sekisho explain` to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sekisho.broker.limits import Complaints
from sekisho.services.refusals import EXTENDED

if TYPE_CHECKING:
    from sekisho.broker.client import Client


class Feature(NamedTuple):
    """Something of the extended profile: what it is, and what AWS IoT does instead."""

    action: str
    reason: str
    effect: str


_REFUSES = "AWS IoT would have refused this: "
_CLOSES = "it was done; AWS IoT closes the connection"
_OTHERWISE = "AWS IoT would not have done this: "

# AWS IoT Developer Guide, "MQTT": differences from the MQTT specifications, and the reason codes.
HASH = Feature(
    "iot:Receive",
    f"{_OTHERWISE}there, a filter that ends in /# does not match the topic above it",
    "it was delivered; AWS IoT delivers only what is below",
)

IDENTIFIER = Feature(
    "iot:Subscribe",
    f"{_REFUSES}a SUBSCRIBE with a subscription identifier",
    f"{_CLOSES}, with DISCONNECT 0xA1",
)

RETAINED = Feature(
    "iot:Subscribe",
    f"{_OTHERWISE}there, retained messages are not sent for a filter with a wildcard",
    "they were sent",
)

WILL_DELAY = Feature(
    "iot:Connect",
    f"{_REFUSES}a will delay interval is not among what it documents, and strict nodes refuse it",
    "it was done; a strict node refuses the CONNECT, with CONNACK 0x83",
)

QOS_2 = Feature(
    "iot:Publish", f"{_REFUSES}a PUBLISH with QoS 2", f"{_CLOSES}, in MQTT 5 with DISCONNECT 0x9B"
)
QOS_2_SUBSCRIBE = QOS_2._replace(action="iot:Subscribe", reason=f"{_REFUSES}a SUBSCRIBE with QoS 2")
QOS_2_WILL = Feature(
    "iot:Connect",
    f"{_REFUSES}a will with QoS 2",
    f"{_CLOSES}, in MQTT 5 with CONNACK 0x9B",
)


class Beyond:
    """Records what was done for one connection: of each feature at most one record a second."""

    __slots__ = ("_client", "_complaints")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._complaints = Complaints()

    def note(self, feature: Feature, resource: str) -> None:
        """``resource`` is the topic or filter that it was about."""
        client = self._client
        if self._complaints.due(feature.reason, client.hub.clock.tick()):
            action, reason, effect = feature
            client.record(action=action, resource=resource, reason=reason, effect=effect, decision=EXTENDED)
