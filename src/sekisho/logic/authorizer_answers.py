"""What an authorizer's function answers: who it is, what it may do, and for how long.

Source: AWS IoT Developer Guide, "Defining your Lambda function".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from sekisho.logic.json_text import kind_of
from sekisho.logic.policy import MalformedPolicy, NamedPolicy, Policy, parse_policy

LEAST_SECONDS, MOST_SECONDS = 300, 86_400
DOCUMENTS = 10
_PRINCIPAL = re.compile(r"[a-zA-Z0-9]{1,128}")


class BadAnswer(ValueError):
    """An answer that cannot be used; the words say why."""


class Grant(NamedTuple):
    """What an answer says. ``refresh`` is None when the function is not to be asked again; times are in
    seconds. ``documents`` are the policies' texts, ``parsed`` what is in them."""

    authenticated: bool
    principal: str = ""
    documents: tuple[str, ...] = ()
    parsed: tuple[Policy, ...] = ()
    disconnect: int = MOST_SECONDS
    refresh: int | None = None

    def policies(self, authorizer: str) -> tuple[NamedPolicy, ...]:
        """The documents as policies, named for explain."""
        return tuple(
            NamedPolicy(f"(policy {number} of authorizer {authorizer})", "", policy)
            for number, policy in enumerate(self.parsed, 1)
        )


NOBODY = Grant(False)


def grant_of(answer: Mapping[str, Any], least: int = LEAST_SECONDS) -> Grant:
    """Raises BadAnswer. ``least`` is the shortest time that may be asked for."""
    authenticated = answer.get("isAuthenticated")
    if not isinstance(authenticated, bool):
        what = "is not there" if authenticated is None else f"is {kind_of(authenticated)}, not a boolean"
        raise BadAnswer(f"isAuthenticated {what}")
    if not authenticated:
        return NOBODY
    principal = answer.get("principalId")
    if not isinstance(principal, str) or not _PRINCIPAL.fullmatch(principal):
        raise BadAnswer("principalId is not 1 to 128 letters and digits")
    given = answer.get("policyDocuments")
    if given is None:
        given = []
    if not isinstance(given, list):
        raise BadAnswer(f"policyDocuments is {kind_of(given)}, not a list")
    if len(given) > DOCUMENTS:
        raise BadAnswer(f"there are {len(given)} policyDocuments, more than {DOCUMENTS}")
    disconnect = _seconds(answer, "disconnectAfterInSeconds", least)
    documents = [_document(number, one) for number, one in enumerate(given)]
    return Grant(
        True,
        principal,
        tuple(text for text, _ in documents),
        tuple(policy for _, policy in documents),
        MOST_SECONDS if disconnect is None else disconnect,
        _seconds(answer, "refreshAfterInSeconds", least),
    )


def _document(number: int, given: object) -> tuple[str, Policy]:
    """A policy document, as an object or as its text."""
    if isinstance(given, dict):
        try:
            given = json.dumps(given, separators=(",", ":"), ensure_ascii=False)
        except RecursionError:
            raise BadAnswer(f"policyDocuments[{number}] is nested too deeply") from None
    if not isinstance(given, str):
        raise BadAnswer(f"policyDocuments[{number}] is {kind_of(given)}, not a policy document")
    try:
        return given, parse_policy(given)
    except MalformedPolicy as error:
        raise BadAnswer(f"policyDocuments[{number}]: {error}") from None


def _seconds(answer: Mapping[str, Any], member: str, least: int) -> int | None:
    value = answer.get(member)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadAnswer(f"{member} is {kind_of(value)}, not a whole number")
    if not least <= value <= MOST_SECONDS:
        raise BadAnswer(f"{member} is {value}, not {least} to {MOST_SECONDS}")
    return value
