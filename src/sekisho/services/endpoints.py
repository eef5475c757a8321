"""DescribeEndpoint."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.services.call import Call
from sekisho.services.work import Document

TYPES = ("iot:Data", "iot:Data-ATS", "iot:CredentialProvider", "iot:Jobs")


async def describe_endpoint(call: Call, endpointType: str | None = None) -> Document:
    """The node's own host name, as AWS answers without a port; ``sekisho env`` knows the ports."""
    if endpointType is not None and endpointType not in TYPES:
        raise InvalidRequestException(f"endpointType {endpointType} is not one of {', '.join(TYPES)}")
    return {"endpointAddress": call.deps.config["endpoint"]}
