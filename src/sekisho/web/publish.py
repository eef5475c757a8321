"""HTTPS publish by a device: the request has no signature. TLS has proved who asks, or an authorizer
says it.

AWS IoT Developer Guide, Device communication protocols (HTTPS, "Client authentication" and "Publish").
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

from sekisho.aws.catalog import Catalog
from sekisho.aws.errors import (
    AwsError,
    ForbiddenException,
    InternalFailureException,
    UnknownOperationException,
)
from sekisho.aws.request import Request, Response
from sekisho.broker.enrichment import enrich_members
from sekisho.broker.hub import Hub
from sekisho.broker.listener import Peer
from sekisho.broker.requests import Told, authorize_publish
from sekisho.services.api import Api
from sekisho.services.call import ALLOW_ALL, Caller, Principal
from sekisho.services.unique import new_uuid
from sekisho.web.endpoint import AwsEndpoint, Receive, Scope, Send, read_request, write_response

log = structlog.get_logger("sekisho.web")

SIGNING_NAME = "iotdata"
SERVICE, OPERATION = "iot-data", "Publish"
TOPICS = b"/topics/"

SIGNED = (b"X-Amz-Signature=", b"X-Amz-Algorithm=")
"""What the query of a presigned URL has."""


class DevicePublish:
    """Answers what a device publishes by HTTPS; every other request goes on to the AWS endpoint."""

    def __init__(self, endpoint: AwsEndpoint, api: Api, catalog: Catalog, hub: Hub) -> None:
        self._endpoint = endpoint
        self._api = api
        self._catalog = catalog
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = _device(scope)
        if peer is None:
            await self._endpoint(scope, receive, send)
            return
        trace = new_uuid()
        try:
            request = await read_request(scope, receive)
        except AwsError as error:
            await write_response(send, answer_device(error.fallback_status, error.message, trace, error.code))
            return
        if request is not None:
            told = Told(request.headers, request.query, scope["state"].get("kept", {}))
            await write_response(send, await self._publish(request, peer, told, trace))

    async def _publish(self, request: Request, peer: Peer, told: Told, trace: str) -> Response:
        try:
            await self._invoke(request, peer, told, trace)
        except AwsError as error:
            status = self._api.error_status(SERVICE, error)
            words = "Forbidden" if isinstance(error, ForbiddenException) else error.message
            return answer_device(status, words, trace, error.code)
        except Exception:
            log.exception("request failed", request=trace)
            failure = InternalFailureException("An internal failure occurred")
            return answer_device(failure.fallback_status, failure.message, trace, failure.code)
        return answer_device(200, "OK", trace)

    async def _invoke(self, request: Request, peer: Peer, told: Told, trace: str) -> None:
        _, operation, labels = self._catalog.find(request, SIGNING_NAME)
        if operation.name != OPERATION:
            raise UnknownOperationException(f"{operation.name} is not answered by {request.method} /topics/…")
        members = operation.parse(request, labels)
        topic = str(members.get("topic"))
        identity = await authorize_publish(self._hub, peer, topic, bool(members.get("retain")), told)
        enrich_members(members, identity)
        # The device's policies have allowed it; what follows is done by the node in the device's name.
        caller = Caller(
            Principal(identity.arn, identity.account, ALLOW_ALL),
            identity.account,
            identity.region,
            peer.address,
            trace,
            certificate_id=identity.certificate_id,
        )
        await self._api.invoke(caller, SERVICE, OPERATION, **members)


def _device(scope: MutableMapping[str, Any]) -> Peer | None:
    """Who is at the other end of TLS, if this is an unsigned POST to a topic."""
    peer: Peer | None = scope.get("state", {}).get("peer")
    if peer is None or scope["method"] != "POST" or not scope["raw_path"].startswith(TOPICS):
        return None
    return None if is_signed(scope) else peer


def is_signed(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request has a signature, in its query or a header; other credentials in that header are a
    custom authorizer's."""
    signed = any(mark in scope["query_string"] for mark in SIGNED)
    return signed or any(
        name.lower() == b"authorization" and value.startswith(b"AWS") for name, value in scope["headers"]
    )


def answer_device(status: int, message: str, trace: str, code: str = "") -> Response:
    """An answer in the data plane's form."""
    headers = {"content-type": "application/json", "x-amzn-requestid": trace}
    if code:
        headers["x-amzn-errortype"] = code
    return Response(status, headers, orjson.dumps({"message": message, "traceId": trace}))
