"""The server's side of one MQTT connection: bytes and time in, packets out; packets in, bytes out."""

from collections.abc import Callable
from enum import Enum, auto

from sekisho.mqtt.decoding import connect_version, decode
from sekisho.mqtt.encoding import encode, encode_ack, encode_publish
from sekisho.mqtt.framing import Framer
from sekisho.mqtt.inbound import Inbound
from sekisho.mqtt.packets import (
    NO_PROPERTIES,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Properties,
    Puback,
    Pubcomp,
    Pubrec,
    Subscribe,
    Violation,
)
from sekisho.mqtt.primitives import MAX_REMAINING, MalformedPacket, protocol_error
from sekisho.mqtt.profile import Limits, Profile
from sekisho.mqtt.reasons import ALLOWED, CONNACK_3, Reason
from sekisho.mqtt.rules import (
    FROM_SERVER,
    check_connect,
    check_disconnect,
    check_other,
    check_subscribe,
    refuse_if,
)

_TEXT_LONGEST = 1000  # characters of a reason string


class State(Enum):
    """Where a connection is."""

    AWAITING_CONNECT = auto()
    CONNECTING = auto()
    """CONNECT seen, not answered."""
    OPEN = auto()
    CLOSED = auto()
    """Nothing more is read or queued; what is queued may still be sent."""


# An enumeration's members are looked up anew each time they are named; these are asked for with every packet.
AWAITING_CONNECT, CONNECTING, OPEN, CLOSED = State


def effective_keep_alive(requested: int, limits: Limits) -> int:
    """The keep alive a server grants, in seconds: none (0) becomes the longest, any other is clamped."""
    if not requested:
        return limits.keep_alive_max
    return min(max(requested, limits.keep_alive_min), limits.keep_alive_max)


