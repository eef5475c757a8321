"""How much waits in the database under one name, and how much may. Pure: ``now`` is passed in."""

from __future__ import annotations

COMPLAINT_EVERY = 1.0
"""Seconds between two records that the same queue is full."""


class Queue:
    """Counts what waits for a session or a shared subscription; the rows themselves are the mailbox's.

    What would go beyond a bound is not taken. What is there stays: it was acknowledged to its publishers, and
    AWS does not replace older queued messages with newer ones either (AWS IoT Developer Guide, Shared
    subscription message queuing).
    """

    __slots__ = ("_complained", "_most_bytes", "_most_messages", "bytes", "messages")

    def __init__(self, most_messages: int, most_bytes: int) -> None:
        self.messages = 0
        self.bytes = 0
        """Of topics, payloads and properties, as :class:`~sekisho.broker.mailbox.Stored` counts them."""
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._complained: float | None = None

    def take(self, size: int) -> bool:
        """Count a message of ``size`` bytes if it may wait here, too; one alone may, however large it is."""
        if self.messages and (self.messages >= self._most_messages or self.bytes + size > self._most_bytes):
            return False
        self.messages += 1
        self.bytes += size
        return True

    def put_back(self, size: int) -> None:
        """Count a message again that was counted as gone and was not there."""
        self.messages += 1
        self.bytes += size

    def remove(self, size: int) -> None:
        """A message does not wait any more."""
        self.messages -= 1
        self.bytes -= size

    def found(self, messages: int, bytes: int) -> None:
        """Begin with what the database has."""
        self.messages, self.bytes = messages, bytes

    def why_full(self) -> str:
        return (
            f"{self.messages} messages of {self.bytes} bytes wait already,"
            f" of at most {self._most_messages} and {self._most_bytes}"
        )

    def complaint_due(self, now: float) -> bool:
        """Whether it should be said again that it is full; ``now`` is in monotonic seconds."""
        if self._complained is not None and now - self._complained < COMPLAINT_EVERY:
            return False
        self._complained = now
        return True
