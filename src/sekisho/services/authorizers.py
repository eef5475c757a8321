"""Custom authorizers: the functions that say who a client is that has neither certificate nor signature.

Source: AWS IoT Developer Guide, "Creating and managing custom authorizers"; the `iot` service model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.aws.errors import (
    DeleteConflictException,
    InvalidRequestException,
    InvalidResponseException,
    LimitExceededException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from sekisho.logic.custom_auth import Http, Mqtt, Shown
from sekisho.logic.function_names import why_not_callable
from sekisho.logic.token_signatures import load_signing_key
from sekisho.services.authorizer_asking import Failed, WrongCredentials, ask
from sekisho.services.authorizer_records import ACTIVE, DEFAULT, KIND, MOST, read_authorizer
from sekisho.services.call import Call
from sekisho.services.domain_configurations import MOST as DOMAINS
from sekisho.services.paging import DEFAULT_PAGE, key, token
from sekisho.services.served_certificates import CONFIGURATION
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.taken import require_free
from sekisho.services.work import Document

AMONG_ACTIVE = "activeauthorizer"
"""The kind of a row that each authorizer has while it is ACTIVE: by them they are counted."""

MOST_ACTIVE = 32
"""AWS General Reference, AWS IoT quotas; `MOST` is of them as well."""

MOST_KEYS = 10
"""Public keys of one authorizer; each may have to be tried for every client."""


async def create_authorizer(
    call: Call,
    authorizerName: str,
    authorizerFunctionArn: str,
    tokenKeyName: str | None = None,
    tokenSigningPublicKeys: Mapping[str, str] | None = None,
    status: str | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
    signingDisabled: bool | None = None,
    enableCachingForHttp: bool | None = None,
) -> Document:
    name = authorizerName
    words = f"Authorizer {name} already exists"
    await require_free(call, KIND, name, "authorizer", words)
    arn = call.arn(KIND, name)
    authorizer = {
        "authorizerName": name,
        "authorizerArn": arn,
        "authorizerFunctionArn": authorizerFunctionArn,
        "tokenKeyName": tokenKeyName,
        "tokenSigningPublicKeys": dict(tokenSigningPublicKeys or {}),
        "status": status or ACTIVE,
        "signingDisabled": bool(signingDisabled),
        "enableCachingForHttp": bool(enableCachingForHttp),
    }
    _check(call, authorizer)
    if not await call.work.require_fewer(KIND, MOST):
        raise LimitExceededException(f"there are {MOST} authorizers already, the most that there may be")
    if authorizer["status"] == ACTIVE:
        await _activate(call, name)
    await put_tags(call, arn, tags)
    return await call.work.put(KIND, name, authorizer)


async def describe_authorizer(call: Call, authorizerName: str) -> Document:
    return {"authorizerDescription": await call.require(KIND, authorizerName)}


async def update_authorizer(
    call: Call,
    authorizerName: str,
    authorizerFunctionArn: str | None = None,
    tokenKeyName: str | None = None,
    tokenSigningPublicKeys: Mapping[str, str] | None = None,
    status: str | None = None,
    enableCachingForHttp: bool | None = None,
) -> Document:
    """Public keys take the place of all that were there."""
    authorizer = await call.require(KIND, authorizerName)
    given = {
        "authorizerFunctionArn": authorizerFunctionArn,
        "tokenKeyName": tokenKeyName,
        "tokenSigningPublicKeys": tokenSigningPublicKeys,
        "status": status,
        "enableCachingForHttp": enableCachingForHttp,
    }
    changed = authorizer | {member: value for member, value in given.items() if value is not None}
    _check(call, changed)
    if changed["status"] != authorizer["status"]:
        if changed["status"] == ACTIVE:
            await _activate(call, authorizerName)
        else:
            await call.work.delete(AMONG_ACTIVE, authorizerName)
    return await call.work.put(KIND, authorizerName, changed)


async def delete_authorizer(call: Call, authorizerName: str) -> None:
    """One that is ACTIVE must be made INACTIVE before; so AWS answers, and the default must be cleared."""
    authorizer = await call.require(KIND, authorizerName)
    if authorizer["status"] == ACTIVE:
        raise DeleteConflictException(
            f"Authorizer {authorizerName} is ACTIVE; make it INACTIVE (UpdateAuthorizer) before deleting it"
        )
    default = await call.work.get(DEFAULT, "")
    if default is not None and default["authorizerName"] == authorizerName:
        raise DeleteConflictException(
            f"Authorizer {authorizerName} is the default; clear that (ClearDefaultAuthorizer) before "
            "deleting it"
        )
    for domain, body in (await call.work.page(CONFIGURATION, "", DOMAINS))[0]:
        if (body.get("authorizerConfig") or {}).get("defaultAuthorizerName") == authorizerName:
            raise DeleteConflictException(
                f"Authorizer {authorizerName} is the default of domain configuration {domain}"
            )
    await drop_tags(call, authorizer["authorizerArn"])
    await call.work.delete(KIND, authorizerName)


async def list_authorizers(
    call: Call,
    pageSize: int | None = None,
    marker: str | None = None,
    ascendingOrder: bool | None = None,
    status: str | None = None,
) -> Document:
    """In alphabetical order, downwards unless told (botocore, isAscendingOrder)."""
    size, last, ascending = pageSize or DEFAULT_PAGE, key(marker), bool(ascendingOrder)
    found: list[Document] = []
    while True:
        page, after = await call.work.page(KIND, last, MOST, ascending=ascending)
        found += [one for _, one in page if status is None or one["status"] == status]
        if len(found) > size:
            return {"authorizers": found[:size], "nextMarker": token(found[size - 1]["authorizerName"])}
        if not after:
            return {"authorizers": found}
        last = after


async def set_default_authorizer(call: Call, authorizerName: str) -> Document:
    """There is one default: another must be cleared before (the operation has an error for that)."""
    authorizer = await call.require(KIND, authorizerName)
    default = await call.work.get(DEFAULT, "")
    if default is None:
        await call.work.put(DEFAULT, "", {"authorizerName": authorizerName})
    elif default["authorizerName"] != authorizerName:
        other = default["authorizerName"]
        raise ResourceAlreadyExistsException(
            f"The default authorizer is {other}; clear it (ClearDefaultAuthorizer) before setting another",
            resourceId=other,
            resourceArn=call.arn(KIND, other),
        )
    return authorizer


async def describe_default_authorizer(call: Call) -> Document:
    return {"authorizerDescription": await call.require(KIND, await _default(call))}


async def clear_default_authorizer(call: Call) -> None:
    await _default(call)
    await call.work.delete(DEFAULT, "")


async def test_invoke_authorizer(
    call: Call,
    authorizerName: str,
    token: str | None = None,
    tokenSignature: str | None = None,
    httpContext: Mapping[str, Any] | None = None,
    mqttContext: Mapping[str, Any] | None = None,
    tlsContext: Mapping[str, Any] | None = None,
) -> Document:
    """As a client would be asked for, also while the authorizer is INACTIVE. A token and a signature that are
    not given by themselves are looked for in the contexts."""
    authorizer = read_authorizer(await call.require(KIND, authorizerName))
    try:
        grant = await ask(
            authorizer,
            _shown(call, httpContext, mqttContext, tlsContext),
            call.invoke,
            least=call.deps.config["custom_auth.shortest_seconds"],
            token=token,
            signature=tokenSignature,
        )
    except WrongCredentials as error:
        raise InvalidRequestException(str(error)) from None
    except Failed as error:
        raise InvalidResponseException(str(error)) from None
    if not grant.authenticated:
        return {"isAuthenticated": False}
    return {
        "isAuthenticated": True,
        "principalId": grant.principal,
        "policyDocuments": list(grant.documents),
        "refreshAfterInSeconds": grant.refresh,
        "disconnectAfterInSeconds": grant.disconnect,
    }


def _shown(
    call: Call,
    http: Mapping[str, Any] | None,
    mqtt: Mapping[str, Any] | None,
    tls: Mapping[str, Any] | None,
) -> Shown:
    headers: Mapping[str, str] = (http or {}).get("headers") or {}
    query = (http or {}).get("queryString") or ""
    return Shown(
        call.caller.request_id,
        (tls or {}).get("serverName") or "",
        tls is not None,
        None if http is None else Http({k.lower(): v for k, v in headers.items()}, query.removeprefix("?")),
        None
        if mqtt is None
        else Mqtt(mqtt.get("username"), mqtt.get("password"), mqtt.get("clientId") or ""),
    )


async def _default(call: Call) -> str:
    default = await call.work.get(DEFAULT, "")
    if default is None:
        raise ResourceNotFoundException("There is no default authorizer")
    name: str = default["authorizerName"]
    return name


def _check(call: Call, authorizer: Mapping[str, Any]) -> None:
    why_not = why_not_callable(authorizer["authorizerFunctionArn"], call.region, call.account)
    if why_not is not None:
        raise InvalidRequestException(f"authorizerFunctionArn: {why_not}")
    keys: Mapping[str, str] = authorizer.get("tokenSigningPublicKeys") or {}
    if not authorizer["signingDisabled"]:
        for member, words in (
            ("tokenKeyName", "the name under which a client passes its token"),
            ("tokenSigningPublicKeys", "a public key that verifies tokens"),
        ):
            if not authorizer.get(member):
                raise InvalidRequestException(
                    f"{member} is missing: without signingDisabled an authorizer needs {words}"
                )
    if len(keys) > MOST_KEYS:
        raise InvalidRequestException(f"tokenSigningPublicKeys: {len(keys)} keys, more than {MOST_KEYS}")
    for name, pem in keys.items():
        try:
            load_signing_key(pem)
        except ValueError as error:
            raise InvalidRequestException(f"tokenSigningPublicKeys: {name} is {error}") from None


async def _activate(call: Call, name: str) -> None:
    if not await call.work.require_fewer(AMONG_ACTIVE, MOST_ACTIVE):
        raise LimitExceededException(
            f"there are {MOST_ACTIVE} ACTIVE authorizers already, the most that there may be"
        )
    await call.work.put(AMONG_ACTIVE, name, {})
