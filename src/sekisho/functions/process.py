"""One worker process of a function, from the node's side."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from typing import Any

import orjson
import structlog

from sekisho.functions.interface import MOST, SECONDS, FunctionError, answer_of, object_of
from sekisho.functions.worker import serve
from sekisho.workers import clean_context

log = structlog.get_logger("sekisho.functions")

START_SECONDS = 10.0
"""Within which a process must be there and have imported its module: as long as Lambda gives."""

LINE = 500
LINES = 100
"""What the log keeps of a function's output: characters of a line, lines of a call."""


class Process:
    """A worker that takes one event at a time. Kill it when a call has left it ``spent``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.spent = False
        """Whether it can take no further call."""
        self._lines = 0
        self._process: Any = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._readers: list[asyncio.Task[None]] = []

    async def start(self, target: str, paths: Sequence[str], memory: int) -> None:
        """Raises FunctionError when it does not come up; then there is nothing to kill."""
        pairs = [socket.socketpair() for _ in range(3)]
        try:
            arguments = (*(theirs for _, theirs in pairs), self.name, target, list(paths), memory, SECONDS)
            process = clean_context().Process(target=serve, args=arguments, daemon=True)
            # The first of all starts the server that the others are forked from, which takes a while.
            await asyncio.to_thread(process.start)
            self._process = process
            (requests, output, errors) = (ours for ours, _ in pairs)
            self._reader, self._writer = await asyncio.open_unix_connection(sock=requests)
            for stream, say in ((output, log.info), (errors, log.warning)):
                reader, writer = await asyncio.open_unix_connection(sock=stream)
                self._readers.append(asyncio.create_task(self._overhear(reader, writer, say)))
            async with asyncio.timeout(START_SECONDS):
                answer = object_of(self.name, orjson.loads(await self._frame()))
        except (OSError, EOFError, TimeoutError, orjson.JSONDecodeError) as error:
            await self.kill()
            raise FunctionError(f"the function {self.name} did not start: {_words(error)}") from None
        except BaseException:
            await self.kill()
            raise
        finally:
            for _, theirs in pairs:
                theirs.close()
            if self._process is None:
                for ours, _ in pairs:
                    ours.close()
        if "error" in answer:
            await self.kill()
            raise FunctionError(
                f"the function {self.name} cannot be loaded: {answer['error']}; the log says more"
            )

    @property
    def alive(self) -> bool:
        return self._writer is not None and not self._reader.at_eof() and bool(self._process.is_alive())

    async def call(self, event: bytes) -> Any:
        """What the callable answers. FunctionError for an exception of its own, or for garbage; OSError,
        EOFError or ValueError when there is no answer or no end of it."""
        assert self._writer is not None
        self.spent = True
        self._lines = 0
        self._writer.write(len(event).to_bytes(4) + event)
        await self._writer.drain()
        answer = answer_of(self.name, await self._frame())
        self.spent = "last" in answer
        if "error" in answer:
            raise FunctionError(
                f"the function {self.name} raised {str(answer['error'])[:100]}; the log says more"
            )
        return answer.get("answer")

    async def _frame(self) -> bytes:
        size = int.from_bytes(await self._reader.readexactly(4))
        if size > MOST:
            raise ValueError(f"an answer of {size} bytes")
        return await self._reader.readexactly(size)

    async def _overhear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, say: Any) -> None:
        rest = b""
        try:
            while piece := await reader.read(4096):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._say(say, line)
                if len(rest) > LINE:
                    self._say(say, rest)
                    rest = b""
        except OSError:
            pass  # what came until then is in the log
        finally:
            writer.close()
        if rest:
            self._say(say, rest)

    def _say(self, say: Any, line: bytes) -> None:
        self._lines += 1
        if self._lines <= LINES:
            say(line[:LINE].decode("utf-8", "replace"), function=self.name)
        elif self._lines == LINES + 1:
            say(f"more than {LINES} lines in one call; the rest is not kept", function=self.name)

    async def kill(self) -> None:
        """End it and all that it has started, at once."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        process, self._process = self._process, None
        if process is not None and process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            await asyncio.to_thread(process.join)
        # What it said last is still in the sockets.
        if self._readers:
            _, left = await asyncio.wait(self._readers, timeout=1.0)
            for task in left:
                task.cancel()
            self._readers.clear()


def _words(error: BaseException) -> str:
    match error:
        case TimeoutError():
            return f"it was not ready within {START_SECONDS:g} s"
        case EOFError():
            return "its process ended"
    return type(error).__name__
