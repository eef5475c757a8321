"""Functions behind an endpoint that speaks Lambda's Invoke.

Source: AWS Lambda API Reference, Invoke.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import h11
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sekisho.functions.interface import MOST, SECONDS, FunctionError, Gate, answer_of, event_bytes
from sekisho.logic.function_names import FunctionName, parse_function

READ = 65_536
HEAD = 32_768
"""Bytes that the head of an answer may have."""


class Answer(NamedTuple):
    status: int
    failed: bool
    body: bytes


class EndpointFunctions:
    """``endpoint`` is ``http://HOST[:PORT]`` or https; with ``access_key`` and ``secret_key`` requests are
    signed, without they are not."""

    def __init__(
        self, endpoint: str, region: str, access_key: str, secret_key: str, at_once: int, waiting: int
    ) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{endpoint!r}: expected http://HOST[:PORT] or https://HOST[:PORT]")
        self._url = endpoint.rstrip("/")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        credentials = Credentials(access_key, secret_key) if access_key else None
        self._signer = SigV4Auth(credentials, "lambda", region) if credentials else None
        self._gate = Gate("(at the endpoint)", at_once, waiting)

    async def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        try:
            name = parse_function(function)
        except ValueError as error:
            raise FunctionError(str(error)) from None
        body = event_bytes(event)
        async with self._gate.turn():
            try:
                async with asyncio.timeout(SECONDS):
                    answer = await self._ask(name, body)
            except TimeoutError:
                raise FunctionError(f"the function {name.name} did not answer within {SECONDS:g} s") from None
            except (OSError, EOFError, h11.RemoteProtocolError) as error:
                words = f"the endpoint of the function {name.name} cannot be used: {type(error).__name__}"
                raise FunctionError(words) from None
        if answer.status == 404:
            raise FunctionError(f"there is no function {name.name} at the endpoint")
        if answer.status != 200:
            raise FunctionError(f"the endpoint answered {answer.status} for the function {name.name}")
        if answer.failed:
            raise FunctionError(f"the function {name.name} failed; its own log says why")
        return answer_of(name.name, answer.body)

    async def close(self) -> None:
        """Nothing stays open between calls."""

    async def _ask(self, name: FunctionName, body: bytes) -> Answer:
        request = self._request(name, body)
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        try:
            connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD)
            for event in (request, h11.Data(data=body), h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            return await _read(connection, reader)
        finally:
            writer.close()

    def _request(self, name: FunctionName, body: bytes) -> h11.Request:
        url = f"{self._url}/2015-03-31/functions/{quote(name.name, safe='')}/invocations"
        if name.qualifier:
            url += f"?Qualifier={quote(name.qualifier, safe='')}"
        headers = {"Content-Type": "application/json", "X-Amz-Invocation-Type": "RequestResponse"}
        asked = AWSRequest("POST", url, headers=headers, data=body)
        if self._signer is not None:
            self._signer.add_auth(asked)
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        head = [("Host", parts.netloc), ("Connection", "close"), ("Content-Length", str(len(body)))]
        head += [(str(key), str(value)) for key, value in asked.headers.items()]
        return h11.Request(method="POST", target=target, headers=head)


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> Answer:
    status, failed, body = 0, False, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(READ))
        elif isinstance(event, h11.Response):
            status = event.status_code
            failed = any(key == b"x-amz-function-error" for key, _ in event.headers)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MOST:
                raise FunctionError(f"the endpoint answered more than {MOST} bytes")
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            if not status:
                raise EOFError
            return Answer(status, failed, bytes(body))
