"""The inside of a worker process: one Python callable, given one event after the other.

A frame is four bytes of length and JSON. The first tells the node that the callable is there.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import os
import resource
import signal
import socket
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from sekisho.workers import end_with_the_node

GRACE = 1.0
"""Seconds after a call's limit at which a worker that nobody has killed ends itself: its node is gone."""


class Context:
    """What a Lambda handler gets beside its event, as far as it has a meaning here."""

    def __init__(self, name: str, seconds: float) -> None:
        self.function_name = name
        self.aws_request_id = str(uuid.uuid4())
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(int((self._until - time.monotonic()) * 1000), 0)


def serve(
    requests: socket.socket,
    output: socket.socket,
    errors: socket.socket,
    name: str,
    target: str,
    paths: Sequence[str],
    memory: int,
    seconds: float,
) -> None:
    """Answer events until the node hangs up; ``memory`` is bytes of address space, 0 for no limit."""
    os.setsid()  # one kill reaches what the callable has started, too
    for number, stream in ((1, output), (2, errors)):
        os.dup2(stream.fileno(), number)
        stream.close()
    for stdio in (sys.stdout, sys.stderr):
        stdio.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    for variable in [variable for variable in os.environ if variable.startswith("SEKISHO_")]:
        del os.environ[variable]  # the node's own settings, with the database's password
    end_with_the_node()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sys.path[:0] = paths
    try:
        function = load(target)
    except BaseException as error:
        traceback.print_exc()
        _send(requests, {"error": type(error).__name__})
        return
    _send(requests, {"ready": True})
    while (event := _receive(requests)) is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds + GRACE)
        try:
            arguments = (event, Context(name, seconds)) if takes_context(function) else (event,)
            answer = json.dumps({"answer": function(*arguments)}).encode()
        except Exception as error:
            traceback.print_exc()
            answer = json.dumps({"error": type(error).__name__}).encode()
            if isinstance(error, MemoryError):  # who knows what else is broken by now
                _send(requests, {"error": "MemoryError", "last": True})
                return
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.flush()
        _write(requests, answer)


def load(target: str) -> Callable[..., Any]:
    """``package.module:callable``."""
    module, _, attribute = target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not callable(found):
        raise TypeError(f"{target} cannot be called")
    return found  # type: ignore[no-any-return]


def takes_context(function: Callable[..., Any]) -> bool:
    """Whether it is written as Lambda's handlers are, ``handler(event, context)``."""
    with contextlib.suppress(ValueError):
        parameters = list(inspect.signature(function).parameters.values())
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return sum(one.kind in positional and one.default is one.empty for one in parameters) == 2
    return False


def _send(sock: socket.socket, document: dict[str, Any]) -> None:
    _write(sock, json.dumps(document).encode())


def _write(sock: socket.socket, raw: bytes) -> None:
    sock.sendall(len(raw).to_bytes(4) + raw)


def _receive(sock: socket.socket) -> Any:
    head = _exactly(sock, 4)
    if head is None:
        return None
    raw = _exactly(sock, int.from_bytes(head))
    return None if raw is None else json.loads(raw)


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    raw = bytearray()
    while len(raw) < size:
        piece = sock.recv(size - len(raw))
        if not piece:
            return None
        raw += piece
    return bytes(raw)
