"""HTTP connections: an application is asked the same whether h11 reads all of what comes or only what is not
ordinary, and in whatever pieces it comes."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.h11_impl import H11Protocol

from sekisho.web.http import HttpServer, JoinedWrites
from unit.web.test_ordinary import HOST, ORDINARY, OTHER, head

TURNS = 40
"""Of the loop, in which everything that has come has been answered."""


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """What comes all the same is taken."""

    def resume_reading(self) -> None:
        """It never paused."""


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def asked(pieces: list[bytes], by_h11: bool) -> tuple[list[Any], list[bytes]]:
    """What the application is asked, and the status lines of the answers."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (event := await receive())["type"] == "http.request":
            body += event["body"]
            if not event["more_body"]:
                break
        else:
            return  # it has gone in the middle
        told = ("method", "path", "raw_path", "query_string", "headers")
        seen.append(([scope[name] for name in told], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    server, wire = HttpServer(app, time.monotonic), Wire()
    if by_h11:
        protocol: Any = H11Protocol(server.config, server.state, {})
        protocol.connection_made(JoinedWrites(wire))
    else:
        protocol = server.protocol({})
        protocol.connection_made(wire)
    for piece in pieces:
        if not wire.closed:
            protocol.data_received(piece)
            await turns()
    await turns()
    protocol.connection_lost(None)
    await turns()
    await server.close()
    return seen, [line for line in wire.written.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


LENGTHS = (b"3", b"03", b"+3", b"3, 3", b"3, 4", b"-3", b"0x3", b"3 3", b"", b"9" * 26)
FIELDS = st.sampled_from(
    [
        *(b"Content-Length: " + length for length in LENGTHS),
        *(
            b"Content-Length : 3",
            b" Content-Length: 3",
            b"Transfer-Encoding: chunked",
            b"transfer-encoding: x",
        ),
        *(b"Transfer-Encoding: x, chunked", b"Connection: close", b"Connection: keep-alive", b"Upgrade: h2c"),
        *(
            b"Expect: 100-continue",
            b"X: a\r\n b",
            b"X: a\nY: b",
            b"X: a\rY: b",
            b"X: \0",
            b"Host: b",
            b"X: \xff",
        ),
    ]
)
LINES = st.sampled_from(
    [
        *(b"GET / HTTP/1.1", b"POST /a?b HTTP/1.1", b"POST /a HTTP/1.0", b"GET http://b/a HTTP/1.1"),
        *(b"GET  / HTTP/1.1", b"POST /a HTTP/1.1 ", b"OPTIONS * HTTP/1.1", b"CONNECT a:1 HTTP/1.1"),
    ]
)
BODIES = st.sampled_from(
    [b"", b"abc", b"abcd", b"0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcX\r0\r\n\r\n"]
)
ODD = st.builds(
    lambda line, fields, body: head(HOST[:-2], *fields, line=line) + body,
    LINES,
    st.lists(FIELDS, max_size=2),
    BODIES,
)
KNOWN = st.sampled_from([case for case in (*ORDINARY.values(), *OTHER.values()) if len(case) < 5000])


EXAMPLES = int(os.environ.get("SEKISHO_EXAMPLES", "200"))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(KNOWN | ODD, min_size=1, max_size=4).map(b"".join).filter(bool), st.data())
def test_whoever_reads_it_and_in_whatever_pieces(stream, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=4)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    async def body() -> None:
        expected = await asked([stream], by_h11=True)
        assert await asked([stream], by_h11=False) == expected
        assert await asked([piece for piece in pieces if piece], by_h11=False) == expected

    asyncio.run(body())
