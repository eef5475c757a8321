"""How long an issued certificate is valid: AWS's fixed end, or beyond AWS days from its issue or another end.

A validity is a document: ``{"days": n}`` from 1, or ``{"notAfter": epoch seconds}``. RFC 5280, 4.1.2.5: dates
through 2049 are written as UTCTime, from 2050 on as GeneralizedTime, up to the end of the year 9999.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sekisho.logic.certificate_issue import NOT_AFTER

Validity = Mapping[str, Any]

AWS: Validity = {"notAfter": NOT_AFTER.timestamp()}
"""AWS IoT Developer Guide, X.509 client certificates: what AWS IoT issues ends at 2049-12-31T23:59:59Z."""

DAY = 86400.0

EARLIEST = -631_065_600.0
"""Epoch seconds of 1950-01-02: a certificate's dates begin with 1950 (RFC 5280, 4.1.2.5.1)."""

LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class BadValidity(ValueError):
    """No certificate can have it; the words say why."""


def validity_of(days: int | None, not_after: float | None) -> Validity:
    """The validity that two members name, of which exactly one is given; raises `BadValidity`."""
    if (days is None) == (not_after is None):
        raise BadValidity("give either days or notAfter")
    return {"days": days} if days is not None else {"notAfter": float(not_after or 0.0)}


def end_of(validity: Validity, now: float, issuer_end: datetime) -> datetime:
    """When a certificate ends that is issued ``now`` (epoch seconds), to the second.

    Raises `BadValidity` when it would have ended already, outlive its issuer, or have a date that X.509
    cannot write.
    """
    if now < EARLIEST:
        raise BadValidity("the clock is before 1950, where a certificate's dates begin")
    if "days" in validity:
        end = int(now) + validity["days"] * DAY
        words = f"{validity['days']} days from now"
    else:
        end = float(int(validity["notAfter"]))
        words = "its end"
    if end > LATEST.timestamp():
        raise BadValidity(f"{words} is after {LATEST.isoformat()}, the last date that X.509 has")
    if end <= now:
        raise BadValidity(f"{words}, {_shown(end)}, is not after the clock's time, {_shown(now)}")
    if end > issuer_end.timestamp():
        raise BadValidity(
            f"{words}, {_shown(end)}, is after the end of the node's CA, {issuer_end.isoformat()}: "
            "a certificate must not outlive its issuer"
        )
    return datetime.fromtimestamp(end, UTC)


def soonest(validities: Iterable[Validity], now: float) -> Validity | None:
    """The one by which a certificate that is issued ``now`` ends first; None of none."""
    return min(
        validities,
        key=lambda v: now + v["days"] * DAY if "days" in v else v["notAfter"],
        default=None,
    )


def _shown(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).isoformat()
