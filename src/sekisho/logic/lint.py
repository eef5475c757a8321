"""What a policy says and surely does not mean: words that nobody asks for, and patterns that nothing meets.

AWS takes such a policy, and so does the node; it allows, or denies, less than whoever wrote it thinks. What
is no policy at all is :class:`~sekisho.logic.policy_document.MalformedPolicy`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from sekisho.logic.arns import partition_of
from sekisho.logic.json_text import shown
from sekisho.logic.policy_document import Policy, Statement
from sekisho.logic.policy_match import Pattern, Token, Variable, fold_name, glob, parse_pattern
from sekisho.logic.vocabulary import (
    ACTIONS,
    ALL,
    EITHER,
    ELSEWHERE,
    KEYS,
    KINDS,
    SERVICES,
    as_known,
    is_key,
    is_variable,
    near,
    near_action,
    near_variable,
)

UNKNOWN_ACTION = "UNKNOWN_ACTION"
UNKNOWN_RESOURCE_TYPE = "UNKNOWN_RESOURCE_TYPE"
UNFIT_RESOURCE_TYPE = "UNFIT_RESOURCE_TYPE"
NO_FIT_RESOURCE = "NO_FIT_RESOURCE"
OTHER_PLACE = "OTHER_PLACE"
MISPLACED_WILDCARD = "MISPLACED_WILDCARD"
UNKNOWN_VARIABLE = "UNKNOWN_VARIABLE"
NO_VARIABLE = "NO_VARIABLE"
UNKNOWN_CONDITION_KEY = "UNKNOWN_CONDITION_KEY"
UNFIT_CONDITION_KEY = "UNFIT_CONDITION_KEY"

MOST = 50
"""Findings, unless told: each costs up to a millisecond for what may have been meant."""

ANY = (*KINDS, ALL)
_LOOKALIKE = re.compile(r"\$\{[^}]*$|\$\{\s*\}|\$\((?:iot|aws):[^)]*\)|(?<!\$)\{(?:iot|aws):[^}]*\}")
"""What looks as if it were meant to be a variable, and is plain text."""
_PLAIN = re.compile(r"\$\{[^{}]+\}")
_PARTS = ("arn", "partition", "service", "region", "account")


class Place(NamedTuple):
    region: str
    account: str


class Finding(NamedTuple):
    """``statement`` is its place, from 0; ``element`` the key in it and ``value`` what it says."""

    statement: int
    sid: str | None
    element: str
    value: str
    code: str
    message: str


class _Said(NamedTuple):
    element: str
    value: str
    code: str
    message: str


def lint(policy: Policy, place: Place | None = None, most: int = MOST) -> list[Finding]:
    """The first ``most``, in the order of the statements. ``place``: where the policy is to count, if that is
    known."""
    found: dict[Finding, None] = {}
    for statement in policy.statements:
        said = chain(
            _of_actions(statement),
            _of_resources(statement, place, variables=policy.has_variables),
            _of_conditions(statement, variables=policy.has_variables),
        )
        for one in said:
            found[Finding(statement.index, statement.sid, *one)] = None
            if len(found) == most:
                return list(found)
    return list(found)


# --- actions ---


def _of_actions(statement: Statement) -> Iterator[_Said]:
    element = "Action" if statement.actions else "NotAction"
    for action in statement.actions or statement.not_actions:
        if not _meant(action) and not _is_elsewhere(action):
            service = action.partition(":")[0].lower()
            if service not in SERVICES and not any(c in service for c in "*?"):
                words = f"device policies have no actions of {shown(service)}"
            else:
                words = f"no device is asked whether it may {shown(action)}"
            yield _Said(element, action, UNKNOWN_ACTION, words + _hint(near_action(action)))


def _meant(action: str) -> list[str]:
    """The known actions that a pattern is about."""
    if action == ALL:
        return list(ACTIONS)
    if "*" not in action and "?" not in action:
        known = as_known(action)
        return [known] if known is not None else []
    pattern = glob(parse_pattern(action.lower(), variables=False).tokens)
    return [one for one in ACTIONS if pattern.matches(one.lower())]


def _is_elsewhere(action: str) -> bool:
    return action.partition(":")[0].lower() in ELSEWHERE


def _hint(meant: str | None) -> str:
    return f"; did you mean {meant}?" if meant is not None else ""


# --- resources ---


def _of_resources(statement: Statement, place: Place | None, *, variables: bool) -> Iterator[_Said]:
    element = "Resource" if statement.resources else "NotResource"
    patterns = [
        parse_pattern(text, variables=variables) for text in statement.resources or statement.not_resources
    ]
    kinds: list[tuple[Pattern, tuple[str, ...]]] = []
    for pattern in patterns:
        yield from _of_text(element, pattern.text, pattern, variables=variables)
        head = _head(pattern)
        if head is None and not _is_open(pattern):
            words = "no device is asked for this; an ARN is arn:aws:iot:REGION:ACCOUNT:KIND/NAME"
            yield _Said(element, pattern.text, UNKNOWN_RESOURCE_TYPE, words)
            continue
        if head is None:
            kinds.append((pattern, KINDS if pattern.text.startswith("arn:") else ANY))
            continue
        yield from _of_place(element, pattern.text, head[:-1], place)
        found = _kinds(head[-1], whole=not _is_open(pattern))
        if not found:
            words = _no_kind(head[-1])
            yield _Said(element, pattern.text, UNKNOWN_RESOURCE_TYPE, words)
            continue
        kinds.append((pattern, found))
        yield from _of_wildcards(element, pattern, found)
    if statement.resources and statement.actions and all(map(_meant, statement.actions)):
        yield from _fits(statement.actions, kinds)


def _head(pattern: Pattern) -> list[str] | None:
    """The parts of an ARN, the last one as far as it is literal; None where they cannot be told apart."""
    text = "".join(token if isinstance(token, str) else "\0" for token in pattern.tokens)
    parts = text.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return None
    return [*parts[:5], parts[5].partition("\0")[0]]


def _is_open(pattern: Pattern) -> bool:
    return any(not isinstance(token, str) for token in pattern.tokens)


def _kinds(head: str, *, whole: bool) -> tuple[str, ...]:
    """Those that a resource may be of which begins so, or which is so as a ``whole``."""
    return tuple(
        kind for kind in KINDS if head.startswith(f"{kind}/") or (not whole and f"{kind}/".startswith(head))
    )


def _no_kind(head: str) -> str:
    kind, slash, _ = head.partition("/")
    if kind in KINDS and not slash:
        return f"after {kind} there is a slash and a name missing"
    words = f"no device is asked for a resource of the kind {shown(kind)}; kinds are {', '.join(KINDS)}"
    return words + _hint(near(kind, KINDS))


def _of_place(element: str, text: str, parts: Sequence[str], place: Place | None) -> Iterator[_Said]:
    wanted: dict[str, str | None] = {"partition": None, "service": "iot", "region": None, "account": None}
    if place is not None:
        wanted |= {"partition": partition_of(place.region), **place._asdict()}
    for name, found in zip(_PARTS[1:], parts[1:], strict=True):
        right = wanted[name]
        if "\0" in found or found == right or (right is None and found):
            continue
        words = f"the {name} is {shown(found)}" if found else f"the {name} is empty"
        yield _Said(element, text, OTHER_PLACE, words + (f", not {right}" if right else ""))


def _of_wildcards(element: str, pattern: Pattern, kinds: Sequence[str]) -> Iterator[_Said]:
    literal = "".join(token for token in pattern.tokens if isinstance(token, str))
    if kinds == ("topic",) and ("+" in literal or "#" in literal):
        words = (
            "+ and # in a policy stand for themselves, and no topic has them; write * for any run of"
            " characters (a topicfilter/ may name a filter with them)"
        )
        yield _Said(element, pattern.text, MISPLACED_WILDCARD, words)
    elif kinds == ("client",) and literal.endswith(("client/+", "client/#")):
        words = "+ and # in a policy stand for themselves; write * for any client id"
        yield _Said(element, pattern.text, MISPLACED_WILDCARD, words)


def _fits(actions: Sequence[str], kinds: Sequence[tuple[Pattern, tuple[str, ...]]]) -> Iterator[_Said]:
    """Each resource is of a kind that one of the actions is asked for, and each action has such a one."""
    wanted = {kind for action in actions for one in _meant(action) for kind in _kinds_of(one)}
    unfit = [pattern for pattern, found in kinds if wanted and not wanted.intersection(found)]
    for pattern in unfit:
        words = f"none of the statement's actions is asked for this: {_asked(actions)}"
        yield _Said("Resource", pattern.text, UNFIT_RESOURCE_TYPE, words)
    if not kinds or len(unfit) == len(kinds):
        return
    for action in actions:
        meant = _meant(action)
        if len(meant) == 1 and not any(set(_kinds_of(meant[0])).intersection(found) for _, found in kinds):
            words = f"{_asked([action])}, and none of the statement's resources is that"
            yield _Said("Action", action, NO_FIT_RESOURCE, words)


def _kinds_of(action: str) -> tuple[str, ...]:
    return (ACTIONS[action], ALL) if action in EITHER else (ACTIONS[action],)


def _asked(actions: Sequence[str]) -> str:
    each = {one: ACTIONS[one] for action in actions for one in _meant(action)}
    return ", ".join(
        f"{action} is asked for {kind if kind == ALL else f'{kind}/…'}" for action, kind in each.items()
    )


# --- conditions ---


def _of_conditions(statement: Statement, *, variables: bool) -> Iterator[_Said]:
    meant = {one for action in statement.actions for one in _meant(action)}
    for condition in statement.conditions:
        key = condition.key
        element = f"Condition {condition.operator}"
        if not is_key(key):
            words = f"no request has a value for {shown(key)}{_hint(near_variable(key, keys=True))}"
            yield _Said(element, key, UNKNOWN_CONDITION_KEY, words)
        of = next((of for name, of in KEYS.items() if fold_name(name) == fold_name(key)), ())
        if of and statement.actions and not meant.intersection(of):
            yield _Said(element, key, UNFIT_CONDITION_KEY, f"{key} has a value for {', '.join(of)} alone")
        for value in condition.values:
            yield from _of_text(element, value.text, value, variables=variables)


# --- what is written with variables ---


def _of_text(element: str, text: str, pattern: Pattern, *, variables: bool) -> Iterator[_Said]:
    if not variables:
        if _PLAIN.search(text):
            words = 'in a policy without "Version": "2012-10-17" what is in ${} is plain text'
            yield _Said(element, text, NO_VARIABLE, words)
        return
    for token in pattern.tokens:
        yield from _of_token(element, text, token)


def _of_token(element: str, text: str, token: Token) -> Iterator[_Said]:
    if isinstance(token, Variable):
        if not is_variable(token.name):
            words = f"there is no variable {shown(token.name)}{_hint(near_variable(token.name))}"
            yield _Said(element, text, UNKNOWN_VARIABLE, words)
    elif isinstance(token, str) and (plain := _LOOKALIKE.search(token)) is not None:
        words = f"{shown(plain.group())} is plain text; a variable is written ${{iot:ClientId}}"
        yield _Said(element, text, NO_VARIABLE, words)
