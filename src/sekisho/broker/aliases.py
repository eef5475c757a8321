"""Topic aliases towards one MQTT 5 client (section 3.3.2.3.4)."""

from __future__ import annotations

from sekisho.mqtt.encoding import encode_publish
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Properties

MOST = 8
"""AWS IoT Developer Guide, MQTT 5 supported features: topic aliases, at most 8 in each direction."""


class Aliases:
    """The first topics that a client is sent get the aliases, until its connection ends [MQTT-3.3.2-7].

    ``peer_maximum`` is the client's Topic Alias Maximum [MQTT-3.1.2-26].
    """

    __slots__ = ("_given", "_most")

    def __init__(self, peer_maximum: int) -> None:
        self._most = min(peer_maximum, MOST)
        self._given: dict[str, int] = {}

    def of(self, topic: str) -> tuple[str, int]:
        """The topic to write (empty once the client knows its alias) and the alias; 0 for none."""
        alias = self._given.get(topic)
        if alias is not None:
            return "", alias
        return topic, len(self._given) + 1 if len(self._given) < self._most else 0

    def given(self, topic: str, alias: int) -> None:
        """A message with the topic and its alias has been written."""
        self._given[topic] = alias

    def encoded(self, message: Message, retain: bool, properties: Properties, longest: int) -> bytes:
        """The PUBLISH of QoS 0, with an alias if there is one and it is not more than ``longest`` bytes then;
        to be written if it is not more."""
        topic, alias = self.of(message.topic)
        if alias:
            aliased = {**properties, "topic_alias": alias}
            raw = encode_publish(5, topic, message.payload, 0, retain, False, 0, aliased)
            if len(raw) <= longest:
                self.given(message.topic, alias)
                return raw
        return encode_publish(5, message.topic, message.payload, 0, retain, False, 0, properties)
