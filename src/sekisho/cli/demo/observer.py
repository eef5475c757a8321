"""The fleet owner's ear: sees every device's telemetry, so that a report counts when someone got it."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from sekisho.cli.demo.backend import Identity
from sekisho.cli.demo.documents import OBSERVER, TELEMETRY
from sekisho.cli.demo.link import Link, Place
from sekisho.cli.demo.steps import Progress
from sekisho.cli.demo.waiting import Patience


class Observer:
    """A client with a certificate of its own; ready when it is made.

    :raises DidNotHappen: it could not connect or subscribe
    """

    def __init__(self, place: Place, identity: Identity, progress: Progress, patience: Patience) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._readings: dict[tuple[str, str], Future[None]] = {}
        self._link = Link(place, OBSERVER, identity.certificate_pem, identity.key.pem, patience)
        self._link.connect()
        try:
            self._link.subscribe(TELEMETRY, self._received)
        except BaseException:
            self.close()
            raise

    def arrival(self, topic: str, reading: str) -> Future[None]:
        """Done when this reading has arrived on this topic, be it before or after the call."""
        with self._lock:
            return self._readings.setdefault((topic, reading), Future())

    def _received(self, topic: str, body: dict[str, Any]) -> None:
        self._progress.count("telemetry")
        arrival = self.arrival(topic, body["reading"])
        if not arrival.done():
            arrival.set_result(None)

    def close(self) -> None:
        self._link.close()
