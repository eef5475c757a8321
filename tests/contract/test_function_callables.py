"""Functions that are callables in processes: what else is theirs, and what they cannot do to the node."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contract.function_kinds import callables, closing, refused, run
from contract.function_kinds import folder as folder
from interop.devices import until
from scale.test_workers import alive


def test_a_lambda_handler_gets_its_context(folder):
    async def body():
        async with closing(callables(folder)) as functions:
            assert await functions.invoke("handler", {}) == {"name": "handler", "left": True}

    run(body())


def test_a_process_is_used_again_and_replaced_after_it_hung(folder):
    async def body():
        async with closing(callables(folder, at_once=1)) as functions:
            pids = {(await functions.invoke("hangs", {"hang": False}))["pid"] for _ in range(3)}
            assert len(pids) == 1
            await refused(functions, "hangs", {})
            again = (await functions.invoke("hangs", {"hang": False}))["pid"]
            assert {again}.isdisjoint(pids)
            (first,) = pids
            assert not Path(f"/proc/{first}").exists()

    run(body())


def test_one_that_dies_between_calls_is_not_noticed(folder):
    async def body():
        async with closing(callables(folder, at_once=1)) as functions:
            pid = (await functions.invoke("pid", {}))["pid"]
            os.kill(pid, signal.SIGKILL)
            while Path(f"/proc/{pid}").exists():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert (await functions.invoke("pid", {}))["pid"] != pid

    run(body())


def test_what_it_has_started_ends_with_it(folder, tmp_path):
    async def body():
        async with closing(callables(folder)) as functions:
            await refused(functions, "spawns", {"file": str(tmp_path / "pid")})

    run(body())
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not alive(pid))


def test_memory_has_a_limit(folder):
    async def body():
        async with closing(callables(folder, memory=2**29)) as functions:
            assert "MemoryError" in await refused(functions, "eats", {"bytes": 2**30})
            assert await functions.invoke("eats", {"bytes": 1000}) == {"size": 1000}

    run(body())


def test_garbage_in_the_channel_fails_one_call(folder):
    async def body():
        async with closing(callables(folder, at_once=1)) as functions:
            await refused(functions, "garbage", {})
            assert await functions.invoke("echo", {}) == {"heard": {}}

    run(body())


def test_what_it_prints_is_in_the_log_and_bounded(folder):
    async def body():
        async with closing(callables(folder, at_once=1)) as functions:
            assert await functions.invoke("talks", {}) == {}

    with capture_logs() as logs:
        run(body())
    said = {entry["event"]: entry for entry in logs}
    assert said["from the function"] == {
        "event": "from the function",
        "function": "talks",
        "log_level": "info",
    }
    assert said["to the error stream"]["log_level"] == "warning"
    assert max(map(len, said)) <= 500
    assert len(logs) <= 102
    assert any("more than 100 lines" in words for words in said)


def test_an_exceptions_traceback_is_in_the_log_and_its_text_not_in_the_answer(folder):
    async def body():
        async with closing(callables(folder)) as functions:
            told = await refused(functions, "wrong", {})
            assert told == "the function wrong raised ValueError; the log says more"

    with capture_logs() as logs:
        run(body())
    assert any("ValueError" in entry["event"] for entry in logs)


@pytest.mark.parametrize(
    "name, words", [("absent", "AttributeError"), ("number", "TypeError"), ("broken", "RuntimeError")]
)
def test_one_that_cannot_be_loaded_is_named(folder, name, words):
    async def body():
        async with closing(callables(folder)) as functions:
            told = await refused(functions, name, {})
            assert words in told
            assert name in told

    run(body())


def test_the_nodes_own_settings_are_not_shown_to_it(folder, monkeypatch):
    monkeypatch.setenv("SEKISHO_DATABASE", "postgresql://user:password@host/db")

    async def body():
        async with closing(callables(folder)) as functions:
            assert await functions.invoke("settings", {}) == {"names": []}

    run(body())
