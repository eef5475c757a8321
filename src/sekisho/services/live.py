"""What operations may ask of the broker: who is connected now, and to do something about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol

from sekisho.mqtt.message import Message
from sekisho.services.work import Posted

Address = tuple[str, int]


class Link(NamedTuple):
    """A connection that lasts: ``connected_at`` is civil epoch seconds, ``keep_alive`` the seconds that the
    client asked for, ``peer`` its address and ``local`` ours."""

    connected_at: float
    keep_alive: int
    clean_session: bool
    thing_name: str
    peer: Address
    local: Address


class Presence(NamedTuple):
    """What the broker has of a client id: a connection, a persistent session, or both.

    ``session_expiry`` is in seconds, 0 for a session that ends with its connection; ``subscriptions`` is
    topic filter → QoS.
    """

    link: Link | None
    session_expiry: int
    subscriptions: Mapping[str, int]


class Group(NamedTuple):
    """A shared subscription: its members, how many of them are connected, and whether messages of QoS 1 wait
    while none is."""

    members: int
    connected: int
    queues: bool


class Sent(Enum):
    """What became of a message to one client."""

    DONE = auto()
    """Written to the connection and, if that was asked for, acknowledged."""
    ABSENT = auto()
    """The client is not connected."""
    FORBIDDEN = auto()
    """The client's policies do not let it receive from the topic."""
    FULL = auto()
    """As many messages as may be are unacknowledged already, or the client does not read."""
    TOO_LARGE = auto()
    """The client said at CONNECT that it takes no packet as large."""
    SILENT = auto()
    """No acknowledgement in time."""


class Connections(Protocol):
    """The broker as operations see it."""

    def find(self, account: str, region: str, client_id: str) -> Presence | None:
        """None when the client id has neither a connection nor a persistent session."""
        ...

    async def end(
        self, account: str, region: str, client_id: str, *, clean_session: bool, prevent_will: bool
    ) -> bool:
        """Cut a client off, and end its session if wanted; False when there was neither."""
        ...

    async def send(self, message: Message, client_id: str, timeout: float | None) -> Sent:
        """Give a message to one client, subscribed or not; with a timeout, wait for its acknowledgement."""
        ...

    def why_not_retained(self, account: str, region: str, payload: bytes) -> str | None:
        """Why a message cannot be retained, in words."""
        ...

    async def post(self, posted: Sequence[Posted]) -> None:
        """Give messages of the outbox to whom their topics reach."""
        ...

    async def settle(self) -> None:
        """Have what has happened so far become rows."""
        ...

    def groups(self, account: str, region: str) -> Mapping[str, Group]:
        """The shared subscriptions, by ``$share/NAME/FILTER``."""
        ...

    def counters(self) -> Mapping[str, int]:
        """A value for each of :data:`COUNTERS`."""
        ...


class Counter(NamedTuple):
    name: str
    grows: bool
    meaning: str


COUNTERS = (
    Counter("connections", False, "MQTT clients that are connected to this node."),
    Counter("sessions", False, "Persistent sessions, their clients here or away."),
    Counter("subscriptions", False, "Subscriptions of all clients and sessions."),
    Counter("shared_subscriptions", False, "Shared subscriptions that have members."),
    Counter("retained", False, "Topics with a retained message."),
    Counter("queued", False, "Messages that wait for sessions and shared subscriptions."),
    Counter("queued_bytes", False, "Bytes of their topics, payloads and properties."),
    Counter("accepted", True, "MQTT connections accepted since the node started."),
    Counter(
        "unopened",
        True,
        "Connections that ended without a handshake or a CONNECT in time, since the node started.",
    ),
    Counter("published", True, "Messages that the broker was given since the node started."),
    Counter("delivered", True, "Messages sent to clients since the node started."),
    Counter("dropped", True, "Messages not sent because a client was too slow, since the node started."),
    Counter("overflowed", True, "Messages not queued because a queue was full, since the node started."),
    Counter("throttled", True, "Messages discarded because of a limit, since the node started."),
    Counter("refused", True, "Refusals since the node started: connections, publishes, subscriptions."),
)
"""What the broker counts; those that grow begin at 0 with the node."""
