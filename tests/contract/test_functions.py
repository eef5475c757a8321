"""What every kind of function does: one object in, one object out. One body, every implementation."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from interop.devices import until
from scale.test_workers import alive
from sekisho.aws.errors import InvalidSignatureException
from sekisho.aws.request import Request
from sekisho.aws.sigv4 import credential_of, verify
from sekisho.functions.callables import PythonFunctions
from sekisho.functions.chosen import choose
from sekisho.functions.endpoint import EndpointFunctions
from sekisho.functions.interface import MOST, FunctionError, Functions

MODULE = """
import os, subprocess, sys, time

def echo(event):
    return {"heard": event}

def handler(event, context):
    return {"name": context.function_name, "left": context.get_remaining_time_in_millis() > 0}

def wrong(event):
    raise ValueError(f"a secret: {event}")

def nothing(event):
    return None

def unsayable(event):
    return {"a": object()}

def long(event):
    return {"a": "x" * event["size"]}

def pid(event):
    return {"pid": os.getpid()}

def hangs(event):
    if event.get("hang", True):
        time.sleep(60)
    return {"pid": os.getpid()}

def dies(event):
    if event.get("die", True):
        os._exit(3)
    return {"alive": True}

def eats(event):
    block = bytearray(event["bytes"])
    return {"size": len(block)}

def talks(event):
    print("from the function")
    print("to the error stream", file=sys.stderr)
    os.write(1, b"\\xff" * 2000 + b"\\n")
    for number in range(500):
        print("line", number)
    return {}

def garbage(event):
    # What a callable could do at worst: write into the node's own channel.
    for number in range(3, 64):
        try:
            if not os.path.realpath(f"/proc/self/fd/{number}").startswith("/proc/self/fd/socket") and (
                "socket" in os.readlink(f"/proc/self/fd/{number}")
            ):
                os.write(number, b"\\xff\\xff\\xff\\xffgarbage")
        except OSError:
            pass
    return {}

def spawns(event):
    with open(event["file"], "w") as file:
        file.write(str(subprocess.Popen(["sleep", "3600"]).pid))
    time.sleep(60)

def settings(event):
    return {"names": sorted(name for name in os.environ if name.startswith("SEKISHO_"))}

not_callable = 7
"""

NAMES = [
    "echo", "handler", "wrong", "nothing", "unsayable", "long", "pid", "hangs", "dies", "eats", "talks",
    "garbage", "settings", "spawns",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "users_own.py").write_text(MODULE)
    (folder / "broken_module.py").write_text("raise RuntimeError('at import')\n")
    return folder


def callables(folder: Path, at_once: int = 2, waiting: int = 100, memory: int = 2**30) -> PythonFunctions:
    targets = {name: f"users_own:{name}" for name in NAMES}
    targets |= {"absent": "users_own:absent", "number": "users_own:not_callable", "broken": "broken_module:f"}
    return PythonFunctions(targets, [str(folder)], at_once, waiting, memory)


class Handler(BaseHTTPRequestHandler):
    """Speaks Lambda's Invoke, with functions of the same names."""

    def log_message(self, *arguments: Any) -> None: ...

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        event = json.loads(raw)
        name = self.path.split("/")[3]
        self.server.seen.append((self.path, dict(self.headers), raw))  # type: ignore[attr-defined]
        failed = False
        match name:
            case "echo":
                body = json.dumps({"heard": event}).encode()
            case "wrong":
                body, failed = b'{"errorMessage": "a secret", "errorType": "ValueError"}', True
            case "nothing":
                body = b"null"
            case "unsayable":
                body = b"<html>"
            case "long":
                body = json.dumps({"a": "x" * event["size"]}).encode()
            case "hangs":
                self.server.ended.wait(30)  # type: ignore[attr-defined]
                return
            case "dies":
                if event.get("die", True):
                    self.close_connection = True
                    return
                body = b'{"alive": true}'
            case _:
                self.send_error(404)
                return
        self.send_response(200)
        if failed:
            self.send_header("X-Amz-Function-Error", "Unhandled")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def lambda_server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen = []  # type: ignore[attr-defined]
    server.ended = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.ended.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def endpoint(server: ThreadingHTTPServer, key: str = "", secret: str = "", **more: int) -> EndpointFunctions:
    bounds = {"at_once": 2, "waiting": 100} | more
    address = f"http://127.0.0.1:{server.server_address[1]}"
    return EndpointFunctions(address, "us-east-1", key, secret, bounds["at_once"], bounds["waiting"])


Make = Callable[..., AbstractAsyncContextManager[Functions]]


@asynccontextmanager
async def closing(functions: Functions) -> AsyncIterator[Functions]:
    try:
        yield functions
    finally:
        await functions.close()


@pytest.fixture(params=["callables", "endpoint"])
def make(request, folder) -> Make:
    if request.param == "callables":
        return lambda **more: closing(callables(folder, **more))
    server = request.getfixturevalue("lambda_server")
    return lambda **more: closing(endpoint(server, **more))


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


async def refused(functions: Functions, name: str, event: dict[str, Any]) -> str:
    with pytest.raises(FunctionError) as caught:
        await functions.invoke(name, event)
    return str(caught.value)


