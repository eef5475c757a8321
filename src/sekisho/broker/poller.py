"""The sockets of one loop: their events are taken together, and what they made is written together."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Protocol

AT_ONCE = 256
"""Sockets that have their turn before the rest of the loop has its own."""


class Flushable(Protocol):
    def flush(self) -> None: ...


class Poller:
    """An epoll of its own within the loop. The loop would call each socket's callback by itself and know
    nothing of the others; here the end of a batch is known, so that everything written to a connection in it
    leaves in one record, at once and not a turn of the loop later."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._writers: dict[int, Callable[[], None]] = {}
        self._ends: dict[int, Callable[[], None]] = {}
        self._watched: dict[int, int] = {}
        self._dirty: list[Flushable] = []
        self._taking = False
        loop.add_reader(self._epoll.fileno(), self._take)

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    # --- who waits -----------------------------------------------------------------------------------------

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        self._readers[fd] = callback
        self._watch(fd)

    def remove_reader(self, fd: int) -> None:
        """Before the socket is closed, as for the other."""
        if self._readers.pop(fd, None) is not None:
            self._watch(fd)

    def add_writer(self, fd: int, callback: Callable[[], None]) -> None:
        self._writers[fd] = callback
        self._watch(fd)

    def remove_writer(self, fd: int) -> None:
        if self._writers.pop(fd, None) is not None:
            self._watch(fd)

    def tell_of_end(self, fd: int, callback: Callable[[], None] | None) -> None:
        """Have ``callback`` called, before who reads or writes, when the connection is over both ways: what
        it received can be read, and nothing can be written. None ends this, before the socket is closed.
        Nobody looks while there is neither reader nor writer."""
        if callback is None:
            self._ends.pop(fd, None)
        else:
            self._ends[fd] = callback

    def _watch(self, fd: int) -> None:
        if self._epoll.closed:
            return
        wanted = (select.EPOLLIN if fd in self._readers else 0) | (
            select.EPOLLOUT if fd in self._writers else 0
        )
        if fd not in self._watched:
            self._epoll.register(fd, wanted)
        elif wanted:
            self._epoll.modify(fd, wanted)
        else:
            # Not only modified: a connection that is over would wake us for ever.
            self._epoll.unregister(fd)
            del self._watched[fd]
            return
        self._watched[fd] = wanted

    # --- turns ---------------------------------------------------------------------------------------------

    def add(self, transport: Flushable) -> None:
        """Have it flushed at the end of this turn."""
        if not self._dirty and not self._taking:
            self._loop.call_soon(self._flush)
        self._dirty.append(transport)

    def _take(self) -> None:
        readers, writers = self._readers, self._writers
        self._taking = True
        for fd, events in self._epoll.poll(0, AT_ONCE):
            try:
                if events & select.EPOLLHUP:
                    ended = self._ends.get(fd)
                    if ended is not None:
                        ended()
                # An error or the end is told to whom it concerns: who reads, or else who writes.
                reader = readers.get(fd) if events & ~select.EPOLLOUT else None
                if reader is not None:
                    reader()
                if events != select.EPOLLIN:
                    writer = writers.get(fd)
                    if writer is not None:
                        writer()
            except Exception as error:
                self._failed(error)
        self._taking = False
        if self._dirty:
            self._flush()

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for transport in dirty:
            try:
                transport.flush()
            except Exception as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        """A fault of ours costs its connection, and no other its turn."""
        self._loop.call_exception_handler({"message": "a connection's callback failed", "exception": error})
