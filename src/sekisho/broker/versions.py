"""The version numbers of lifecycle events: which connection of a client id came after which. Pure: ``now`` is
passed in, in civil epoch seconds."""

from __future__ import annotations

from typing import NamedTuple

KEPT = 100_000
"""Client ids; those whose last connection is the oldest are forgotten first, and begin at 0."""

AWAY = 3600.0
"""Seconds without a connection after which a client id begins at 0 again; with a persistent session they are
the session's own (AWS IoT Developer Guide, Lifecycle events)."""

ClientKey = tuple[str, str, str]


class Last(NamedTuple):
    number: int
    until: float
    """When the number is forgotten; 0 while the client is connected."""


class Versions:
    """The last number of each client id, by account, region and client id."""

    def __init__(self) -> None:
        self._last: dict[ClientKey, Last] = {}

    def joined(self, client: ClientKey, now: float) -> int:
        """The number of a new connection; it is told in its ``connected`` and its ``disconnected`` event."""
        last = self._last.pop(client, None)
        number = 0 if last is None or 0 < last.until <= now else last.number + 1
        self._remember(client, Last(number, 0.0))
        return number

    def left(self, client: ClientKey, number: int, now: float, session_expiry: float) -> None:
        """A connection has ended; what it says of the client id counts if it was the newest."""
        last = self._last.get(client)
        if last is not None and last.number == number:
            self._last[client] = Last(number, now + (session_expiry or AWAY))

    def restore(self, client: ClientKey, number: int, ended: float, session_expiry: float) -> None:
        """What an earlier life of the node has told."""
        self._remember(client, Last(number, ended + (session_expiry or AWAY)))

    def _remember(self, client: ClientKey, last: Last) -> None:
        self._last.pop(client, None)
        self._last[client] = last  # at the end: the oldest go first when there are too many
        if len(self._last) > KEPT:
            del self._last[next(iter(self._last))]
