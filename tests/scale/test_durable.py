"""kill -9 in the middle of it: what a publisher has a PUBACK for arrives after the restart."""

from __future__ import annotations

import itertools
import random
import threading

import pytest

from interop.devices import until
from interop.packets import PUBACK, publish_packet
from interop.places import UNLIMITED, place
from interop.wire import Closed, Wire

ROUNDS = 20
PUBLISHERS = 2
AT_ONCE = 50
LOST = (Closed, OSError, TimeoutError)


class Publisher(threading.Thread):
    """Publishes with QoS 1, many at a time, until the node is gone."""

    def __init__(self, wire: Wire, topic: str, numbers: itertools.count) -> None:
        super().__init__()
        self.wire = wire
        self.topic = topic
        self.numbers = numbers
        self.acknowledged: set[bytes] = set()

    def run(self) -> None:
        try:
            while True:
                sent = {packet_id: b"%d" % next(self.numbers) for packet_id in range(1, AT_ONCE + 1)}
                packets = (
                    publish_packet(self.topic, payload, qos=1, packet_id=packet_id)
                    for packet_id, payload in sent.items()
                )
                self.wire.send(b"".join(packets))
                for _ in sent:
                    packet_id = int.from_bytes(self.wire.take(PUBACK).body[:2])
                    self.acknowledged.add(sent[packet_id])
        except LOST:
            self.wire.close()


class Receiver(threading.Thread):
    """Takes what comes, and acknowledges it, until the node is gone."""

    def __init__(self, wire: Wire, received: set[bytes]) -> None:
        super().__init__()
        self.wire = wire
        self.received = received

    def run(self) -> None:
        try:
            while True:
                self.received.add(self.wire.message().payload)
        except LOST:
            self.wire.close()


@pytest.mark.timeout(600)
def test_no_acknowledged_message_is_lost(tmp_path, database_url):
    chance = random.Random(7)
    acknowledged: set[bytes] = set()
    received: set[bytes] = set()
    numbers = itertools.count()
    with place(tmp_path, UNLIMITED, f"database={database_url}") as here:
        here.subscribed_and_gone("reader", "work/+")
        for round_ in range(ROUNDS):
            online = bool(round_ % 2)
            threads: list[threading.Thread] = []
            if online:
                wire, present = here.persistent("reader")
                assert present
                threads.append(Receiver(wire, received))
            publishers = [
                Publisher(here.online(f"writer-{number}"), f"work/{number}", numbers)
                for number in range(PUBLISHERS)
            ]
            threads += publishers
            for thread in threads:
                thread.start()
            enough = chance.randrange(1, 500)
            until(lambda: sum(len(p.acknowledged) for p in publishers) >= enough)  # noqa: B023
            here.node.kill()
            for thread in threads:
                thread.join()
            for publisher in publishers:
                acknowledged |= publisher.acknowledged
            here.node.start()
            wire, present = here.persistent("reader")
            with wire:
                assert present, f"round {round_}: the session is gone"
                while not acknowledged <= received:
                    try:
                        received.add(wire.message().payload)
                    except TimeoutError:
                        lost = sorted(acknowledged - received, key=int)
                        raise AssertionError(f"round {round_}, online {online}: lost {lost[:20]}") from None
                wire.disconnect()
    assert len(acknowledged) > ROUNDS
