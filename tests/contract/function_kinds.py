"""The same functions of users as callables and behind an endpoint."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sekisho.functions.callables import PythonFunctions
from sekisho.functions.endpoint import EndpointFunctions
from sekisho.functions.interface import FunctionError, Functions

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
