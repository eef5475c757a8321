"""HTTPS under a name that has a domain configuration: what it does not let in is refused here, by whatever
else it would have been answered."""

from __future__ import annotations

from typing import Any

from sekisho.broker.admission import record_refusal
from sekisho.broker.arrivals import arrive_by_https
from sekisho.broker.hub import Hub
from sekisho.broker.identification import Unidentified
from sekisho.broker.listener import Peer
from sekisho.services.unique import new_uuid
from sekisho.web.endpoint import Receive, Scope, Send, write_response
from sekisho.web.publish import answer_device, is_signed

ARRIVED = "arrived"
"""The name in a connection's state of what was let in on it: a domain's function is asked once for each."""


class DomainDoor:
    """Lets requests through to ``inner``."""

    def __init__(self, inner: Any, hub: Hub) -> None:
        self._inner = inner
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.get("state", {})
        peer: Peer | None = state.get("peer")
        if peer is not None and peer.domain is not None and scope["type"] == "http":
            signed = is_signed(scope)
            arrived: set[bool] = state[ARRIVED]
            if signed not in arrived:
                try:
                    await arrive_by_https(self._hub, peer, signed, new_uuid())
                except Unidentified as error:
                    await self._refuse(scope, peer, error, send)
                    return
                if peer.domain.callback:
                    arrived.add(signed)
        await self._inner(scope, receive, send)

    async def _refuse(self, scope: Scope, peer: Peer, error: Unidentified, send: Send) -> None:
        record_refusal(
            self._hub,
            peer,
            action="https",
            resource=scope["path"],
            reason=f"{error.reason}: {error.words}",
            effect="the request was answered 403 (Forbidden)",
        )
        trace = new_uuid()
        await write_response(send, answer_device(403, "Forbidden", trace, "ForbiddenException"))
