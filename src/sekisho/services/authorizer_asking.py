"""Asking an authorizer: the token's signature first, then its function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sekisho.functions.interface import FunctionError
from sekisho.logic.authorizer_answers import LEAST_SECONDS, BadAnswer, Grant, grant_of
from sekisho.logic.custom_auth import MOST_SIGNATURE, MOST_TOKEN, SIGNATURE, Shown
from sekisho.logic.token_signatures import signature_holds
from sekisho.services.authorizer_records import Authorizer

Invoke = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Calls a function; raises FunctionError."""


class NotGranted(Exception):
    """The client is not let in; the words tell neither token nor password."""


class WrongCredentials(NotGranted):
    """What the client has shown is not right."""


class Failed(NotGranted):
    """The function did not answer, or not so that it can be used."""


def verified_token(
    authorizer: Authorizer, shown: Shown, token: str | None = None, signature: str | None = None
) -> str | None:
    """The token that the client passes, its signature verified if the authorizer is a signed one.

    ``token`` and ``signature`` are what a test passes by themselves. Raises WrongCredentials.
    """
    name = authorizer.name
    if token is None and authorizer.token:
        token = shown.value(authorizer.token)
    if token is not None and len(token) > MOST_TOKEN:
        raise WrongCredentials(f"the token has more than {MOST_TOKEN} characters")
    if not authorizer.signed:
        return token
    if signature is None:
        signature = shown.value(SIGNATURE)
    if not token:
        raise WrongCredentials(f"authorizer {name} wants a token, and there is no {authorizer.token}")
    if not signature:
        raise WrongCredentials(f"authorizer {name} wants a signed token, and there is no {SIGNATURE}")
    if len(signature) > MOST_SIGNATURE or not signature_holds(authorizer.keys, token, signature):
        raise WrongCredentials(f"the token's signature does not verify with a key of authorizer {name}")
    return token


async def ask(
    authorizer: Authorizer,
    shown: Shown,
    invoke: Invoke,
    *,
    least: int = LEAST_SECONDS,
    token: str | None = None,
    signature: str | None = None,
) -> Grant:
    """What the function says of a client, which may be that it is not authenticated.

    ``least`` is the shortest time that it may ask for. Raises NotGranted; if the signature is wrong, the
    function is not called.
    """
    token = verified_token(authorizer, shown, token, signature)
    try:
        grant = grant_of(await invoke(authorizer.function, shown.event(token, authorizer.signed)), least)
    except FunctionError as error:
        raise Failed(f"authorizer {authorizer.name}: {error}") from None
    except BadAnswer as error:
        words = f"authorizer {authorizer.name}: what its function answered cannot be used: {error}"
        raise Failed(words) from None
    certificate = shown.certificate
    if certificate is not None and grant.authenticated and grant.principal != certificate.id:
        raise Failed(f"authorizer {authorizer.name}: principalId is not that of the client's certificate")
    return grant
