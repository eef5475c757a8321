"""The targets by name, and what is kept of their inputs: one line of hexadecimal digits each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from fuzz import doors, mqtt, topics

TARGETS: dict[str, Callable[[bytes], None]] = {
    "decoder": mqtt.decoder,
    "packet": mqtt.packet,
    "connection": mqtt.connection,
    "websocket": doors.websocket,
    "upgrade": doors.upgrade,
    "signature": doors.signature,
    "head": doors.head,
    "topics": topics.topics,
}

FOLDER = Path(__file__).parent / "corpus"


def load(target: str) -> list[bytes]:
    path = FOLDER / f"{target}.txt"
    return [bytes.fromhex(line) for line in path.read_text().split("\n")] if path.exists() else []


def store(target: str, inputs: Iterable[bytes]) -> None:
    """In an order that makes a difference readable: the shorter first."""
    lines = sorted({data.hex() for data in inputs}, key=lambda line: (len(line), line))
    (FOLDER / f"{target}.txt").write_text("\n".join(lines))
