"""kill -9 in the middle of QoS 2: each message arrives, and arrives once."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter

import pytest

from interop.devices import until
from interop.packets import PUBLISH, packet, publish_packet, read_text
from interop.places import UNLIMITED, place
from interop.wire import Closed, Wire

ROUNDS = 12
AT_ONCE = 20
LOST = (Closed, OSError, TimeoutError)
PUBREC, PUBREL, PUBCOMP = 5, 6, 7
EXTENDED = "mqtt.profile=extended"


class Publisher:
    """A client with a session of its own: what is not complete goes on with the next connection (4.4)."""

    def __init__(self, numbers: itertools.count) -> None:
        self.numbers = numbers
        self.published: dict[int, bytes] = {}
        self.released: set[int] = set()
        self.received: set[bytes] = set()
        """What has a PUBREC."""

    def run(self, wire: Wire, stop: threading.Event) -> None:
        """Publish until told to stop, and then complete what is begun; or until the node is gone."""
        try:
            for packet_id, payload in self.published.items():
                self._publish(wire, packet_id, payload, dup=True)
            for packet_id in self.released:
                wire.send(packet(0x62, packet_id.to_bytes(2)))
            while True:
                while not stop.is_set() and len(self.published) + len(self.released) < AT_ONCE:
                    used = self.published.keys() | self.released
                    packet_id = next(number for number in itertools.count(1) if number not in used)
                    self.published[packet_id] = b"%d" % next(self.numbers)
                    self._publish(wire, packet_id, self.published[packet_id], dup=False)
                if not self.published and not self.released:
                    return
                got = wire.read()
                packet_id = int.from_bytes(got.body[:2])
                if got.kind == PUBREC:
                    if packet_id in self.published:
                        self.received.add(self.published.pop(packet_id))
                        self.released.add(packet_id)
                    wire.send(packet(0x62, packet_id.to_bytes(2)))
                elif got.kind == PUBCOMP:
                    self.released.discard(packet_id)
        except LOST:
            wire.close()

    def _publish(self, wire: Wire, packet_id: int, payload: bytes, *, dup: bool) -> None:
        raw = bytearray(publish_packet("work/1", payload, qos=2, packet_id=packet_id))
        raw[0] |= 8 if dup else 0
        wire.send(bytes(raw))


class Receiver:
    """Takes a message at its PUBLISH unless its packet identifier is one that is not released (4.3.3)."""

    def __init__(self) -> None:
        self.unreleased: set[int] = set()
        self.taken: Counter[bytes] = Counter()
        self.qos: set[int] = set()

    def run(self, wire: Wire, enough=lambda: False) -> None:
        try:
            while not enough():
                got = wire.read()
                if got.kind == PUBLISH:
                    _, at = read_text(got.body, 0)
                    packet_id = int.from_bytes(got.body[at : at + 2])
                    self.qos.add(got.first >> 1 & 3)
                    if packet_id not in self.unreleased:
                        self.unreleased.add(packet_id)
                        self.taken[got.body[at + 2 :]] += 1
                    wire.send(packet(0x50, packet_id.to_bytes(2)))
                elif got.kind == PUBREL:
                    packet_id = int.from_bytes(got.body[:2])
                    self.unreleased.discard(packet_id)
                    wire.send(packet(0x70, packet_id.to_bytes(2)))
        except LOST:
            wire.close()


@pytest.mark.timeout(600)
def test_each_message_arrives_once(tmp_path, database_url):
    chance = random.Random(11)
    publisher, receiver = Publisher(itertools.count()), Receiver()

    def all_taken() -> bool:
        return publisher.received <= receiver.taken.keys() and not receiver.unreleased

    with place(tmp_path, UNLIMITED, EXTENDED, f"database={database_url}") as here:
        with here.persistent("reader")[0] as wire:
            wire.subscribe("work/+", qos=2)
            wire.disconnect()
        for round_ in range(ROUNDS + 1):
            last = round_ == ROUNDS
            outbound, present = here.persistent("writer")
            assert present == bool(round_), f"round {round_}: the publisher's session is gone"
            stop = threading.Event()
            threads = [threading.Thread(target=publisher.run, args=(outbound, stop))]
            if last:
                stop.set()
            inbound = None
            if last or round_ % 3:
                inbound, present = here.persistent("reader")
                assert present, f"round {round_}: the receiver's session is gone"
                if not last:
                    threads.append(threading.Thread(target=receiver.run, args=(inbound,)))
            before = len(publisher.received)
            for thread in threads:
                thread.start()
            if last:
                threads[0].join()
                receiver.run(inbound, all_taken)
                outbound.close()
                inbound.close()
                break
            enough = before + chance.randrange(1, 300)
            until(lambda: len(publisher.received) >= enough, within=30)  # noqa: B023
            here.node.kill()
            for thread in threads:
                thread.join()
            here.node.start()
    taken = receiver.taken
    assert publisher.received - taken.keys() == set(), "lost"
    assert {payload: count for payload, count in taken.items() if count != 1} == {}, "more than once"
    assert taken.keys() <= publisher.received
    assert receiver.qos == {2}
    assert len(taken) > ROUNDS
