"""Roles that a caller gives to the node: their ARNs, and iam:PassRole."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.arns import parse_arn
from sekisho.services.call import Call
from sekisho.services.permission import require_allowed


def require_passed_role(call: Call, role_arn: str) -> None:
    """A role of the caller's account that the caller may pass; whether it exists is seen when it is used."""
    try:
        arn = parse_arn(role_arn)
    except ValueError as error:
        raise InvalidRequestException(f"roleArn: {error}") from None
    if arn.service != "iam" or not arn.resource.startswith("role/"):
        raise InvalidRequestException(f"{role_arn} is not the ARN of a role (arn:aws:iam::…:role/…)")
    if arn.account != call.account:
        raise InvalidRequestException(f"{role_arn} is not of account {call.account}")
    require_allowed(call, "iam:PassRole", role_arn)
