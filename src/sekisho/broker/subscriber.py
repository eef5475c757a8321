"""SUBSCRIBE and UNSUBSCRIBE of one client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sekisho.broker import presence
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import NO_PROPERTIES, Suback, Subscribe, Subscription, Unsuback, Unsubscribe
from sekisho.mqtt.reasons import Reason
from sekisho.mqtt.topics import check_filter, parse_share

if TYPE_CHECKING:
    from sekisho.broker.client import Client


RESERVED = "$aws/"
"""How the topics of the platform begin, which retain nothing (AWS IoT Developer Guide, Reserved topics)."""


class Subscriber:
    """Judges filters one by one, and keeps the topic tree in step with what the client asked for."""

    __slots__ = ("_client",)

    def __init__(self, client: Client) -> None:
        self._client = client

    async def subscribe(self, packet: Subscribe) -> None:
        client = self._client
        if not client.joined:
            return  # the connection went before this began: nobody would take the subscriptions back
        reasons = []
        added = []
        known = frozenset(client.subscriptions)
        for wanted in packet.subscriptions:
            reason = self._subscribe(wanted)
            if reason is None:
                return  # the connection is being closed
            reasons.append(reason)
            if reason < Reason.UNSPECIFIED_ERROR:
                added.append(wanted.filter)
        retained = await self._retained(packet.subscriptions, added, known)
        await self._save(bool(added))
        client.connection.send(Suback(packet.packet_id, tuple(reasons), NO_PROPERTIES))
        client.flush()
        for message, qos in retained:
            client.delivery.retained(message, qos)
        if added:
            client.announce(presence.subscribed, added)
            if client.log is not None:
                client.log.subscribed(added)

    async def unsubscribe(self, packet: Unsubscribe) -> None:
        client = self._client
        if not client.joined:
            return
        reasons = []
        removed = []
        for filter in packet.filters:
            if client.subscriptions.pop(filter, None) is not None:
                client.hub.unsubscribe(client.sink, filter)
                removed.append(filter)
                reasons.append(int(Reason.SUCCESS))
            else:
                reasons.append(int(Reason.NO_SUBSCRIPTION_EXISTED))
        self._forget_decisions()
        await self._save(bool(removed))
        client.connection.send(Unsuback(packet.packet_id, tuple(reasons), NO_PROPERTIES))
        client.flush()
        if removed:
            client.announce(presence.unsubscribed, removed)
            if client.log is not None:
                client.log.unsubscribed(removed)

    def _subscribe(self, wanted: Subscription) -> int | None:
        """The reason code for one filter; None when the connection was closed for it."""
        client = self._client
        limits = client.hub.limits
        filter = wanted.filter
        wrong = check_filter(filter, limits.topic_bytes, limits.topic_slashes)
        if wrong is not None:
            return self._refuse(filter, wrong, Reason.TOPIC_FILTER_INVALID)
        if parse_share(filter)[0] is not None and not client.hub.profile.shared_available:
            wrong = "shared subscriptions are not implemented by this node"
            return self._refuse(filter, wrong, Reason.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
        if not client.authorizer.allows("iot:Subscribe", "topicfilter", filter):
            reason = self._suback(Reason.NOT_AUTHORIZED)
            words = f"not authorized to subscribe to {filter}"
            client.record_denial("iot:Subscribe", "topicfilter", filter, words, f"SUBACK {reason:#x}")
            return reason
        if parse_share(filter)[0] is not None:
            full = client.hub.groups.why_not(client.sink, filter)
            if full is not None:
                return self._refuse(filter, full, Reason.QUOTA_EXCEEDED)
        if filter not in client.subscriptions and len(client.subscriptions) >= limits.subscriptions:
            # The 51st subscription closes the connection (AWS General Reference, AWS IoT quotas).
            words = f"more than {limits.subscriptions} subscriptions on one connection"
            effect = "the connection was closed"
            client.record(action="iot:Subscribe", resource=filter, reason=words, effect=effect)
            client.end(Reason.QUOTA_EXCEEDED, words, "CLIENT_ERROR")
            return None
        qos = min(wanted.qos, client.hub.profile.maximum_qos)
        client.subscriptions[filter] = wanted._replace(qos=qos)
        self._forget_decisions()
        client.hub.subscribe(client.sink, filter, qos)
        return qos

    async def _retained(
        self, wanted: Sequence[Subscription], added: Sequence[str], known: frozenset[str]
    ) -> list[tuple[Message, int]]:
        """The retained messages that new subscriptions get: on AWS, of filters that are a topic exactly."""
        client = self._client
        found = []
        for subscription in wanted:
            filter = subscription.filter
            # 1 wants them for a new subscription only, 2 never [MQTT-3.3.1-10], [MQTT-3.3.1-11].
            unwanted = subscription.retain_handling == 2 or (subscription.retain_handling and filter in known)
            if filter not in added or unwanted or "+" in filter or "#" in filter:
                continue
            if filter.startswith(RESERVED):
                continue  # nothing is retained there, so nobody has to be asked
            message = await client.hub.retained.get(client.account, client.region, filter)
            if message is not None:
                found.append((message, client.subscriptions[filter].qos))
        return found

    async def _save(self, changed: bool) -> None:
        client = self._client
        if changed and client.durable is not None:
            await client.hub.sessions.save(client.durable)

    def _forget_decisions(self) -> None:
        client = self._client
        client.delivery.forget_decisions()
        if client.durable is not None:
            client.durable.forget_decisions()

    def _refuse(self, filter: str, words: str, code: int) -> int:
        reason = self._suback(code)
        self._client.record(
            action="iot:Subscribe", resource=filter, reason=words, effect=f"SUBACK {reason:#x}"
        )
        return reason

    def _suback(self, reason: int) -> int:
        """3.1.1 knows one failure [3.1.1 MQTT-3.9.3-2]."""
        return int(reason if self._client.connection.version == 5 else Reason.UNSPECIFIED_ERROR)
