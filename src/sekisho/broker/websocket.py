"""MQTT over WebSocket: between a TLS connection and a client, which does not notice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog
from wsproto.frame_protocol import CloseReason

from sekisho.aws.errors import AwsError
from sekisho.broker.admission import record_refusal
from sekisho.broker.arrivals import arrive_by_websocket
from sekisho.broker.channel import Channel
from sekisho.broker.endings import Endings
from sekisho.broker.frames import Frames, framed_each
from sekisho.broker.identification import Unidentified
from sekisho.broker.poller import Poller
from sekisho.broker.transport import CLOSE_TIMEOUT, TlsTransport
from sekisho.broker.upgrade import BadUpgrade, HttpRequest, Upgrade, refusal
from sekisho.logic.custom_auth import Http
from sekisho.mqtt.reasons import Reason
from sekisho.services.call import Principal
from sekisho.services.unique import new_uuid
from sekisho.store.statement import StoreError

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer

log = structlog.get_logger("sekisho.websocket")

Authenticate = Callable[[HttpRequest], Awaitable[tuple[Principal, str]]]
"""Says who has signed a request, and for which region, or raises AwsError."""

FORBIDDEN = "ForbiddenException"


class WebSocket:
    """The protocol object of a connection that begins with ``GET /mqtt``: first an upgrade, then frames."""

    def __init__(
        self,
        hub: Hub,
        peer: Peer,
        poller: Poller,
        authenticate: Authenticate,
        serve: Callable[[Peer], Client],
        life: float,
        endings: Endings,
    ) -> None:
        """``serve`` makes the client; ``life`` is how many seconds of wire time it may last, and ``endings``
        tells when the credentials that have signed are over, by the civil clock."""
        self._hub = hub
        self._peer = peer
        self._poller = poller
        self._authenticate = authenticate
        self._serve = serve
        now = hub.clock.tick()
        self._until: float = now + life
        self._deadline: float = now + hub.limits.connect_timeout
        self._upgrade: Upgrade | None = Upgrade()
        self._asking = False
        self._endings = endings
        self._ending = 0
        self._transport: TlsTransport
        self._framed: FramedTransport

    # --- the shell's side ----------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When the upgrade, the client or the whole session has lasted too long."""
        if self._upgrade is not None or self._framed.closed:
            return self._deadline
        deadline = self._framed.client.deadline
        return self._until if deadline is None else min(deadline, self._until)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._upgrade is not None:
            self._open(self._upgrade, data)
            return
        channel = self._framed
        frames = channel.frames
        payloads = frames.receive(data)
        if payloads and not channel.closed:
            channel.client.data_received(payloads[0] if len(payloads) == 1 else b"".join(payloads))
        if frames.unusual:
            self._attend(channel, frames)

    def _attend(self, channel: FramedTransport, frames: Frames) -> None:
        """Pings, Close frames, and what the peer did wrong."""
        if frames.replies:
            if not channel.closed:
                self._transport.write(frames.replies)
            frames.replies = b""
        if frames.failure is not None and not channel.closed:
            code, words = frames.failure
            client = channel.client
            client.record(action="mqtt", resource="", reason=words, effect="the connection was closed")
            channel.close_with = (code, words)
            client.end(Reason.PROTOCOL_ERROR, words, "CLIENT_ERROR")
        if frames.failure is not None or frames.over:
            channel.finish()

    def pause_writing(self) -> None:
        if self._upgrade is None and not self._framed.closed:
            self._framed.client.pause_writing()

    def resume_writing(self) -> None:
        if self._upgrade is None and not self._framed.closed:
            self._framed.client.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._endings.remove(self._ending)
        if self._upgrade is None:
            self._framed.part(exc)

    def timed_out(self) -> None:
        if self._upgrade is not None or self._framed.closed:
            self._transport.abort()
        elif self._hub.clock.tick() >= self._until:
            words = "the WebSocket session has lasted as long as one may"
            self._framed.client.end(Reason.ADMINISTRATIVE_ACTION, words, "WEBSOCKET_TTL_EXPIRATION")
        else:
            self._framed.client.timed_out()

    def credentials_ended(self) -> None:
        """A session of a role, or of a user, is over, and the connection with it."""
        client = self._framed.client
        if client.joined:
            self._hub.spawn(client.refresh())
        elif not self._framed.closed:
            self._transport.abort()

    def parted(self) -> None:
        """The client is gone; the peer has a moment left for its own Close frame (RFC 6455, 7.1.1)."""
        self._deadline = self._hub.clock.tick() + CLOSE_TIMEOUT

    # --- the upgrade ---------------------------------------------------------------------------------------

    def _open(self, upgrade: Upgrade, data: bytes) -> None:
        try:
            upgrade.receive(data)
        except BadUpgrade as bad:
            self._refuse(bad.status, "InvalidRequestException", bad.words, bad.words)
            return
        if upgrade.request is not None and not self._asking:
            self._asking = True
            self._transport.pause_reading()
            self._hub.spawn(self._admit(upgrade, upgrade.request))

    async def _admit(self, upgrade: Upgrade, request: HttpRequest) -> None:
        try:
            peer = await self._who(request)
        except AwsError as error:
            self._refuse(403, FORBIDDEN, "Forbidden", f"{error.code}: {error.message}")
            return
        except Unidentified as error:
            self._refuse(403, FORBIDDEN, "Forbidden", f"{error.reason}: {error.words}")
            return
        except StoreError:
            words = "the database did not answer, so the upgrade was refused"
            self._refuse(503, "ServiceUnavailableException", words, words)
            return
        except BaseException:
            self._transport.abort()
            raise
        if self._transport.is_closing():
            return
        answer, connection, early = upgrade.accept()
        self._transport.write(answer)
        client = self._serve(peer)
        self._framed = FramedTransport(self, self._transport, self._poller, Frames(connection), client)
        self._upgrade = None
        if peer.principal is not None and peer.principal.expires is not None:
            self._ending = self._endings.add(self, peer.principal.expires)
        client.connection_made(self._framed)
        self._framed.resume_reading()
        if early:
            self.data_received(early)

    async def _who(self, request: HttpRequest) -> Peer:
        """The peer with who has signed, or, if a custom authorizer will decide, with the request itself."""
        custom, http = self._hub.custom, Http(request.headers, request.query)
        if custom is not None and await custom.takes(self._peer, http):
            await arrive_by_websocket(self._hub, self._peer, signed=False)
            return self._peer._replace(http=http)
        principal, region = await self._authenticate(request)
        await arrive_by_websocket(self._hub, self._peer, signed=True)
        # Who has signed says which account and region, whatever name the client has given.
        return self._peer._replace(principal=principal, account=principal.account, region=region)

    def _refuse(self, status: int, code: str, told: str, why: str) -> None:
        """``told`` is for the client, ``why`` for explain."""
        if self._transport.is_closing():
            return
        effect = f"the WebSocket upgrade was answered {status}"
        record_refusal(self._hub, self._peer, action="iot:Connect", resource="", reason=why, effect=effect)
        self._transport.write(refusal(status, code, told, new_uuid()))
        self._transport.close()


