"""Cutting a byte stream into packets."""

from sekisho.mqtt.primitives import MAX_REMAINING, MalformedPacket, malformed
from sekisho.mqtt.reasons import Reason


class Framer:
    """An incremental splitter: bytes in as they come, whole packets out.

    `maximum` is the largest packet accepted, fixed header included (section 3.1.2.11.4). At most one
    unfinished packet is held, and never one whose header already says that it is too large.
    """

    __slots__ = ("_needed", "error", "held", "maximum")

    def __init__(self, maximum: int = MAX_REMAINING + 5) -> None:
        self.maximum = maximum
        self.error: MalformedPacket | None = None
        """What was wrong with the stream, once something was; nothing can follow it."""
        self.held = bytearray()
        """The beginning of an unfinished packet."""
        self._needed = 0

    @property
    def idle(self) -> bool:
        """Whether no unfinished packet is held."""
        return not self.held

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take bytes; return the packets now complete, each as its first byte and its body.

        A packet that is too large (0x95) or whose length is malformed (0x81) ends the stream. Packets before
        it in the same call are returned and the error is left in `error`; without any, and in every later
        call, it is raised as MalformedPacket.
        """
        if self.error is not None:
            raise self.error
        buffer = self.held
        if buffer:
            buffer += data
            if len(buffer) < self._needed:
                return []
            data = bytes(buffer)
            buffer.clear()
        frames: list[tuple[int, bytes]] = []
        at = 0
        size = len(data)
        needed = 0
        while at < size:
            start = at + 2
            if start > size:
                needed = 2
                break
            length = data[at + 1]
            if length >= 0x80:
                # A longer form than needed is let through: 3.1.1 does not forbid it, and small devices use
                # it.
                length &= 0x7F
                shift = 7
                while start < size:
                    byte = data[start]
                    start += 1
                    length |= (byte & 0x7F) << shift
                    if byte < 0x80:
                        shift = 0
                        break
                    shift += 7
                    if shift == 28:
                        self.error = malformed("the remaining length takes more than four bytes")
                        break
                if self.error is not None:
                    break
                if shift:
                    needed = start - at + 1
                    break
            end = start + length
            if end - at > self.maximum:
                self.error = MalformedPacket(
                    Reason.PACKET_TOO_LARGE, f"a packet of {end - at} bytes is larger than {self.maximum}"
                )
                break
            if end > size:
                needed = end - at
                break
            frames.append((data[at], data[start:end]))
            at = end
        if self.error is not None:
            if not frames:
                raise self.error
        elif at < size:
            self._needed = needed
            buffer += data[at:] if at else data
        return frames
