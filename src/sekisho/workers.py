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
    """

    def __init__(self, count: int = 1) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._count, mp_context=clean_context(), initializer=end_with_the_node
            )
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
