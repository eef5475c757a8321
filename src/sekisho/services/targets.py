"""Resources by ARN: which certificate, thing group or thing a member names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sekisho.aws.errors import InvalidRequestException, NotImplementedException
from sekisho.logic.arns import parse_arn
from sekisho.logic.json_text import shown
from sekisho.services.call import Call
from sekisho.services.work import Document

GROUP = "thinggroup"

_COGNITO_IDENTITY = re.compile(r"[\w-]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


async def require_principal(call: Call, principal: str) -> Document:
    """The certificate that the ARN names, or an error that says what is wrong with it."""
    return await _require(call, principal, {"cert": "certificate"})


async def require_target(call: Call, target: str) -> Document:
    """The certificate or thing group that the ARN names: what can have policies."""
    return await _require(call, target, {"cert": "certificate", GROUP: "thing group"})


async def _require(call: Call, principal: str, kinds: Mapping[str, str]) -> Document:
    if _COGNITO_IDENTITY.fullmatch(principal):
        raise NotImplementedException("Amazon Cognito identities are not implemented by this node")
    try:
        arn = parse_arn(principal)
    except ValueError as error:
        raise InvalidRequestException(str(error)) from None
    kind, _, name = arn.resource.partition("/")
    if arn.service != "iot" or kind not in kinds:
        forms = " or ".join(f"a {noun} (…:{kind}/…)" for kind, noun in kinds.items())
        raise InvalidRequestException(f"{shown(principal)} is not the ARN of {forms}")
    if principal != call.arn(kind, name):
        raise InvalidRequestException(f"{shown(principal)} is not of account {call.account} in {call.region}")
    return await call.require(kind, name)


def named(call: Call, kind: str, member: str, name: str | None, arn: str | None) -> str:
    """The name of the resource that ``<member>Name`` or ``<member>Arn`` gives, or both."""
    if arn is None:
        if name is None:
            raise InvalidRequestException(f"{member}Name or {member}Arn is needed")
        return name
    found = arn.rpartition("/")[2]
    if arn != call.arn(kind, found):
        raise InvalidRequestException(
            f"{member}Arn: {shown(arn)} is not the ARN of a {kind} of account {call.account} in {call.region}"
        )
    if name is not None and name != found:
        raise InvalidRequestException(f"{member}Name {name} and {member}Arn {arn} are not the same")
    return found
