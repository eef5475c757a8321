"""The jobs endpoint as devices see it that come with a certificate: who may use it, and what is there.

AWS IoT Developer Guide, Jobs device HTTP API: requests with a client certificate at ``iot:Jobs``.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from sekisho.aws.catalog import Catalog
from sekisho.aws.errors import AwsError
from sekisho.aws.request import Request
from sekisho.broker.hub import Hub
from sekisho.broker.listener import Peer
from sekisho.broker.requests import identify_request, is_at_jobs
from sekisho.services.api import Api
from sekisho.services.unique import new_uuid
from sekisho.web.endpoint import Receive, Scope, Send, read_request, write_response
from sekisho.web.publish import answer_device, is_signed

SIGNING_NAME = "iot-jobs-data"


class JobsEndpoint:
    """Answers what a device asks at the jobs endpoint without a signature; every other request goes on."""

    def __init__(self, inner: Any, api: Api, catalog: Catalog, hub: Hub) -> None:
        self._inner = inner
        self._api = api
        self._catalog = catalog
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = _device(scope)
        if peer is None:
            await self._inner(scope, receive, send)
            return
        trace = new_uuid()
        try:
            request = await read_request(scope, receive)
            if request is None:
                return  # the client went away
            await self._answer(request, peer)
        except AwsError as error:
            status = self._api.error_status(SIGNING_NAME, error)
            await write_response(send, answer_device(status, error.message, trace, error.code))

    async def _answer(self, request: Request, peer: Peer) -> None:
        service, operation, _ = self._catalog.find(request, SIGNING_NAME)
        action = f"iotjobsdata:{operation.name}"
        await identify_request(self._hub, peer, action, request.raw_path)
        self._api.require_real(service.name, operation.name)


def _device(scope: MutableMapping[str, Any]) -> Peer | None:
    """Who is at the other end of TLS, if this is an unsigned request at the jobs endpoint."""
    peer: Peer | None = scope.get("state", {}).get("peer")
    return peer if peer is not None and is_at_jobs(peer) and not is_signed(scope) else None