class Connection:
    """One client's connection. `now` is monotonic seconds everywhere.

    It answers nothing by itself: every packet, PINGREQ included, goes to the caller, who calls `accept`,
    `refuse`, `acknowledge`, `send` or `disconnect`, and writes `data_to_send()` to the wire. Methods that
    queue do nothing once the connection is CLOSED, and raise RuntimeError before it is OPEN.
    """

    __slots__ = (
        "_framer",
        "_heard",
        "_held",
        "_inbound",
        "_last_id",
        "_out",
        "_over",
        "_parted",
        "_patience",
        "_session_expiry",
        "deadline",
        "inflight",
        "limits",
        "peer_alias_maximum",
        "peer_maximum_packet_size",
        "peer_receive_maximum",
        "pending",
        "profile",
        "state",
        "version",
        "wants_problem_information",
        "window",
    )

    def __init__(self, profile: Profile, limits: Limits, now: float) -> None:
        # What each packet asks for comes first: compiled, it is side by side in memory.
        self.version = 0
        """0 before CONNECT, then 4 (3.1.1) or 5."""
        self.state = AWAITING_CONNECT
        self._over = False  # nothing more is read: a violation, or the client's DISCONNECT
        self._held = False  # the beginning of a packet is held by the framer
        self._inbound = Inbound(profile, limits)
        self._heard = now
        self._patience: float | None = None
        self.deadline: float | None = now + limits.connect_timeout
        """When to give up on the peer: the CONNECT timeout, then 1.5 × keep alive after its last packet
        [MQTT-3.1.2-22]. None when closed or without keep alive."""
        self.pending = 0
        """Bytes queued."""
        self._out: list[bytes] = []
        self.peer_maximum_packet_size = MAX_REMAINING + 5
        self.inflight: dict[int, object] = {}
        """Packet identifier -> token of what `publish` sent and the peer has not settled."""
        self.window = limits.outbound_inflight
        """How many messages that we send may be unacknowledged: our limit, or the peer's if that is less."""
        self._last_id = 0
        self._framer = Framer(limits.packet)
        self.profile = profile
        self.limits = limits
        self.peer_receive_maximum = 0xFFFF
        self.peer_alias_maximum = 0
        self.wants_problem_information = True
        self._parted = False  # the client's DISCONNECT was read
        self._session_expiry = 0

    # -- reading

    def receive(self, data: bytes, now: float) -> list[Packet | Violation]:
        """Take bytes from the wire; return the packets now complete, in order.

        A PUBLISH has its topic alias resolved and removed. What the peer must not do gives a last Violation,
        after which, as after a DISCONNECT, nothing is read any more; the state stays, for the caller to
        `disconnect`.
        """
        if self._over or self.state is CLOSED:
            return []
        packets: list[Packet | Violation] = []
        if self.version and not self._held:
            taken = self._inbound.take_plain(data, self.version, packets)
            if taken != len(data):
                self._receive(data[taken:] if taken else data, packets)
        else:
            self._receive(data, packets)
        if packets:
            self._heard = now
            if self._patience is not None:
                self.deadline = now + self._patience
        return packets

    def _receive(self, data: bytes, packets: list[Packet | Violation]) -> None:
        """What is not as most is: each packet framed, decoded, and judged."""
        framer = self._framer
        try:
            # Not waiting for the whole of what cannot be a CONNECT: its "length" may be anything.
            if self.state is AWAITING_CONNECT and framer.idle and data and data[0] != 0x10:
                raise protocol_error("the first packet is not CONNECT")  # [MQTT-3.1.0-1]
            for first, body in framer.feed(data):
                if self.version and first & 0xF0 == 0x30:
                    packets.append(self._inbound.take(first, body, self.version))
                else:
                    packets.append(self._packet(first, body))
                    if self._parted:
                        return
            self._held = not framer.idle
            if framer.error is not None:
                raise framer.error
        except MalformedPacket as error:
            self._over = True
            packets.append(Violation(error.reason, error.text))

    def _packet(self, first: int, body: bytes) -> Packet:
        kind = first >> 4
        if self.state is AWAITING_CONNECT:
            self.version = connect_version(body)
            if self.version:
                self.state = CONNECTING
            packet = decode(first, body, self.version)
            assert isinstance(packet, Connect)  # the first byte was looked at before
            self._connect(packet)
            return packet
        if kind == 1:
            raise protocol_error("a second CONNECT")  # [MQTT-3.1.0-2]
        if kind in FROM_SERVER:
            raise protocol_error(f"{FROM_SERVER[kind]} is not a client's to send")
        packet = decode(first, body, self.version)
        if isinstance(packet, Disconnect):
            refuse_if(check_disconnect(packet, self._session_expiry))
            self._over = self._parted = True  # [MQTT-3.14.4-1]
        elif isinstance(packet, Subscribe):
            refuse_if(check_subscribe(packet, self.profile, self.limits))
        elif isinstance(packet, Auth):
            if not self.profile.enhanced_auth:
                raise protocol_error("AUTH is not supported")
        else:
            refuse_if(check_other(packet, self.profile))
        return packet

    def _connect(self, packet: Connect) -> None:
        properties = packet.properties
        self.peer_receive_maximum = properties.get("receive_maximum", self.peer_receive_maximum)
        self.window = min(self.window, self.peer_receive_maximum)
        self.peer_maximum_packet_size = properties.get("maximum_packet_size", self.peer_maximum_packet_size)
        self.peer_alias_maximum = properties.get("topic_alias_maximum", 0)
        self.wants_problem_information = properties.get("request_problem_information", 1) == 1
        self._session_expiry = properties.get("session_expiry_interval", 0)
        self._patience = 1.5 * effective_keep_alive(packet.keep_alive, self.limits)
        refuse_if(check_connect(packet, self.profile, self.limits))

    # -- answering CONNECT, and ending

    def takes(self, properties: Properties) -> bool:
        """Whether a CONNACK with these properties is not too large for the peer [MQTT-3.1.2-24]. Where it is,
        the peer must be refused: before a CONNACK it may be sent nothing [MQTT-3.2.0-1]."""
        raw = encode(Connack(Reason.SUCCESS, False, properties), self.version)
        return len(raw) <= self.peer_maximum_packet_size

    def accept(self, session_present: bool, keep_alive: int | None, properties: Properties) -> None:
        """Queue the CONNACK of success and open the connection.

        `keep_alive` is the one in effect, in seconds (0 for none at all; None for what `effective_keep_alive`
        made of the request). In MQTT 5 `properties` are the CONNACK's, to the letter; 3.1.1 has none.
        """
        if self.state is CLOSED:
            return
        if self.state is not CONNECTING:
            raise RuntimeError("there is no CONNECT to accept")
        if keep_alive is not None:
            self._patience = 1.5 * keep_alive or None
        self.deadline = None if self._patience is None else self._heard + self._patience
        self._session_expiry = properties.get("session_expiry_interval", self._session_expiry)
        self.state = OPEN
        self._write(encode(Connack(Reason.SUCCESS, session_present, properties), self.version))

    def refuse(self, reason: int, text: str) -> None:
        """Answer CONNECT with an MQTT 5 reason, in MQTT 5 also with the text; then close.

        A 3.1.1 client gets the matching return code, or nothing where there is none [3.1.1 MQTT-3.2.2-6] or
        where the profile refuses silently. What no CONNACK may carry is sent as "unspecified error".
        """
        if self.state is CLOSED:
            return
        if self.state is OPEN:
            raise RuntimeError("CONNECT was accepted already")
        if self.version == 5:
            code = reason if reason in ALLOWED["CONNACK"] else Reason.UNSPECIFIED_ERROR
            self._answer(lambda properties: Connack(code, False, properties), text)
        elif self._has_return_code(reason):
            self._write(encode(Connack(reason, False, NO_PROPERTIES), 4))
        self._close()

    def _has_return_code(self, reason: int) -> bool:
        if reason not in CONNACK_3:
            return False
        if self.profile.silent_refusal_v3:
            # AWS does answer a wrong password, which only its custom authorizers look at.
            return self.version == 4 and reason == Reason.BAD_USER_NAME_OR_PASSWORD
        # A client of another protocol level is answered as one of 3.1.1 [3.1.1 MQTT-3.1.2-2].
        return self.version == 4 or reason == Reason.UNSUPPORTED_PROTOCOL_VERSION

    def disconnect(self, reason: int, text: str = "") -> None:
        """End the connection with an MQTT 5 reason.

        Before CONNECT was accepted this is `refuse`. After it, MQTT 5 gets a DISCONNECT; 3.1.1 gets nothing,
        nor does a client that has said DISCONNECT itself.
        """
        if self.state in (AWAITING_CONNECT, CONNECTING):
            self.refuse(reason, text)
        elif self.state is OPEN:
            if self.version == 5 and not self._parted:
                code = reason if reason in ALLOWED["DISCONNECT"] else Reason.UNSPECIFIED_ERROR
                # A reason string is allowed here whatever the client asked for [MQTT-3.1.2-29].
                self._answer(lambda properties: Disconnect(code, properties), text)
            self._close()

    def _close(self) -> None:
        self.state = CLOSED
        self.deadline = None

    # -- writing

    def send(self, packet: Packet) -> None:
        """Queue any packet; one that ends the handling of an inbound message frees its slot."""
        if isinstance(packet, Puback | Pubcomp) or (isinstance(packet, Pubrec) and packet.reason >= 0x80):
            self._inbound.release(packet.packet_id)
        self.queue(encode(packet, self.version))

    def queue(self, raw: bytes) -> None:
        """Queue one encoded packet. One that is larger than the peer takes counts as sent [MQTT-3.1.2-25]."""
        if self.state is not OPEN:
            if self.state is CLOSED:
                return
            raise RuntimeError("nothing may be sent before CONNECT is accepted")  # [MQTT-3.2.0-1]
        size = len(raw)
        if size <= self.peer_maximum_packet_size:
            self._out.append(raw)
            self.pending += size

    def data_to_send(self) -> bytes:
        """The bytes queued since the last call."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self.pending = 0
        return data

    @property
    def can_send(self) -> bool:
        """Whether the peer's receive maximum and our limit leave room for `publish` [MQTT-3.3.4-9]."""
        return len(self.inflight) < self.window

    @property
    def inbound_full(self) -> bool:
        """Whether as many inbound messages of QoS 1 and 2 are unacknowledged as the limit allows."""
        return self._inbound.full

    def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,
        properties: Properties,
        token: object,
        dup: bool = False,
    ) -> int:
        """Queue a PUBLISH of QoS 1 or 2 and remember `token` until it is settled; the packet identifier.

        0 when nothing was sent and nothing remembered: the packet is larger than the peer takes, which counts
        as sent and acknowledged [MQTT-3.1.2-25], or the connection is closed. Raises RuntimeError unless
        `can_send`.
        """
        if self.state is CLOSED:
            return 0
        if not self.can_send:
            raise RuntimeError("the window of unacknowledged messages is full")
        packet_id = self.number()
        raw = encode_publish(self.version, topic, payload, qos, retain, dup, packet_id, properties)
        if len(raw) > self.peer_maximum_packet_size:
            return 0
        self.queue(raw)
        self.inflight[packet_id] = token
        return packet_id

    def number(self) -> int:
        """A packet identifier that is free, for who makes the PUBLISH itself and enters it in `inflight`."""
        packet_id = self._last_id % 0xFFFF + 1
        while packet_id in self.inflight:
            packet_id = packet_id % 0xFFFF + 1
        self._last_id = packet_id
        return packet_id

    def publish_again(
        self, packet_id: int, topic: str, payload: bytes, qos: int, retain: bool, properties: Properties
    ) -> None:
        """Queue once more a PUBLISH that the peer has not settled, marked as a duplicate [MQTT-3.3.1-1]."""
        if self.state is OPEN and packet_id in self.inflight:
            self.queue(encode_publish(self.version, topic, payload, qos, retain, True, packet_id, properties))

    def settle(self, packet_id: int) -> object | None:
        """Free the packet identifier of a PUBACK or PUBCOMP; its token, or None if it is unknown."""
        return self.inflight.pop(packet_id, None)

    def discard(self, packet_id: int) -> None:
        """Free the slot of a received message that will not be acknowledged."""
        self._inbound.release(packet_id)

    def acknowledge(self, packet_id: int, reason: int = 0, text: str = "") -> None:
        """Queue the PUBACK of a received message and free its slot.

        3.1.1 has neither reason nor text; text is for who wants problem information [MQTT-3.1.2-29].
        """
        self._inbound.release(packet_id)
        if text and self.version == 5 and self.wants_problem_information and self.state is OPEN:
            self._answer(lambda properties: Puback(packet_id, reason, properties), text)
        else:
            self.queue(encode_ack(0x40, "PUBACK", packet_id, reason, NO_PROPERTIES, self.version))

    def _answer(self, build: Callable[[Properties], Packet], text: str) -> None:
        # A reason string that makes a packet too large is left out [MQTT-3.2.2-19], [MQTT-3.4.2-2],
        # [MQTT-3.14.2-3].
        if text:
            raw = encode(build({"reason_string": text[:_TEXT_LONGEST]}), 5)
            if len(raw) <= self.peer_maximum_packet_size:
                self._write(raw)
                return
        self._write(encode(build(NO_PROPERTIES), 5))

    def _write(self, raw: bytes) -> None:
        if len(raw) <= self.peer_maximum_packet_size:
            self._out.append(raw)
            self.pending += len(raw)
