"""QoS 2 on the server's side (section 4.3.3): where each exchange is, in both directions."""

from enum import Enum, auto

MOST = 1000
"""Messages that a client may have published and not released, over all its connections."""


class Arrival(Enum):
    """What a PUBLISH or PUBREL of the client means."""

    NEW = auto()
    """Not seen before: take the message, and then call `taken`."""
    AGAIN = auto()
    """Taken before: PUBREC, and nothing else [MQTT-4.3.3-10]."""
    RELEASE = auto()
    """Forget the packet identifier, and then call `released`."""
    PENDING = auto()
    """What it asks for is under way."""
    UNKNOWN = auto()
    """A PUBREL of what is not there: PUBCOMP says so (section 3.7.2.1)."""
    EARLY = auto()
    """A PUBREL before its PUBREC: the client's fault [MQTT-4.3.3-4]."""
    FULL = auto()
    """More than `MOST`."""


class _Step(Enum):
    TAKING = auto()
    TAKEN = auto()
    RELEASING = auto()


class Received:
    """The packet identifiers of messages that a client has published and not released."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: dict[int, _Step] = {}

    def __contains__(self, packet_id: int) -> bool:
        return packet_id in self._steps

    def resume(self, packet_ids: list[int]) -> None:
        """What an earlier connection of the session left."""
        self._steps = dict.fromkeys(packet_ids, _Step.TAKEN)

    def publish(self, packet_id: int) -> Arrival:
        """A PUBLISH has come; if it is NEW, call `taking` when the message is allowed."""
        step = self._steps.get(packet_id)
        if step is None:
            return Arrival.NEW if len(self._steps) < MOST else Arrival.FULL
        return Arrival.PENDING if step is _Step.TAKING else Arrival.AGAIN

    def taking(self, packet_id: int) -> None:
        self._steps[packet_id] = _Step.TAKING

    def taken(self, packet_id: int) -> None:
        """The message is safe: PUBREC may go."""
        self._steps[packet_id] = _Step.TAKEN

    def release(self, packet_id: int) -> Arrival:
        """A PUBREL has come."""
        step = self._steps.get(packet_id)
        if step is None:
            return Arrival.UNKNOWN
        if step is not _Step.TAKEN:
            return Arrival.EARLY if step is _Step.TAKING else Arrival.PENDING
        self._steps[packet_id] = _Step.RELEASING
        return Arrival.RELEASE

    def released(self, packet_id: int) -> None:
        """Forgotten for good: PUBCOMP may go, and the identifier is as good as new [MQTT-4.3.3-12]."""
        self._steps.pop(packet_id, None)


class Stage(Enum):
    """Where a message towards the client is."""

    STARTING = auto()
    """It has its packet identifier; the PUBLISH is not written yet."""
    SENT = auto()
    """PUBLISH was written, PUBREC has not come."""
    RECEIVED = auto()
    """PUBREC has come; PUBREL is not written yet. From now on it is never published again [MQTT-4.3.3-6]."""
    RELEASED = auto()
    """PUBREL was written, PUBCOMP has not come."""
