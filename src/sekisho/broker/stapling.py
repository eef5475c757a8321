"""OCSP answers for the domains that staple them: fetched every hour, kept while they are good.

Source: AWS IoT Developer Guide, "Server certificate configuration for OCSP stapling", Important notes:
without an answer that is still good, the handshake goes on without one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import h11
import structlog
from cryptography import x509

from sekisho.logic.stapling import MOST, BadStaple, Responder, end_of, is_askable, request_for, responder_of

log = structlog.get_logger("sekisho.tls")

EVERY = 3600.0
AGAIN = 300.0
"""Seconds until the next request, after one that was answered and after one that was not."""

SECONDS = 5.0
"""Within which a responder must have answered."""

HEAD = 16_384
"""Bytes that the head of an answer may have."""


class Staple:
    """What is known of one certificate; times are seconds of wire time, ``until`` epoch seconds."""

    def __init__(self, certificate: x509.Certificate, issuer: x509.Certificate, responder: Responder) -> None:
        self.certificate = certificate
        self.issuer = issuer
        self.responder = responder
        self.request = request_for(certificate, issuer)
        self.answer = b""
        self.until = 0.0
        self.due = 0.0


class Stapling:
    """``real`` is epoch time, ``tick`` wire time."""

    def __init__(self, real: Callable[[], float], tick: Callable[[], float]) -> None:
        self._epoch = real
        self._tick = tick
        self._staples: dict[str, Staple] = {}
        self._bell = asyncio.Event()

    def answer(self, name: str) -> bytes:
        """What is stapled under a host name now; nothing if there is nothing good."""
        staple = self._staples.get(name)
        if staple is None or self._epoch() >= staple.until:
            return b""
        return staple.answer

    def put(self, name: str, certificate: x509.Certificate, issuer: x509.Certificate | None) -> None:
        """Have a name's certificate stapled from now on, if it names a responder."""
        responder = responder_of(certificate)
        before = self._staples.get(name)
        if responder is None or issuer is None:
            self.drop(name)
        elif before is None or before.certificate != certificate:
            self._staples[name] = Staple(certificate, issuer, responder)
            self._bell.set()

    def drop(self, name: str) -> None:
        self._staples.pop(name, None)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            self._bell.clear()
            now = self._tick()
            due = [(name, one) for name, one in self._staples.items() if one.due <= now]
            await asyncio.gather(*(self._renew(name, one) for name, one in due))
            waits = [max(one.due - self._tick(), 0.0) for one in self._staples.values()]
            try:
                async with asyncio.timeout(min(waits, default=EVERY)):
                    await self._bell.wait()
            except TimeoutError:
                pass

    async def _renew(self, name: str, staple: Staple) -> None:
        staple.due = self._tick() + AGAIN
        try:
            async with asyncio.timeout(SECONDS):
                answer = await _ask(staple.responder, staple.request)
            staple.until = end_of(answer, staple.certificate, staple.issuer, self._epoch())
        except (OSError, EOFError, TimeoutError, UnicodeError, h11.ProtocolError, BadStaple) as error:
            words = str(error) if isinstance(error, BadStaple) else type(error).__name__
            log.warning("no OCSP answer to staple", domain=name, error=words)
            return
        staple.answer = answer
        staple.due = self._tick() + EVERY


async def _ask(responder: Responder, request: bytes) -> bytes:
    """A responder's answer, whatever it is, but no longer than it may be."""
    reader, writer = await asyncio.open_connection(responder.host, responder.port)
    try:
        address = writer.get_extra_info("peername")[0]
        if not is_askable(address):
            raise BadStaple(f"the responder would be asked at {address}")
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD)
        headers = [
            ("Host", f"{responder.host}:{responder.port}"),
            ("Content-Type", "application/ocsp-request"),
            ("Content-Length", str(len(request))),
            ("Connection", "close"),
        ]
        for event in (
            h11.Request(method="POST", target=responder.target, headers=headers),
            h11.Data(data=request),
            h11.EndOfMessage(),
        ):
            writer.write(connection.send(event) or b"")
        body = b""
        while True:
            got = connection.next_event()
            if got is h11.NEED_DATA:
                connection.receive_data(await reader.read(HEAD))
            elif isinstance(got, h11.Response) and got.status_code != 200:
                raise BadStaple(f"the responder answered {got.status_code}")
            elif isinstance(got, h11.Data):
                body += got.data
                if len(body) > MOST:
                    raise BadStaple(f"the answer has more than {MOST} bytes")
            elif isinstance(got, h11.EndOfMessage):
                return body
            elif isinstance(got, h11.ConnectionClosed):
                raise EOFError
    finally:
        writer.close()
