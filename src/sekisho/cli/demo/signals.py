"""Ctrl-C, SIGTERM and a closed terminal end the waiting; the demo then tidies up and goes."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sekisho.cli.demo.waiting import Patience

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = "interrupted"


@contextmanager
def ending_on_signals(patience: Patience) -> Iterator[None]:
    """Signals end ``patience`` instead of raising somewhere, so that whatever was begun is also ended.

    To be used in the main thread.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    # A handler runs in the middle of anything, also of what holds a lock: a thread does the work.
    thread = threading.Thread(target=_listen, args=(reader, patience), name="signals", daemon=True)
    thread.start()
    former_writer = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    former = {number: signal.signal(number, _nothing) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former_writer)
        writer.close()
        thread.join()
        reader.close()


def _listen(reader: socket.socket, patience: Patience) -> None:
    while numbers := reader.recv(16):
        if any(number in SIGNALS for number in numbers):
            patience.end(INTERRUPTED)


def _nothing(number: int, frame: Any) -> None:
    """The wake-up descriptor has it already."""
