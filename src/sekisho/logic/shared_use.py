"""Whether one certificate is used by more than one device, judged by its connections.

Three things show it: two client ids connected at once, two addresses connected at once, or one client id that
two addresses take from each other again and again (a broker lets a client id have one connection, so two
copies of a device cut each other off).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal, NamedTuple

Way = Literal["CLIENTS", "ADDRESSES", "TAKEOVERS"]

TAKEN_OVER = "DUPLICATE_CLIENTID"
TIMED_OUT = "MQTT_KEEP_ALIVE_TIMEOUT"

TO_AND_FRO = 600.0
"""Seconds within which two addresses take a client id from each other; a device that roams takes longer."""

SHOWN = 10


class Use(NamedTuple):
    """One connection with a certificate: times in civil epoch seconds, ``ended`` infinite while it lasts,
    ``reason`` why it ended, ``keep_alive`` the seconds that its client asked for."""

    id: str
    client_id: str
    address: str
    began: float
    ended: float
    reason: str = ""
    keep_alive: int = 0

    @property
    def alive_until(self) -> float:
        """Who was cut off for silence was gone one and a half keep-alives before, and may have come back."""
        return self.ended - 1.5 * self.keep_alive if self.reason == TIMED_OUT else self.ended


@dataclass(slots=True)
class Sharing:
    """What was seen: ``first`` and ``second`` are the two connections that show it last."""

    first: Use
    second: Use
    ways: set[Way] = field(default_factory=set)
    occurrences: int = 0
    clients: dict[str, None] = field(default_factory=dict)
    addresses: dict[str, None] = field(default_factory=dict)


def find_sharing(uses: Iterable[Use], since: float = -inf, until: float = inf) -> Sharing | None:
    """What the connections of one certificate show, of those that lasted at some time of the period; None if
    one device alone may have made them. Takes time n log n.
    """
    chosen = sorted(
        (use for use in uses if use.began < until and use.alive_until > since), key=lambda use: use.began
    )
    seen: list[tuple[Way, Use, Use]] = [
        *_overlaps("CLIENTS", chosen, [use.client_id for use in chosen]),
        *_overlaps("ADDRESSES", chosen, [use.address for use in chosen]),
        *_takeovers(chosen),
    ]
    if not seen:
        return None
    seen.sort(key=lambda found: found[2].began)
    _, first, second = seen[-1]
    sharing = Sharing(first, second, occurrences=len({second.id for _, _, second in seen}))
    for way, one, other in reversed(seen):
        sharing.ways.add(way)
        for use in (one, other):
            if len(sharing.clients) < SHOWN:
                sharing.clients[use.client_id] = None
            if len(sharing.addresses) < SHOWN:
                sharing.addresses[use.address] = None
    return sharing


def _overlaps(way: Way, uses: Sequence[Use], names: Sequence[str]) -> Iterable[tuple[Way, Use, Use]]:
    """Each use that began while one of another name lasted, with the one of those that lasts longest.

    Of what has begun so far the longest is kept, and the longest of any other name: one of them it is.
    """
    longest: tuple[str, Use] | None = None
    other: tuple[str, Use] | None = None
    for name, use in zip(names, uses, strict=True):
        rival = longest if longest is None or longest[0] != name else other
        if rival is not None and rival[1].alive_until > use.began:
            yield way, rival[1], use
        if longest is None or use.alive_until > longest[1].alive_until:
            if longest is not None and longest[0] != name:
                other = longest
            longest = name, use
        elif name != longest[0] and (other is None or use.alive_until > other[1].alive_until):
            other = name, use


def _takeovers(uses: Sequence[Use]) -> Iterable[tuple[Way, Use, Use]]:
    """Each use that took a client id back from the address that had taken it."""
    last: dict[str, Use] = {}
    taken: dict[tuple[str, str, str], float] = {}
    for use in uses:
        before = last.get(use.client_id)
        last[use.client_id] = use
        if before is None or before.reason != TAKEN_OVER or before.address == use.address:
            continue
        there = taken.get((use.client_id, use.address, before.address))
        if there is not None and use.began - there <= TO_AND_FRO:
            yield "TAKEOVERS", before, use
        taken[use.client_id, before.address, use.address] = use.began
