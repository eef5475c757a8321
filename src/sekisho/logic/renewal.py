"""The renewal of a device's certificate: its states, and what time and a connection make of them.

The order is that of AWS's published certificate rotator: the device makes a key and a signing request, gets a
certificate with the same policies and thing, connects with it, and only then the old one is retired.
"""

from __future__ import annotations

from typing import Literal

RenewalStatus = Literal["REQUESTED", "ISSUED", "SUCCEEDED", "TIMED_OUT", "ROLLED_BACK", "CANCELED"]

OPEN: frozenset[RenewalStatus] = frozenset({"REQUESTED", "ISSUED"})

WORDS: dict[RenewalStatus, str] = {
    "REQUESTED": "the device has been asked for a signing request",
    "ISSUED": "the device has its new certificate and has not connected with it yet",
    "SUCCEEDED": "the device has connected with its new certificate; the old one was retired",
    "TIMED_OUT": "the device sent no signing request in time; its certificate stays as it is",
    "ROLLED_BACK": "the device did not connect with its new certificate in time; that was retired",
    "CANCELED": "it was canceled; the old certificate stays",
}


def next_status(status: RenewalStatus, connected: bool, now: float, deadline: float) -> RenewalStatus:
    """What becomes of a renewal: ``connected`` says whether the device has connected with its new one;
    times are civil epoch seconds. A device that has connected is done, however late the node notices."""
    if status == "ISSUED" and connected:
        return "SUCCEEDED"
    if status in OPEN and now >= deadline:
        return "ROLLED_BACK" if status == "ISSUED" else "TIMED_OUT"
    return status


def due_id(at: float, name: str) -> str:
    """An id that sorts by time (epoch seconds, to the millisecond), then name."""
    return f"{max(0, int(at * 1000)):016d}-{name}"


def is_due(id: str, now: float) -> bool:
    """Whether the time of a `due_id` has come."""
    return int(id[:16]) <= now * 1000


def due_before(now: float) -> str:
    """What each `due_id` is less than whose time has come, and no other."""
    return f"{max(0, int(now * 1000) + 1):016d}"
