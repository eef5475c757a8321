"""Points in time as AWS spells them; inside they are epoch seconds as a float, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

EARLIEST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,20})?([eE][+-]?\d{1,2})?", re.ASCII)
_MAX_TEXT = 64


def from_number(value: float) -> float:
    """Epoch seconds within the years 1 to 9999; ValueError outside them."""
    if not EARLIEST <= value <= LATEST:
        raise ValueError("a timestamp outside the years 1 to 9999")
    return float(value)


def from_text(text: str) -> float:
    """Epoch seconds from ISO 8601, an HTTP date or a number; ValueError if it is none of them."""
    if len(text) > _MAX_TEXT:
        raise ValueError("a timestamp that is too long")
    if _NUMBER.fullmatch(text):
        return from_number(float(text))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            raise ValueError("not a timestamp") from None
    try:
        return from_number(_aware(found).timestamp())
    except OverflowError:
        raise ValueError("a timestamp outside the years 1 to 9999") from None


def to_epoch(value: float | datetime) -> float:
    """Epoch seconds of a number or a datetime; one without a zone is UTC."""
    return from_number(_aware(value).timestamp() if isinstance(value, datetime) else value)


def to_wire(value: float | datetime, form: str) -> float | int | str:
    """``form`` is a ``timestampFormat`` of the models: unixTimestamp, iso8601 or rfc822."""
    # AWS tells time by the millisecond (Smithy, "Timestamp serialization and deserialization").
    epoch = round(to_epoch(value), 3)
    if form == "unixtimestamp":
        return int(epoch) if epoch == int(epoch) else epoch
    moment = datetime.fromtimestamp(epoch, UTC)
    if form == "rfc822":
        return format_datetime(moment.replace(microsecond=0), usegmt=True)
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z"


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