class FramedTransport(Channel):
    """What a client writes to: everything of one turn of the loop leaves together, each packet
    in a binary frame of its own."""

    __slots__ = (
        "_dirty",
        "_out",
        "_poller",
        "_size",
        "_socket",
        "_tls",
        "client",
        "close_with",
        "closed",
        "frames",
    )

    def __init__(
        self, socket: WebSocket, tls: TlsTransport, poller: Poller, frames: Frames, client: Client
    ) -> None:
        super().__init__(tls.high_water)
        self.client = client
        self.frames = frames
        self.closed = False
        """Whether our Close frame is on its way, or the connection gone: then the client is gone as well."""
        self.close_with: tuple[int, str] = (CloseReason.NORMAL_CLOSURE, "")
        self._socket = socket
        self._tls = tls
        self._poller = poller
        self._out: list[bytes] = []
        self._size = 0
        self._dirty = False

    def write(self, data: bytes) -> None:
        if self.closed:
            return
        self._out.append(data)
        self._size += len(data)
        if not self._dirty:
            self._dirty = True
            self._poller.add(self)

    def offer(self, data: bytes) -> bool:
        if self.closed or self.get_write_buffer_size() > self.high_water:
            return False
        self.write(data)
        return True

    def flush(self) -> None:
        """Frame and write what was gathered."""
        self._dirty = False
        out = self._out
        if out:
            self._out = []
            self._size = 0
            self._tls.send(b"".join(map(framed_each, out)))

    def get_write_buffer_size(self) -> int:
        return self._size + self._tls.get_write_buffer_size()

    def limit_writes(self, high_water: int) -> None:
        self.high_water = high_water
        self._tls.limit_writes(high_water)

    def pause_reading(self) -> None:
        if not self.closed:
            self._tls.pause_reading()

    def resume_reading(self) -> None:
        self._tls.resume_reading()

    def is_reading(self) -> bool:
        return self._tls.is_reading()

    def is_closing(self) -> bool:
        return self.closed or self._tls.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls.get_extra_info(name, default)

    def close(self) -> None:
        """Close from our side: what waits, then a Close frame; the connection ends with the peer's."""
        if self.closed:
            return
        self.flush()
        self._tls.send(self.frames.close(*self.close_with))
        self.part(None)
        self._tls.resume_reading()

    def finish(self) -> None:
        """The peer has closed, or cannot go on: answer, if that is still to be done, and end it."""
        if not self.closed:
            self.flush()
            self._tls.send(self.frames.close(*self.close_with))
        self._tls.close()

    def abort(self) -> None:
        self._tls.abort()

    def part(self, exc: Exception | None) -> None:
        """Tell the client, once, that its connection is gone."""
        if not self.closed:
            self.closed = True
            self._out = []
            self._socket.parted()
            self.client.connection_lost(exc)
