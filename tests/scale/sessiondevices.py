"""What the model of sessions has of devices, seen from their side: messages, readers, groups, links."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from interop.packets import (
    CONNACK,
    DISCONNECT,
    PUBACK,
    PUBLISH,
    SUBACK,
    UNSUBACK,
    packet,
    read_properties,
    read_text,
)
from scale.pipe import Pipe, frames

if TYPE_CHECKING:
    from scale.sessionmodel import World

RETAINED = "retained"


def matching(filter: str, topic: str) -> bool:
    """AWS's rule: ``a/#`` does not match ``a``. Topics without $."""
    wanted, levels = plain(filter).split("/"), topic.split("/")
    for index, want in enumerate(wanted):
        if want == "#":
            return len(levels) > index
        if index >= len(levels) or want not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


def is_shared(filter: str) -> bool:
    return filter.startswith("$share/")


def plain(filter: str) -> str:
    return filter.split("/", 2)[2] if is_shared(filter) else filter


@dataclass(eq=False)
class Note:
    """One message, known by the number that is its payload."""

    number: int
    topic: str
    qos: int
    publisher: str
    expires: float
    routes: list[Waiting]
    """Who is to have it."""
    taken: bool = False
    """Whether its publisher has its PUBACK."""


@dataclass(eq=False)
class Waiting:
    """Numbers that a reader or a group is to be sent."""

    may: set[int] = field(default_factory=set)
    """They may come."""
    owed: set[int] = field(default_factory=set)
    """Of these, what must come."""
    spared: set[int] = field(default_factory=set)
    """What need not come any more: it was acknowledged, or could not be received for a while."""

    def owe(self, number: int) -> None:
        if number in self.may and number not in self.spared:
            self.owed.add(number)

    def spare(self, numbers: set[int]) -> None:
        self.spared |= numbers
        self.owed -= numbers

    def done(self, numbers: set[int]) -> None:
        self.may -= numbers
        self.owed -= numbers


@dataclass(eq=False)
class Reader(Waiting):
    """A persistent session from its making to its end, or a connection that has none."""

    client_id: str = ""
    durable: bool = False
    version: int = 4
    expiry: float = 0.0
    ends: float = 0.0
    """Civil time at which it ends; 0 while a client is connected."""
    subs: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] | None = None
    """What the subscriptions are when the broker has answered."""
    link: Link | None = None

    def qos(self, topic: str) -> int | None:
        """The highest of the plain subscriptions that match."""
        found = [q for f, q in self.subs.items() if not is_shared(f) and matching(f, topic)]
        return max(found, default=None)

    def wants(self, topic: str) -> bool:
        return any(matching(f, topic) for f in [*self.subs, *(self.asked or ())])


@dataclass(eq=False)
class Group(Waiting):
    given: dict[int, Link] = field(default_factory=dict)
    """Who was last sent a message."""


class Link:
    """One connection, seen from the device."""

    def __init__(self, world: World, client_id: str, version: int, expiry: float, window: int) -> None:
        self.world = world
        self.client_id = client_id
        self.version = version
        self.expiry = expiry
        self.window = window
        self.pipe: Pipe
        self.reader: Reader | None = None
        """None until the CONNACK."""
        self.resumes: Reader | None = None
        """The session that its CONNECT takes up."""
        self.open = True
        self.leaving = False
        """Whether this side has ended it, or another connection takes its client id."""
        self.acks = True
        self.unacknowledged: dict[int, tuple[int, str]] = {}
        """Packet identifier → number and topic, or :data:`RETAINED`."""
        self.acknowledged: set[int] = set()
        """Since the last rest."""
        self.had: set[int] = set()
        self.accepted = 0
        self.latest: dict[tuple[str, str, int, bool], int] = {}
        self.expected: set[int] = set()
        """Messages of QoS 0 since the last rest."""
        self.due: list[tuple[str, set[int | None]]] = []
        """For each subscription to a topic exactly: which retained message comes; None is none."""
        self.sending: dict[int, Note | None] = {}
        self.asked: dict[int, int] = {}
        """Packet identifier of SUBSCRIBE or UNSUBSCRIBE → reason codes that are to come."""
        self._next = 0
        self._buffer = b""

    def next_id(self) -> int:
        self._next += 1
        return self._next

    @property
    def online(self) -> bool:
        return self.open and self.reader is not None and not self.leaving

    @property
    def has_room(self) -> bool:
        return len(self.unacknowledged) < self.window

    def arrived(self, data: bytes) -> None:
        try:
            found, self._buffer = frames(self._buffer + data)
            for first, body in found:
                self._packet(first, body)
        except AssertionError as error:
            self.world.broken.append(str(error) or repr(error))

    def gone(self) -> None:
        self.open = False
        if not self.leaving:
            self.world.broken.append(f"the broker closed the connection of {self.client_id}")
        self.world.went(self)

    def _packet(self, first: int, body: bytes) -> None:
        kind = first >> 4
        assert self.reader is not None or kind in (CONNACK, DISCONNECT), f"packet {kind} before CONNACK"
        if kind == CONNACK:
            assert not body[1], f"CONNACK {body[1]:#x} for {self.client_id}"
            self.world.accepted(self, bool(body[0] & 1))
        elif kind == PUBLISH:
            self._publish(first, body)
        elif kind == PUBACK:
            assert len(body) == 2 or body[2] < 0x80, f"PUBACK {body[2]:#x}"
            note = self.sending.pop(int.from_bytes(body[:2]))
            if note is not None:
                note.taken = True
                for waiting in note.routes:
                    waiting.owe(note.number)
        elif kind in (SUBACK, UNSUBACK):
            reader = self.reader
            assert reader is not None
            self.asked.pop(int.from_bytes(body[:2]))
            if reader.asked is not None:
                reader.subs = reader.asked
        else:
            assert kind == DISCONNECT and self.leaving, f"packet {kind}"

    def _publish(self, first: int, body: bytes) -> None:
        qos, dup, retain = first >> 1 & 3, bool(first & 8), bool(first & 1)
        name, start = read_text(body, 0)
        topic = name.decode()
        packet_id = int.from_bytes(body[start : start + 2]) if qos else 0
        start += 2 if qos else 0
        if self.version == 5:
            _, start = read_properties(body, start)
        number = int(body[start:] or b"0")
        if packet_id:
            assert packet_id not in self.unacknowledged, f"packet identifier {packet_id} is in use"
            assert self.has_room, f"{self.client_id} has more than its receive maximum"
            self.unacknowledged[packet_id] = (number, RETAINED if retain else topic)
        self.world.arrived(self, topic, number, qos, dup=dup, retain=retain)
        if packet_id and self.acks:
            self.acknowledge(packet_id)

    def acknowledge(self, packet_id: int) -> None:
        number, topic = self.unacknowledged.pop(packet_id)
        if self.open and not self.pipe.is_closing():  # else the broker does not read it
            if number and topic != RETAINED:
                self.acknowledged.add(number)
                self.world.holder(self, topic).spare({number})
            self.pipe.send(packet(0x40, packet_id.to_bytes(2)))
