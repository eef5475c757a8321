"""The messages that a client publishes: aliases, limits, and which of them are unacknowledged."""

from sekisho.mqtt.decoding import decode_publish
from sekisho.mqtt.packets import NO_PROPERTIES, Publish
from sekisho.mqtt.primitives import MalformedPacket, protocol_error
from sekisho.mqtt.profile import Limits, Profile
from sekisho.mqtt.reasons import Reason
from sekisho.mqtt.rules import check_message_properties, refuse_if
from sekisho.mqtt.topics import check_topic

_TOPICS_KNOWN = 64  # topics per connection that need not be checked again


class Inbound:
    """One client's side of PUBLISH."""

    __slots__ = (
        "_aliases",
        "_limits",
        "_maximum_payload",
        "_maximum_qos",
        "_profile",
        "_retain_available",
        "_topics",
        "_unacknowledged",
    )

    def __init__(self, profile: Profile, limits: Limits) -> None:
        self._profile = profile
        self._limits = limits
        self._maximum_payload = limits.payload
        self._maximum_qos = profile.maximum_qos
        self._retain_available = profile.retain_available
        self._aliases: dict[int, str] = {}
        self._topics: set[str] = set()
        self._unacknowledged: set[int] = set()

    @property
    def full(self) -> bool:
        """Whether as many messages of QoS 1 and 2 are unacknowledged as the limit allows."""
        return len(self._unacknowledged) >= self._limits.inbound_inflight

    def release(self, packet_id: int) -> None:
        """A message was acknowledged: its slot is free."""
        self._unacknowledged.discard(packet_id)

    def take(self, first: int, body: bytes, version: int) -> Publish:
        """The PUBLISH of one frame, its topic alias resolved and taken off. Raises MalformedPacket."""
        packet = decode_publish(first, body, version)
        topic, payload, qos, retain, _, packet_id, properties = packet
        if properties:
            refuse_if(check_message_properties(properties))
            if "topic_alias" in properties:
                packet = self._resolve(packet)
                topic = packet.topic
        if topic not in self._topics:
            self._learn(topic, version)
        if len(payload) > self._maximum_payload:
            raise MalformedPacket(
                Reason.QUOTA_EXCEEDED, f"the payload is larger than {self._maximum_payload} bytes"
            )
        if retain and not self._retain_available:
            raise MalformedPacket(Reason.RETAIN_NOT_SUPPORTED, "retained messages are not supported")
        if qos:
            self._occupy(packet_id, qos, version)
        return packet

    def _occupy(self, packet_id: int, qos: int, version: int) -> None:
        if qos > self._maximum_qos:
            raise MalformedPacket(Reason.QOS_NOT_SUPPORTED, f"QoS {qos} is not supported")
        # 3.1.1 has no Receive Maximum to break: there the caller stops reading while it is full.
        if version == 5 and self.full and packet_id not in self._unacknowledged:  # [MQTT-3.3.4-7]
            raise MalformedPacket(
                Reason.RECEIVE_MAXIMUM_EXCEEDED,
                f"more than {self._limits.inbound_inflight} messages are unacknowledged",
            )
        self._unacknowledged.add(packet_id)

    def _resolve(self, packet: Publish) -> Publish:
        """The packet with its topic alias learnt or looked up, and taken off (section 3.3.2.3.4)."""
        properties = dict(packet.properties)
        alias = properties.pop("topic_alias")
        maximum = self._profile.topic_alias_maximum
        if alias > maximum:  # [MQTT-3.3.2-9]
            raise MalformedPacket(
                Reason.TOPIC_ALIAS_INVALID, f"topic alias {alias} is above the maximum of {maximum}"
            )
        topic = packet.topic or self._aliases.get(alias)
        if topic is None:
            raise protocol_error(f"topic alias {alias} was never given a topic")
        self._aliases[alias] = topic
        return packet._replace(topic=topic, properties=properties or NO_PROPERTIES)

    def _learn(self, topic: str, version: int) -> None:
        if not topic and version == 5:
            raise protocol_error("a PUBLISH has neither a topic nor a topic alias")  # section 3.3.2.1
        wrong = check_topic(topic, self._limits.topic_bytes, self._limits.topic_slashes)
        if wrong is not None:
            raise MalformedPacket(Reason.TOPIC_NAME_INVALID, wrong)
        if len(self._topics) >= _TOPICS_KNOWN:
            self._topics.clear()
        self._topics.add(topic)
