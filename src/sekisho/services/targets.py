"""Principals by ARN: which certificate a target or principal member names."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.arns import parse_arn
from sekisho.services.call import Call
from sekisho.services.work import Document


async def require_principal(call: Call, principal: str) -> Document:
    """The certificate that the ARN names, or an error that says what is wrong with it."""
    try:
        arn = parse_arn(principal)
    except ValueError as error:
        raise InvalidRequestException(f"{principal}: {error}") from None
    kind, _, name = arn.resource.partition("/")
    if arn.service != "iot" or kind != "cert":
        raise InvalidRequestException(
            f"{principal}: this node implements certificates (…:cert/<id>) as principals and targets"
        )
    if (arn.account, arn.region) != (call.account, call.region):
        raise InvalidRequestException(f"{principal} is not of account {call.account} in {call.region}")
    return await call.require("cert", name)
