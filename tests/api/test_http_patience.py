"""How long an HTTP connection waits for a client that says too little, on a listener with no other watch."""

from __future__ import annotations

import asyncio

import pytest

from sekisho.web import http
from sekisho.web.http import HttpServer

PATIENCE = 20.0
HEAD = b"POST /a HTTP/1.1\r\nhost: a\r\n"
LARGE = b"x" * 50_000_000


async def app(scope, receive, send):
    """Reads what is asked, and answers more than any socket takes at once."""
    while (await receive()).get("more_body"):
        pass
    body = LARGE if scope["path"] == "/large" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body[:-1], "more_body": True})
    await send({"type": "http.response.body", "body": body[-1:]})


async def ends(*parts: bytes, again: bytes = b"", reads: bool = True) -> bool:
    """Whether the server ends a connection on which ``parts`` came and then ``again`` and again."""
    loop = asyncio.get_running_loop()
    server = HttpServer(app, loop.time)
    async with (
        asyncio.timeout(PATIENCE),
        await loop.create_server(lambda: server.protocol({"peer": None}), "127.0.0.1", 0) as listening,
    ):
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname()[:2])
        try:
            while not server.connections:
                await asyncio.sleep(0.01)
            for part in parts:
                writer.write(part)
            while server.connections:
                await asyncio.sleep(0.02)
                writer.write(again)
            while reads and await reader.read(65536):
                pass
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
        return True


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(http, "IDLE", 0.5)


@pytest.mark.parametrize(
    "parts",
    [
        (HEAD,),
        (HEAD + b"\r\n", HEAD),
        (HEAD + b"content-length: 3\r\n\r\nab",),
        (HEAD + b"content-length: 3\r\nexpect: 100-continue\r\n\r\nab",),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nab",),
    ],
    ids=["a head", "a second head", "a body", "a body for h11", "a chunk"],
)
def test_who_stops_in_the_middle(parts):
    assert asyncio.run(ends(*parts))


@pytest.mark.parametrize("head", [HEAD, b"GET /a HTTP/1.1\r\nx: "])
def test_a_head_that_never_ends(head):
    """A byte now and then is no reason to wait on."""
    assert asyncio.run(ends(head, again=b"x"))


@pytest.mark.parametrize("more", [b"", b"x: \x01\r\n"], ids=["ours", "for h11"])
def test_who_takes_nothing_of_its_answer(more):
    assert asyncio.run(ends(b"GET /large HTTP/1.1\r\nhost: a\r\n" + more + b"\r\n", reads=False))
