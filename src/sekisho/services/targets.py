"""Principals by ARN: which certificate a target or principal member names."""

from __future__ import annotations

import re

from sekisho.aws.errors import InvalidRequestException, NotImplementedException
from sekisho.logic.arns import parse_arn
from sekisho.logic.json_text import shown
from sekisho.services.call import Call
from sekisho.services.work import Document

_COGNITO_IDENTITY = re.compile(r"[\w-]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


async def require_principal(call: Call, principal: str) -> Document:
    """The certificate that the ARN names, or an error that says what is wrong with it."""
    if _COGNITO_IDENTITY.fullmatch(principal):
        raise NotImplementedException("Amazon Cognito identities are not implemented by this node")
    try:
        arn = parse_arn(principal)
    except ValueError as error:
        raise InvalidRequestException(str(error)) from None
    kind, _, name = arn.resource.partition("/")
    if arn.service == "iot" and kind == "thinggroup":
        raise NotImplementedException("thing groups are not implemented by this node")
    if arn.service != "iot" or kind != "cert":
        raise InvalidRequestException(f"{shown(principal)} is not the ARN of a certificate (…:cert/<id>)")
    if principal != call.arn("cert", name):
        raise InvalidRequestException(f"{shown(principal)} is not of account {call.account} in {call.region}")
    return await call.require("cert", name)
