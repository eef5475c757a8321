"""The messages that a client publishes: aliases, limits, and which of them are unacknowledged."""

from sekisho.mqtt.decoding import decode_publish
from sekisho.mqtt.packets import NO_PROPERTIES, Packet, Puback, Publish, Violation
from sekisho.mqtt.primitives import MalformedPacket, protocol_error
from sekisho.mqtt.profile import Limits, Profile
from sekisho.mqtt.reasons import Reason
from sekisho.mqtt.rules import check_message_properties, refuse_if
from sekisho.mqtt.topics import check_topic

_TOPICS_KNOWN = 64  # topics per connection that need not be checked again

_tuple = tuple.__new__  # a NamedTuple's own constructor is a Python function that does only this


class Inbound:
    """One client's side of PUBLISH."""

    __slots__ = (
        "_aliases",
        "_field",
        "_limits",
        "_maximum_payload",
        "_maximum_qos",
        "_profile",
        "_retain_available",
        "_topic",
        "_topics",
        "_unacknowledged",
    )

    def __init__(self, profile: Profile, limits: Limits) -> None:
        self._field = b""
        self._topic = ""
        """The last topic, if there was one, and its bytes: a device mostly publishes on one, and then nothing
        is looked up."""
        self._limits = limits
        self._maximum_payload = limits.payload
        self._maximum_qos = profile.maximum_qos
        self._profile = profile
        self._retain_available = profile.retain_available
        self._aliases: dict[int, str] = {}
        self._topics: dict[bytes, str] = {}
        """The topics that were judged, by their bytes with the length before them."""
        self._unacknowledged: set[int] = set()

    @property
    def full(self) -> bool:
        """Whether as many messages of QoS 1 and 2 are unacknowledged as the limit allows."""
        return len(self._unacknowledged) >= self._limits.inbound_inflight

    def release(self, packet_id: int) -> None:
        """A message was acknowledged: its slot is free."""
        self._unacknowledged.discard(packet_id)

    def take_plain(self, data: bytes, version: int, packets: list[Packet | Violation]) -> int:
        """Take the packets at the beginning that are as most are, and tell how many bytes they were: PUBACKs
        of success, and PUBLISHes without retain, duplicate and properties on topics that were judged before.

        What is different in any way, or wrong, is left to the framer and to `take`."""
        topics, longest, unacknowledged = self._topics, self._maximum_payload, self._unacknowledged
        room = self._limits.inbound_inflight if self._maximum_qos else 0
        at, size = 0, len(data)
        while size - at > 3:
            first, length, field = data[at], data[at + 1], at + 2
            if first == 0x40 and length == 2:
                packet_id = data[field] << 8 | data[field + 1]
                if not packet_id:
                    break
                at += 4
                packets.append(_tuple(Puback, (packet_id, 0, NO_PROPERTIES)))
                continue
            if length > 0x7F:
                high = data[field]
                if not 0 < high < 0x80:  # a third byte, or a longer form than needed
                    break
                length += high - 1 << 7
                field += 1
            end = field + length
            if end > size or length < 3:
                break
            topic = self._topic
            if topic and data.startswith(self._field, field, end):
                start = field + len(self._field)
            else:
                start = field + 2 + (data[field] << 8 | data[field + 1])
                raw = data[field:start]
                found = topics.get(raw)
                if found is None:
                    break
                self._field, self._topic = raw, found
                topic = found
            if first == 0x30:
                packet_id = 0
            elif first == 0x32 and end - start > 1 and len(unacknowledged) < room:
                packet_id = data[start] << 8 | data[start + 1]
                start += 2
                if not packet_id:
                    break
            else:
                break
            if version == 5:
                if start >= end or data[start]:
                    break
                start += 1
            if not end - longest <= start <= end:
                break
            if packet_id:
                unacknowledged.add(packet_id)
            packets.append(
                _tuple(
                    Publish,
                    (
                        topic,
                        data[start:end],
                        first >> 1 & 1,
                        False,
                        False,
                        packet_id,
                        NO_PROPERTIES,
                        data[at:end],
                    ),
                )
            )
            at = end
        return at

    def take(self, first: int, body: bytes, version: int) -> Publish:
        """The PUBLISH of one frame, its topic alias resolved and taken off. Raises MalformedPacket."""
        packet = decode_publish(first, body, version)
        topic, payload, qos, retain, _, packet_id, properties, _ = packet
        if properties:
            refuse_if(check_message_properties(properties))
            if "topic_alias" in properties:
                packet = self._resolve(packet)
                topic = packet.topic
        field = body[: 2 + (body[0] << 8 | body[1])]
        # What a topic alias stands for was judged when the alias was given.
        if field not in self._topics and (len(field) > 2 or not topic):
            self._learn(field, topic, version)
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

    def _learn(self, field: bytes, topic: str, version: int) -> None:
        if not topic and version == 5:
            raise protocol_error("a PUBLISH has neither a topic nor a topic alias")  # section 3.3.2.1
        wrong = check_topic(topic, self._limits.topic_bytes, self._limits.topic_slashes)
        if wrong is not None:
            raise MalformedPacket(Reason.TOPIC_NAME_INVALID, wrong)
        if len(self._topics) >= _TOPICS_KNOWN:
            self._topics.clear()
        self._topics[field] = topic