@pytest.mark.parametrize("name", ["echo", f"{ARN}echo", f"{ARN}echo:prod", "echo:1"])
def test_an_object_goes_in_and_one_comes_out(make, name):
    async def body():
        event = {"text": "関所", "list": [1, None, 2.5], "empty": {}}
        async with make() as functions:
            assert await functions.invoke(name, event) == {"heard": event}
            assert await functions.invoke(name, {}) == {"heard": {}}

    run(body())


@pytest.mark.parametrize(
    "name, words",
    [
        ("wrong", "function wrong"),
        ("nothing", "answered null, not a JSON object"),
        ("unsayable", "unsayable"),
        ("elsewhere", "there is no function elsewhere"),
        ("a/b", "names no function"),
        ("arn:aws:sns:us-east-1:000000000000:topic", "not the ARN of a function"),
        (f"{ARN}echo:1:2", "names no function"),
    ],
)
def test_what_fails_is_told_and_harms_no_other_call(make, name, words):
    async def body():
        async with make() as functions:
            told = await refused(functions, name, {"token": "hidden"})
            assert words in told
            assert "secret" not in told
            assert "hidden" not in told
            assert await functions.invoke("echo", {"a": 1}) == {"heard": {"a": 1}}

    run(body())


def test_what_is_too_long_is_told_in_both_directions(make):
    async def body():
        async with make() as functions:
            assert "bytes" in await refused(functions, "echo", {"a": "x" * MOST})
            await refused(functions, "long", {"size": MOST})
            assert len((await functions.invoke("long", {"size": MOST - 100}))["a"]) == MOST - 100

    run(body())


def test_one_that_hangs_is_given_up_and_others_go_on(make):
    async def body():
        async with make() as functions:
            hanging = asyncio.create_task(refused(functions, "hangs", {}))
            for number in range(5):
                assert await functions.invoke("echo", {"n": number}) == {"heard": {"n": number}}
            assert not hanging.done()
            assert "did not answer within 5 s" in await hanging

    run(body())


def test_one_that_dies_fails_its_own_call_only(make):
    async def body():
        async with make() as functions:
            await refused(functions, "dies", {})
            assert await functions.invoke("dies", {"die": False}) == {"alive": True}

    run(body())


def test_calls_beyond_the_queue_are_refused_at_once(make):
    async def body():
        async with make(at_once=1, waiting=1) as functions:
            first = asyncio.create_task(refused(functions, "hangs", {}))
            second = asyncio.create_task(refused(functions, "hangs", {}))
            await asyncio.sleep(0.1)
            assert "waiting already" in await refused(functions, "hangs", {})
            assert not first.done()
            await asyncio.gather(first, second)

    run(body())


def test_many_at_once_are_all_answered_each_with_its_own(make):
    async def body():
        async with make() as functions:
            answers = await asyncio.gather(*(functions.invoke("echo", {"n": n}) for n in range(50)))
            assert answers == [{"heard": {"n": n}} for n in range(50)]

    run(body())


# --- callables ---------------------------------------------------------------------------------------------


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


# --- the endpoint ------------------------------------------------------------------------------------------


def test_requests_are_as_lambda_wants_them(lambda_server):
    async def body():
        async with closing(endpoint(lambda_server, "AKIDEXAMPLE", "secret")) as functions:
            await functions.invoke(f"{ARN}echo:prod", {"a": 1})
        async with closing(endpoint(lambda_server)) as functions:
            await functions.invoke("echo", {"a": 1})

    run(body())
    (path, signed, raw), (plain, unsigned, _) = lambda_server.seen[-2:]
    assert path == "/2015-03-31/functions/echo/invocations?Qualifier=prod"
    assert plain == "/2015-03-31/functions/echo/invocations"
    assert signed["X-Amz-Invocation-Type"] == "RequestResponse"
    assert signed["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/us-east-1/lambda/aws4_request" in signed["Authorization"]
    assert "Authorization" not in unsigned
    # As the node itself judges who signs what it is sent.
    headers = {name.lower(): value for name, value in signed.items()}
    request = Request("POST", *path.split("?"), headers, raw)
    verify(request, credential_of(request), "secret", time.time())
    with pytest.raises(InvalidSignatureException):
        verify(request, credential_of(request), "another secret", time.time())


def test_an_endpoint_where_nobody_is():
    async def body():
        functions = EndpointFunctions("http://127.0.0.1:1", "us-east-1", "", "", 2, 2)
        assert "cannot be used: ConnectionRefusedError" in await refused(functions, "echo", {})

    run(body())


# --- the choice --------------------------------------------------------------------------------------------


def test_what_is_not_named_is_asked_for_at_the_endpoint(folder, lambda_server):
    settings = {
        "path": str(folder),
        "endpoint": f"http://127.0.0.1:{lambda_server.server_address[1]}",
        "access_key": "",
        "secret_key": "",
        "concurrency": 2,
        "waiting": 2,
        "memory": 0,
    }

    async def body():
        async with closing(choose(settings, {"pid": "users_own:pid"}, "us-east-1")) as functions:
            assert set(await functions.invoke("pid", {})) == {"pid"}
            assert await functions.invoke("echo", {}) == {"heard": {}}
        async with closing(choose(settings | {"endpoint": ""}, {}, "us-east-1")) as functions:
            assert "there is no function echo" in await refused(functions, "echo", {})

    run(body())
