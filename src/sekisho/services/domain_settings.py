"""What a domain configuration demands of clients, checked as a whole before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.aws.errors import InvalidRequestException, NotImplementedException
from sekisho.logic.domains import CUSTOM_X509, DEFAULT, DEFAULT_POLICY, POLICIES, X509, why_not_together
from sekisho.logic.function_names import why_not_callable
from sekisho.services.call import Call
from sekisho.services.work import Document

AUTHORIZER = "authorizer"
"""The kind of a custom authorizer."""

BEGINNING = {
    "authenticationType": DEFAULT,
    "applicationProtocol": DEFAULT,
    "tlsConfig": {"securityPolicy": DEFAULT_POLICY},
}
NOT_BUILT = ("ocspLambdaArn", "ocspAuthorizedResponderArn")


async def checked(call: Call, before: Document, **given: Any) -> Document:
    """The settings as they will be: ``before``, with what was given (None: not given).

    Raises InvalidRequestException; NotImplementedException by the member's name.
    """
    settings = BEGINNING | {name: before[name] for name in given if before.get(name) is not None}
    settings |= {name: value for name, value in given.items() if value is not None}
    _check_stapling(call, given.get("serverCertificateConfig"))
    policy = settings["tlsConfig"].get("securityPolicy") or DEFAULT_POLICY
    if policy not in POLICIES:
        raise InvalidRequestException(f"securityPolicy {policy} is not one of {', '.join(POLICIES)}")
    settings["tlsConfig"] = {"securityPolicy": policy}
    if given.get("authorizerConfig") is not None:
        settings["authorizerConfig"] = await _authorizer(call, given["authorizerConfig"])
    why_not = why_not_together(settings["authenticationType"], settings["applicationProtocol"])
    if why_not is not None:
        raise InvalidRequestException(why_not)
    _check_callback(call, settings)
    return settings


def _check_stapling(call: Call, config: Mapping[str, Any] | None) -> None:
    for member in NOT_BUILT:
        if (config or {}).get(member):
            raise NotImplementedException(
                f"the member serverCertificateConfig.{member} of {call.operation} is not implemented"
            )


async def _authorizer(call: Call, config: Mapping[str, Any]) -> Document:
    name = config.get("defaultAuthorizerName")
    if name is not None and await call.work.get(AUTHORIZER, name) is None:
        raise InvalidRequestException(f"authorizerConfig: authorizer {name} does not exist")
    return {
        "defaultAuthorizerName": name,
        "allowAuthorizerOverride": bool(config.get("allowAuthorizerOverride")),
    }


def _check_callback(call: Call, settings: Document) -> None:
    function = settings.get("clientCertificateConfig", {}).get("clientCertificateCallbackArn")
    if not function:
        settings.pop("clientCertificateConfig", None)
        return
    why_not = why_not_callable(function, call.region, call.account)
    if why_not is not None:
        raise InvalidRequestException(f"clientCertificateCallbackArn: {why_not}")
    if settings["authenticationType"] not in (X509, CUSTOM_X509):
        raise InvalidRequestException(
            f"clientCertificateConfig needs authenticationType {X509} or {CUSTOM_X509}, "
            f"not {settings['authenticationType']}"
        )
