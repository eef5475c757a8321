"""Requests that boto3 would not send: signed by botocore's own signers, then changed at will."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.auth import S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import answers
from api.making import REGION
from nodes import Node
from sekisho.cli.commands import read_credentials

PATIENCE = 10


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return self.headers.get("x-amzn-errortype", "")

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["message"])


class Request(NamedTuple):
    """``target`` is path and query as they go over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    def but(self, **headers: str | None) -> Request:
        """The same with other headers (``_`` for ``-``); None takes one away."""
        changed = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return self._replace(headers={name: value for name, value in changed.items() if value is not None})


def address(node: Node) -> tuple[str, int]:
    return node.address("api")


def signed(
    node: Node,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    service: str = "iot",
    region: str = REGION,
    key: str | None = None,
    secret: str | None = None,
    token: str | None = None,
    headers: dict[str, str] | None = None,
    expires: int | None = None,
    ahead: float = 0.0,
) -> Request:
    """A request in the node's own name; with ``expires`` (seconds) a presigned URL.

    ``ahead`` is by how many seconds the signer's clock is.
    """
    own_key, own_secret = read_credentials(node.data)
    credentials = Credentials(key or own_key, secret or own_secret, token)
    host, port = address(node)
    request = AWSRequest(method, f"http://{host}:{port}{target}", dict(headers or {}), body)
    signer: SigV4Auth
    if expires is not None and service == "s3":
        signer = S3SigV4QueryAuth(credentials, service, region, expires=expires)
    elif expires is None:
        signer = SigV4Auth(credentials, service, region)
    else:
        signer = SigV4QueryAuth(credentials, service, region, expires=expires)
    # What add_auth does, which has no argument for the time.
    moment = datetime.now(UTC) + timedelta(seconds=ahead)
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    found = {name.lower(): _text(value) for name, value in prepared.headers.items()}
    found.pop("content-length", None)
    return Request(
        method,
        parts.path + (f"?{parts.query}" if parts.query else ""),
        {"host": f"{host}:{port}"} | found,
        body,
    )


def send(node: Node, request: Request) -> Answer:
    connection = HTTPConnection(*address(node), timeout=PATIENCE)
    try:
        headers = dict(request.headers)
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            headers.setdefault("content-length", str(len(request.body)))
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.encode("latin-1", "replace"))
        connection.endheaders(request.body or None)
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        answers.remember_raw(*request, *answer)
        return answer
    finally:
        connection.close()


def call(node: Node, method: str, target: str, body: bytes = b"", **more: Any) -> Answer:
    """Sign and send."""
    return send(node, signed(node, method, target, body, **more))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
