"""The AWS endpoint: one ASGI app that answers every request that a client of AWS sends.

Route, verify the signature, find the operation (501 when it is not built), parse, then through the one door
(authorize, validate, invoke, audit), serialize.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

import orjson
import structlog

from sekisho.aws.catalog import Catalog
from sekisho.aws.errors import (
    AwsError,
    ExpiredToken,
    ExpiredTokenException,
    InternalFailureException,
    InvalidSignatureException,
    RequestEntityTooLargeException,
    UnrecognizedClientException,
)
from sekisho.aws.operation import Operation
from sekisho.aws.request import Request, Response
from sekisho.aws.service import Service
from sekisho.aws.sigv2 import OldCredential, verify_old
from sekisho.aws.sigv4 import Credential, credential_of, verify
from sekisho.services.access import AccessKey
from sekisho.services.api import Api
from sekisho.services.call import Caller, Principal
from sekisho.services.principals import Principals
from sekisho.services.resources import GLOBAL
from sekisho.services.unique import new_uuid

log = structlog.get_logger("sekisho.web")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_LIMIT = 1 << 20
"""Bytes of a request's body; the largest that a service here takes is a policy of 404,600 characters."""

SOCKET_SERVICES = ("iotdevicegateway", "iotdata")
"""What MQTT over WebSocket is signed for (AWS IoT Developer Guide, Device communication protocols)."""

INVALID_TOKEN = "The security token included in the request is invalid."  # noqa: S105


EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105

GLOBAL_REGION = "us-east-1"
"""What clients sign services without a region for, wherever they are."""


class Time(Protocol):
    def real(self) -> float: ...
    def now(self) -> float: ...


class AwsEndpoint:
    def __init__(
        self, api: Api, catalog: Catalog, keys: Principals, clock: Time, regions: Sequence[str]
    ) -> None:
        self._api = api
        self._catalog = catalog
        self._keys = keys
        self._clock = clock
        self._regions = regions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_uuid()
        try:
            request = await read_request(scope, receive)
        except AwsError as error:
            await write_response(send, generic_error(error, request_id))
            return
        if request is None:
            return  # the client went away
        client = scope.get("client")
        response = await self.answer(request, client[0] if client else "", request_id)
        await write_response(send, response)

    async def answer(self, request: Request, source_ip: str, request_id: str) -> Response:
        service: Service | None = None
        operation: Operation | None = None
        try:
            credential = credential_of(request)
            # Already a refused signature is answered in the protocol of the service that was meant.
            service = next(iter(self._catalog.by_signing_name(credential.service)), None)
            principal = await self.authenticate(request, credential)
            service, operation, labels = self._catalog.find(request, credential.service)
            self._api.require_real(service.name, operation.name)
            members = operation.parse(request, labels)
            caller = Caller(principal, principal.account, credential.region, source_ip, request_id)
            result = await self._api.invoke(caller, service.name, operation.name, **members)
            return operation.serialize(result, request_id)
        except AwsError as error:
            if service is None:
                return generic_error(error, request_id)
            return service.serialize_error(error, request_id, operation)
        except Exception:
            log.exception("request failed", request=request_id)
            return generic_error(InternalFailureException("An internal failure occurred"), request_id)

    async def authenticate_socket(self, request: Request) -> tuple[Principal, str]:
        """Who has signed the upgrade to MQTT over WebSocket, in its query or a header, and for which region;
        AwsError if nobody."""
        credential = credential_of(request)
        if credential.service not in SOCKET_SERVICES:
            raise InvalidSignatureException(
                f"Credential should be scoped to correct service: {' or '.join(SOCKET_SERVICES)}"
            )
        return await self.authenticate(request, credential), credential.region

    async def authenticate(self, request: Request, credential: Credential) -> Principal:
        """Who has signed a request; AwsError says why nobody has."""
        return (await self.signer(request, credential)).principal

    async def signer(self, request: Request, credential: Credential, body: str | None = None) -> AccessKey:
        """The key that has signed a request; ``body`` stands for a body that has yet to come."""
        key = await self._keys.find(credential.access_key, credential.session_token)
        if key is None:
            raise UnrecognizedClientException(INVALID_TOKEN)
        verify(request, credential, key.secret, self._clock.real(), body=body)
        if key.expires is not None and key.expires <= self._clock.now():
            ended = ExpiredToken if credential.service in GLOBAL else ExpiredTokenException
            raise ended(EXPIRED_TOKEN)
        regions = [*self._regions, GLOBAL_REGION] if credential.service in GLOBAL else self._regions
        if credential.region not in regions:
            raise InvalidSignatureException(
                f"Credential should be scoped to a valid region; this node serves {', '.join(self._regions)}"
            )
        return key

    async def old_signer(self, request: Request, credential: OldCredential) -> AccessKey:
        """The key that has signed a URL by version 2 of the signature, which names no region."""
        key = await self._keys.find(credential.access_key, None)
        if key is None:
            raise UnrecognizedClientException(INVALID_TOKEN)
        verify_old(request, credential, key.secret, self._clock.real())
        return key


def generic_error(error: AwsError, request_id: str) -> Response:
    """An error of a request that no service is known of."""
    headers = {
        "content-type": "application/json",
        "x-amzn-errortype": error.code,
        "x-amzn-requestid": request_id,
    }
    return Response(error.fallback_status, headers, orjson.dumps({"message": error.message}))


async def read_request(scope: Scope, receive: Receive) -> Request | None:
    """The whole request, or None when the client went away; RequestEntityTooLargeException past the limit."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        text = name.decode("latin-1").lower()
        shown = value.decode("latin-1")
        headers[text] = f"{headers[text]},{shown}" if text in headers else shown
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > BODY_LIMIT:
            raise RequestEntityTooLargeException(f"the body is larger than {BODY_LIMIT} bytes")
        chunks.append(chunk)
        if not event.get("more_body"):
            break
    return Request(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        b"".join(chunks),
    )


async def write_response(send: Send, response: Response) -> None:
    headers = {"content-length": str(len(response.body)), **response.headers}
    if response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        headers["connection"] = "close"  # else what is left of the body would have to be read
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": response.body})
