"""Requests signed by botocore."""

from __future__ import annotations

from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sekisho.aws.request import Request
from sekisho.aws.sigv4 import credential_of, verify
from unit.aws.shapes import ENDPOINT, received

ACCESS_KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzE//a+b=="
REGION = "eu-west-1"


def signed(
    signer: type[SigV4Auth],
    target: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    token: str | None = None,
    scope: str = "iot",
    params: Any = None,
    **options: Any,
) -> Request:
    request = AWSRequest(method, ENDPOINT + target, dict(headers or {}), body, params)
    signer(Credentials(ACCESS_KEY, SECRET, token), scope, REGION, **options).add_auth(request)
    return received(request.prepare())


def check(request: Request, secret: str = SECRET, late: float = 0.0, **options: Any) -> None:
    credential = credential_of(request)
    verify(request, credential, secret, credential.timestamp + late, **options)


def replaced(request: Request, **headers: str) -> Request:
    return request._replace(
        headers={**request.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
    )
