"""Which QoS 1 messages a client has left unacknowledged for so long that they are sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

GIVE_UP = {4: 3600.0, 5: 960.0}
"""Version → seconds until an unacknowledged message is dropped (AWS General Reference, AWS IoT Core quotas,
"Maximum retry interval for delivering QoS 1 messages")."""


class Seen(NamedTuple):
    token: Any
    first: float
    """When it was first found unacknowledged."""
    last: float
    """When it was last sent again, or else ``first``."""


class Due(NamedTuple):
    again: list[int]
    given_up: list[int]


class Resends:
    """Looks at what is unacknowledged from time to time, so that sending and acknowledging cost nothing.

    ``after`` and ``give_up`` are in seconds. Looking every ``after / 2`` seconds sends again between 1 and
    1.5 times ``after``.
    """

    __slots__ = ("_after", "_give_up", "_seen")

    def __init__(self, after: float, give_up: float) -> None:
        self._after = after
        self._give_up = give_up
        self._seen: dict[int, Seen] = {}

    def look(self, unacknowledged: Mapping[int, object], now: float) -> Due:
        """The packet identifiers to send again, and those to give up, at ``now`` (monotonic seconds)."""
        due = Due([], [])
        known, self._seen = self._seen, {}
        for packet_id, token in unacknowledged.items():
            seen = known.get(packet_id)
            if seen is None or seen.token is not token:  # the identifier may be another message's by now
                seen = Seen(token, now, now)
            elif now - seen.first >= self._give_up:
                due.given_up.append(packet_id)
                continue
            elif now - seen.last >= self._after:
                due.again.append(packet_id)
                seen = seen._replace(last=now)
            self._seen[packet_id] = seen
        return due
