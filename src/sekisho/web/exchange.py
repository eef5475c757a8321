"""One ordinary request and its answer, as the ASGI application sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog

from sekisho.web.ordinary import answer_head, has_no_body

log = structlog.get_logger("sekisho.web")

FAILED = b"Internal Server Error"


class Exchange:
    """``ended(stays)`` is called once, when the last byte of the answer is written or there can be no more;
    ``stays`` is whether the connection is good for another request.

    ``method`` is the request's, ``body`` all of its body; ``drain`` waits while the client takes no more.
    """

    __slots__ = (
        "_body",
        "_chunked",
        "_closes",
        "_drain",
        "_ended",
        "_head",
        "_left",
        "_method",
        "_over",
        "_started",
        "_waiting",
        "_write",
    )

    def __init__(
        self,
        method: bytes,
        body: bytes,
        write: Callable[[bytes], None],
        drain: Callable[[], Any],
        ended: Callable[[bool], None],
    ) -> None:
        self._method = method
        self._body: bytes | None = body
        self._write = write
        self._drain = drain
        self._ended = ended
        self._started: Mapping[str, Any] | None = None
        self._head = b""
        self._left = 0
        self._chunked = False
        self._closes = False
        self._over = False
        self._waiting: asyncio.Event | None = None

    async def run(self, app: Any, scope: MutableMapping[str, Any]) -> None:
        """Have the application answer. Whatever it raises is logged, and answered 500 if nothing was yet."""
        try:
            await app(scope, self.receive, self.send)
            if not self._over:
                raise RuntimeError("the application returned without a whole answer")
        except asyncio.CancelledError:
            self._end(False)
            raise
        except Exception:
            if self._over:
                log.exception("failed after the answer")
                return
            log.exception("request failed")
            if not self._head:
                fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
                self._write(answer_head(500, [*fields, (b"content-length", b"%d" % len(FAILED))]))
                if self._method != b"HEAD":
                    self._write(FAILED)
            self._end(False)

    def gone(self) -> None:
        """The client has gone."""
        self._over = True
        if self._waiting is not None:
            self._waiting.set()

    async def receive(self) -> dict[str, Any]:
        body, self._body = self._body, None
        if body is not None and not self._over:
            return {"type": "http.request", "body": body, "more_body": False}
        if not self._over:
            self._waiting = self._waiting or asyncio.Event()
            await self._waiting.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        paused = self._drain()
        if paused is not None:
            await paused
        if self._over:
            return  # nobody is there to read it
        if self._started is None:
            if message["type"] != "http.response.start":
                raise RuntimeError(f"{message['type']} before http.response.start")
            self._started = message
            return
        if message["type"] != "http.response.body":
            raise RuntimeError(f"{message['type']} where http.response.body is due")
        body, more = bytes(message.get("body", b"")), bool(message.get("more_body"))
        begins = not self._head
        if begins:
            self._begin(self._started, None if more else len(body))
        out = body
        if has_no_body(self._method, self._started["status"]):
            out = b""
        elif self._chunked:
            out = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body has not the length that its head told")
        if begins:
            out = self._head + out
        if out:
            self._write(out)
        if not more:
            self._end(not self._closes)

    def _begin(self, start: Mapping[str, Any], size: int | None) -> None:
        """Make the head; ``size`` is that of the whole body, if it is known."""
        fields = list(start["headers"])
        told = {name.lower(): value for name, value in fields}
        self._closes = told.get(b"connection", b"").lower() == b"close"
        length = told.get(b"content-length")
        if length is not None:
            self._left = int(length)
        elif size is not None:
            self._left = size
            fields.append((b"content-length", b"%d" % size))
        else:
            self._chunked = True
            fields.append((b"transfer-encoding", b"chunked"))
        self._head = answer_head(start["status"], fields)

    def _end(self, stays: bool) -> None:
        if not self._over:
            self.gone()
            self._ended(stays)
