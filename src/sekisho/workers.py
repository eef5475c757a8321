"""Processes for what takes over a millisecond of Python: key generation and signing."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def begin(niceness: int) -> None:
    """In a worker, first of all."""
    os.nice(niceness)
    end_with_the_node()


def end_with_the_node() -> None:
    """In a worker: end when the node has, also by ``kill -9``.

    Its queue would never tell: a worker holds both of its ends. The server process waits for its workers.
    """

    def wait() -> None:
        node = multiprocessing.parent_process()
        assert node is not None
        node.join()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def clean_context() -> Any:
    """Processes are forked from a server that holds nothing of the node: none of its sockets, no keys."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sekisho.logic.certificates"])
    return context


class Workers:
    """A pool of processes, started on first use; ``run`` awaits a picklable function in one of them.

    They are forked from a clean server process, never from the node, so that they hold none of its sockets.
    ``niceness`` is what they are nicer by than the node (nice(2)).
    """

    def __init__(self, count: int = 1, niceness: int = 0) -> None:
        self._count = count
        self._niceness = niceness
        self._pool: ProcessPoolExecutor | None = None
        self._starting: asyncio.Task[ProcessPoolExecutor] | None = None

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        pool = self._pool or await self._start()
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

    async def _start(self) -> ProcessPoolExecutor:
        """In a thread: to start the server takes a third of a second, in which the node has other work."""
        if self._starting is None:
            self._starting = asyncio.create_task(asyncio.to_thread(_started, self._count, self._niceness))
        starting = self._starting
        try:
            self._pool = await asyncio.shield(starting)
        finally:
            if starting.done():
                self._starting = None
        return self._pool

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _started(count: int, niceness: int) -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(count, mp_context=clean_context(), initializer=begin, initargs=(niceness,))
    pool.submit(os.getpid).result()
    return pool
