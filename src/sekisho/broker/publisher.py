"""PUBLISH of one client: may it, whom does it reach, and when is it acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from sekisho.broker.both import both
from sekisho.broker.delivery import KEPT_DECISIONS
from sekisho.mqtt.message import Message, in_range
from sekisho.mqtt.packets import NO_PROPERTIES, Publish
from sekisho.mqtt.reasons import Reason

if TYPE_CHECKING:
    from sekisho.broker.client import Client


class Publisher:
    """Judges topics, remembering what it decided, and makes messages of packets."""

    __slots__ = ("_client", "_publishable", "_topic", "trace")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._publishable: dict[str, bool] = {}
        self._topic = ""
        """The last one that was allowed: a device mostly publishes on one, and then nothing is looked up."""
        self.trace = ""
        """What log entries of the next message have in common; '' while none are written."""

    def forget_decisions(self) -> None:
        self._publishable.clear()
        self._topic = ""

    def publish(self, packet: Publish) -> Awaitable[None] | None:
        topic, payload, qos, retain, _, packet_id, properties, frame = packet
        if topic is not self._topic:
            allowed = self._publishable.get(topic)
            if allowed is None:
                allowed = self._decide(topic)
            if not allowed:
                self._refuse(packet)
                return None
            self._topic = topic
        if retain and not self._may_retain(topic):
            self._refuse(packet)
            return None
        client = self._client
        hub = client.hub
        if retain and hub.retained.refuses(client.account, client.region, payload):
            self._throttle(packet)
            return None
        message = Message(
            client.account,
            client.region,
            topic,
            payload,
            qos,
            retain,
            in_range(properties) if properties else NO_PROPERTIES,
            client.client_id,
            client.principal_id,
            client.address,
            hub.clock.now(),
            self.trace,
            frame,
            client.connection.version if frame else 0,
        )
        if topic[0] == "$":
            hub.request(message)
            pending = None
        else:
            pending = hub.publish(message, client.space)
            if retain:
                pending = both(pending, hub.retained.keep(message))
        if not qos:
            return pending
        if pending is None:
            client.connection.acknowledge(packet_id)
            return None
        # What follows need not wait: several publishes share one commit, and acknowledgements may be late.
        taken = asyncio.ensure_future(pending)
        taken.add_done_callback(lambda done: self._acknowledge(done, packet_id))
        return taken if client.connection.inbound_full or hub.mailbox.crowded else None

    def discard(self, packet: Publish) -> None:
        """A PUBLISH is neither taken nor answered."""
        self._client.connection.discard(packet.packet_id)

    def _acknowledge(self, taken: asyncio.Future[None], packet_id: int) -> None:
        """A message is on the disk, or could not be put there: then it must not be acknowledged."""
        if taken.cancelled() or taken.exception() is not None:
            self._client.end(Reason.UNSPECIFIED_ERROR, "the message could not be stored", "SERVER_ERROR")
            return
        self._client.connection.acknowledge(packet_id)
        self._client.flush()

    def allows(self, topic: str) -> bool:
        return self._client.authorizer.allows("iot:Publish", "topic", topic)

    def _may_retain(self, topic: str) -> bool:
        """Retaining needs a right of its own; reserved topics retain nothing (AWS IoT Developer Guide)."""
        return topic[0] != "$" and self._client.authorizer.allows("iot:RetainPublish", "topic", topic)

    def _decide(self, topic: str) -> bool:
        allowed = self.allows(topic) and (topic[0] != "$" or bool(self._client.hub.engines.match(topic)))
        if len(self._publishable) >= KEPT_DECISIONS:
            self._publishable.clear()
        self._publishable[topic] = allowed
        return allowed

    def _throttle(self, packet: Publish) -> None:
        """Discard what cannot be retained, as what is beyond a rate is; in MQTT 5 AWS has PUBACK 0x97."""
        client = self._client
        client.hub.counters["throttled"] += 1
        words, effect = client.hub.retained.words(), "the message was discarded"
        answer = "PUBREC" if packet.qos == 2 else "PUBACK"
        if packet.qos and client.connection.version == 5:
            effect += f", {answer} 0x97 (quota exceeded)"
            self._answer(packet, Reason.QUOTA_EXCEEDED, words)
        elif packet.qos:
            effect += f", without a {answer}"
            client.connection.discard(packet.packet_id)
        client.record(action="iot:RetainPublish", resource=packet.topic, reason=words, effect=effect)

    def _refuse(self, packet: Publish) -> None:
        topic = packet.topic
        closes = self._client.connection.version == 4 or not packet.qos
        answer = "PUBREC" if packet.qos == 2 else "PUBACK"
        effect = "the connection was closed" if closes else f"{answer} 0x87 (not authorized)"
        code: int = Reason.NOT_AUTHORIZED
        disconnect_reason = "CLIENT_ERROR"
        if not self.allows(topic):
            words = f"not authorized to publish to {topic}"
            self._client.record_denial("iot:Publish", "topic", topic, words, effect)
            disconnect_reason = "AUTH_ERROR"
        elif packet.retain and topic[0] != "$":
            words = f"not authorized to retain a message on {topic}"
            self._client.record_denial("iot:RetainPublish", "topic", topic, words, effect)
            disconnect_reason = "AUTH_ERROR"
        else:
            words = f"{topic} is reserved, and nothing on this node answers there"
            self._client.record(action="iot:Publish", resource=topic, reason=words, effect=effect)
        if closes:
            self._client.end(code, words, disconnect_reason)
        else:
            self._answer(packet, code, words)

    def _answer(self, packet: Publish, code: int, words: str) -> None:
        self._client.connection.acknowledge(packet.packet_id, code, words)
        self._client.flush()
