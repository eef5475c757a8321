"""Which answers the tests of one run have had from nodes: operation by operation, as a client reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from sekisho.aws.catalog import Catalog
from sekisho.aws.errors import AwsError
from sekisho.aws.request import Request
from sekisho.operations import load_services

SEEN: set[tuple[str, str, str]] = set()
"""Service, operation, and the error's code; '' for a success."""

SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
WIRE_CODE = re.compile(rb"<Code>([^<]+)</Code>")


def remember(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
    """For botocore's event ``after-call``."""
    code = parsed.get("Error", {}).get("Code", "") if http_response.status_code >= 300 else ""
    SEEN.add((model.service_model.service_name, model.name, code))


def remember_raw(
    method: str,
    target: str,
    asked: Mapping[str, str],
    sent: bytes,
    status: int,
    told: Mapping[str, str],
    got: bytes,
) -> None:
    """For requests that no client of AWS's has sent; what was signed for no operation is passed over."""
    path, _, query = target.partition("?")
    scope = SCOPE.search(asked.get("authorization", ""))
    try:
        service, operation, _ = _catalog().find(
            Request(method, path, query, asked, sent), scope[1] if scope is not None else ""
        )
    except AwsError:
        return
    SEEN.add((service.name, operation.name, _code(told, got) if status >= 300 else ""))


def _code(told: Mapping[str, str], got: bytes) -> str:
    in_xml = WIRE_CODE.search(got)
    if in_xml is not None:
        return in_xml[1].decode()
    if "x-amzn-errortype" in told:
        return told["x-amzn-errortype"]
    try:
        return str(json.loads(got).get("__type", ""))
    except ValueError:
        return ""


@cache
def _catalog() -> Catalog:
    return Catalog(load_services().values())
