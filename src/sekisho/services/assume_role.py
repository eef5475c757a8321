"""Temporary credentials: AssumeRole and GetSessionToken of sts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.aws.errors import (
    AccessDeniedException,
    MalformedPolicyDocumentException,
    PackedPolicyTooLargeException,
    ValidationError,
)
from sekisho.logic.arns import partition_of
from sekisho.logic.policy import MalformedPolicy, parse_policy
from sekisho.logic.trust import Asker, parse_trust
from sekisho.services.call import Call
from sekisho.services.iam import ROLE, USER, read_entity, size_of
from sekisho.services.permission import explained, limited, outcome, record_denial, variables
from sekisho.services.session_tokens import seal_session
from sekisho.services.work import Document

ACTION = "sts:AssumeRole"
HOUR = 3600
USERS_DEFAULT = 43_200
SESSION_POLICY = 2048
"""Characters of a session policy (AWS STS API Reference, AssumeRole, Policy)."""

UNTRUSTED = "its trust policy does not allow the caller"

GIVEN = "credentials-iot:"
"""How the condition keys begin that a device's session keeps (AWS IoT Developer Guide, Authorizing direct
calls to AWS services)."""


async def assume_role(
    call: Call,
    RoleArn: str,
    RoleSessionName: str,
    Policy: str | None = None,
    DurationSeconds: int | None = None,
    ExternalId: str | None = None,
) -> Document:
    """Credentials of a session of the role, for whom its trust policy and, unless that names the caller
    itself, the caller's own policies allow it.

    Beyond AWS, an account's root may assume roles as well: it is all that a new node has.
    """
    account, name = _role_of(RoleArn)
    role = await read_entity(call.deps.store, account, ROLE, name)
    if role is None or role["Arn"] != RoleArn:
        raise _denied(call, RoleArn, "there is no such role")
    given = {"sts:RoleSessionName": RoleSessionName}
    if ExternalId is not None:
        given["sts:ExternalId"] = ExternalId
    _check_trust(call, role, account, given)
    seconds = DurationSeconds or HOUR
    if seconds > role["MaxSessionDuration"]:
        raise ValidationError(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    principal = call.caller.principal
    if principal.temporary and seconds > HOUR:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
            "chaining"
        )
    _check_session_policy(Policy)
    context = {key: value for key, value in principal.context.items() if key.startswith(GIVEN)}
    credentials = seal_session(
        call.deps.keyring,
        call.now + seconds,
        account,
        ROLE,
        name,
        entity_id=role["RoleId"],
        session=RoleSessionName,
        policy=Policy,
        context=context if principal.service else {},
    )
    arn = f"arn:{partition_of(call.region)}:sts::{account}:assumed-role/{name}/{RoleSessionName}"
    answer: Document = {
        "Credentials": credentials,
        "AssumedRoleUser": {"AssumedRoleId": f"{role['RoleId']}:{RoleSessionName}", "Arn": arn},
    }
    if Policy is not None:
        answer["PackedPolicySize"] = max(1, size_of([Policy]) * 100 // SESSION_POLICY)
    return answer


async def get_session_token(call: Call, DurationSeconds: int | None = None) -> Document:
    """Credentials with the rights of the caller, without IAM and STS (AWS STS API Reference,
    GetSessionToken); of the root for an hour at most."""
    principal = call.caller.principal
    if principal.temporary:
        raise AccessDeniedException("Cannot call GetSessionToken with session credentials")
    user = principal.context.get("aws:username", "")
    seconds = DurationSeconds or USERS_DEFAULT
    expires = call.now + (seconds if user else min(seconds, HOUR))
    return {
        "Credentials": seal_session(
            call.deps.keyring, expires, principal.account, USER, user, entity_id=principal.user_id
        )
    }


def _role_of(arn: str) -> tuple[str, str]:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise ValidationError(f"{arn} is invalid")
    return parts[4], parts[5].rpartition("/")[2]


def _denied(call: Call, role: str, reason: str, **why: Any) -> AccessDeniedException:
    """One message, whether there is no such role or it is not for the caller; explain tells the reason."""
    who = call.caller.principal
    if not who.service:  # who asks in a device's name tells of the device
        entry = {"action": ACTION, "resource": role, "decision": "REFUSED", **why}
        record_denial(call.deps, call.caller, f"not authorized to assume the role: {reason}", entry)
    return AccessDeniedException(
        f"User: {who.arn} is not authorized to perform: {ACTION} on resource: {role}"
    )


def _check_trust(call: Call, role: Document, account: str, given: Mapping[str, str]) -> None:
    principal = call.caller.principal
    try:
        trust = parse_trust(role["AssumeRolePolicyDocument"])
    except MalformedPolicy:
        raise _denied(call, role["Arn"], "its trust policy cannot be read") from None
    context = {**variables(call.caller, call.now), **given}
    if principal.service:
        asker = Asker("Service", principal.account, (principal.service,))
        if account != principal.account or not trust.judge(asker, ACTION, context).decision.allowed:
            raise _denied(call, role["Arn"], UNTRUSTED)
        return
    names = {principal.arn, principal.context.get("aws:PrincipalArn", principal.arn)}
    judged = trust.judge(Asker("AWS", principal.account, tuple(names)), ACTION, context)
    own = outcome(call.caller, ACTION, role["Arn"], call.now, given)
    # Named by the trust policy itself, a principal of the same account needs no policy of its own (IAM User
    # Guide, "Cross-account resource access in IAM"), but a session's own policy still limits it.
    needless = judged.direct and account == principal.account and own == "IMPLICIT_DENY"
    needless = needless and not limited(call.caller, ACTION, role["Arn"], call.now)
    if not judged.decision.allowed:
        raise _denied(call, role["Arn"], UNTRUSTED)
    if not (own == "ALLOWED" or needless):
        why = explained(call.caller, ACTION, role["Arn"], call.now, given)
        raise _denied(call, role["Arn"], "the caller's own policies do not allow it", **why)


def _check_session_policy(document: str | None) -> None:
    if document is None:
        return
    try:
        parse_policy(document, max_chars=None)
    except MalformedPolicy as error:
        raise MalformedPolicyDocumentException(str(error)) from None
    if len(document) > SESSION_POLICY:
        raise PackedPolicyTooLargeException(
            f"the session policy has {len(document)} characters, more than {SESSION_POLICY}"
        )
