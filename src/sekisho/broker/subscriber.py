"""SUBSCRIBE and UNSUBSCRIBE of one client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sekisho.broker import presence
from sekisho.mqtt.packets import NO_PROPERTIES, Suback, Subscribe, Subscription, Unsuback, Unsubscribe
from sekisho.mqtt.reasons import Reason
from sekisho.mqtt.topics import check_filter, parse_share

if TYPE_CHECKING:
    from sekisho.broker.client import Client


class Subscriber:
    """Judges filters one by one, and keeps the topic tree in step with what the client asked for."""

    __slots__ = ("_client",)

    def __init__(self, client: Client) -> None:
        self._client = client

    def subscribe(self, packet: Subscribe) -> None:
        client = self._client
        reasons = []
        added = []
        for wanted in packet.subscriptions:
            reason = self._subscribe(wanted)
            if reason is None:
                return  # the connection is being closed
            reasons.append(reason)
            if reason < Reason.UNSPECIFIED_ERROR:
                added.append(wanted.filter)
        client.connection.send(Suback(packet.packet_id, tuple(reasons), NO_PROPERTIES))
        client.flush()
        self._announce("subscribed", added)

    def unsubscribe(self, packet: Unsubscribe) -> None:
        client = self._client
        subscribers = client.hub.space(client.account, client.region).subscribers
        reasons = []
        removed = []
        for filter in packet.filters:
            if client.subscriptions.pop(filter, None) is not None:
                subscribers.remove(filter, client)
                removed.append(filter)
                reasons.append(int(Reason.SUCCESS))
            else:
                reasons.append(int(Reason.NO_SUBSCRIPTION_EXISTED))
        client.delivery.forget_decisions()
        client.connection.send(Unsuback(packet.packet_id, tuple(reasons), NO_PROPERTIES))
        client.flush()
        self._announce("unsubscribed", removed)

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
        if filter not in client.subscriptions and len(client.subscriptions) >= limits.subscriptions:
            # The 51st subscription closes the connection (AWS General Reference, AWS IoT quotas).
            words = f"more than {limits.subscriptions} subscriptions on one connection"
            effect = "the connection was closed"
            client.record(action="iot:Subscribe", resource=filter, reason=words, effect=effect)
            client.end(Reason.QUOTA_EXCEEDED, words, "CLIENT_ERROR")
            return None
        qos = min(wanted.qos, client.hub.profile.maximum_qos)
        client.subscriptions[filter] = wanted._replace(qos=qos)
        client.delivery.forget_decisions()
        subscribers = client.hub.space(client.account, client.region).subscribers
        subscribers.add(filter, client, client.delivery)
        return qos

    def _refuse(self, filter: str, words: str, code: int) -> int:
        reason = self._suback(code)
        self._client.record(
            action="iot:Subscribe", resource=filter, reason=words, effect=f"SUBACK {reason:#x}"
        )
        return reason

    def _suback(self, reason: int) -> int:
        """3.1.1 knows one failure [MQTT-3.9.3-2]."""
        return int(reason if self._client.connection.version == 5 else Reason.UNSPECIFIED_ERROR)

    def _announce(self, what: str, filters: Sequence[str]) -> None:
        client = self._client
        if filters and presence.has_events(client.client_id):
            event = presence.subscriptions(
                what, client.client_id, client.hub.clock.now(), client.session, client.certificate_id, filters
            )
            client.hub.announce(client.account, client.region, *event)
