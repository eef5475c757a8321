"""DescribeEndpoint."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.endpoints import TYPES
from sekisho.services.call import Call
from sekisho.services.work import Document

DEFAULT_TYPE = "iot:Data"
"""botocore, DescribeEndpoint; the older name of the two for data."""


async def describe_endpoint(call: Call, endpointType: str | None = None) -> Document:
    """The caller's host name for a type, as AWS answers without a port; ``sekisho env`` knows the ports."""
    kind = DEFAULT_TYPE if endpointType is None else endpointType
    if kind not in TYPES:
        raise InvalidRequestException(f"endpointType {endpointType} is not one of {', '.join(TYPES)}")
    return {"endpointAddress": call.deps.places.host(call.account, call.region, kind)}
