"""Functions that are Python callables named in the settings, each in worker processes of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from sekisho.functions.interface import SECONDS, FunctionError, Gate, event_bytes, object_of, unknown
from sekisho.functions.process import Process
from sekisho.logic.function_names import parse_function

log = structlog.get_logger("sekisho.functions")


class PythonFunctions:
    """Name → ``package.module:callable``. A callable takes the event, or the event and a context as Lambda's
    handlers do. It has no versions: what an ARN says of one means the callable.

    Processes are started when they are needed, at most ``at_once`` of a function, and used again.
    """

    def __init__(
        self, targets: Mapping[str, str], paths: Sequence[str], at_once: int, waiting: int, memory: int
    ) -> None:
        self._pools = {
            name: Pool(name, target, paths, memory, Gate(name, at_once, waiting))
            for name, target in targets.items()
        }

    def __contains__(self, name: str) -> bool:
        return name in self._pools

    async def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        name = _name(function)
        pool = self._pools.get(name)
        if pool is None:
            raise unknown(name)
        return await pool.invoke(event_bytes(event))

    async def close(self) -> None:
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))


def _name(function: str) -> str:
    try:
        return parse_function(function).name
    except ValueError as error:
        raise FunctionError(str(error)) from None


class Pool:
    """The processes of one function."""

    def __init__(self, name: str, target: str, paths: Sequence[str], memory: int, gate: Gate) -> None:
        self._name = name
        self._start = (target, paths, memory)
        self._gate = gate
        self._idle: list[Process] = []
        self._busy: set[Process] = set()

    async def invoke(self, event: bytes) -> dict[str, Any]:
        async with self._gate.turn():
            process = await self._take()
            self._busy.add(process)
            try:
                return await self._call(process, event)
            finally:
                self._busy.discard(process)

    async def _take(self) -> Process:
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                return process
            await process.kill()
        process = Process(self._name)
        await process.start(*self._start)
        return process

    async def _call(self, process: Process, event: bytes) -> dict[str, Any]:
        try:
            async with asyncio.timeout(SECONDS):
                answer = await process.call(event)
        except FunctionError:
            await self._keep(process)
            raise
        except TimeoutError:
            words = f"the function {self._name} did not answer within {SECONDS:g} s"
        except (EOFError, OSError):
            words = f"the process of the function {self._name} ended"
        except ValueError:
            words = f"the function {self._name} answered more than fits"
        except BaseException:
            await process.kill()
            raise
        else:
            await self._keep(process)
            return object_of(self._name, answer)
        log.warning("a function's process is replaced", function=self._name, why=words)
        await process.kill()
        raise FunctionError(words)

    async def _keep(self, process: Process) -> None:
        if process.spent:
            await process.kill()
        else:
            self._idle.append(process)

    async def close(self) -> None:
        processes = [*self._idle, *self._busy]
        self._idle.clear()
        await asyncio.gather(*(process.kill() for process in processes))
