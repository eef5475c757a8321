"""The policy document: read once, kept as plain values.

Source: IAM User Guide, "IAM JSON policy element reference"; AWS IoT Developer Guide, "AWS IoT Core policies".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sekisho.logic.json_text import BadJson, kind_of, read_object, shown
from sekisho.logic.policy_condition import Condition, parse_condition

# AWS IoT quotas: a policy document has at most 2048 characters, not counting white space; the service model
# takes at most 404,600 characters of text in any case.
MAX_CHARS = 2048
MAX_RAW_CHARS = 404_600

VERSIONS = ("2012-10-17", "2008-10-17")
_DOCUMENT_KEYS = ("Version", "Id", "Statement")
_STATEMENT_KEYS = ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")
_ACTION = re.compile(r"[A-Za-z0-9*?-]+:[A-Za-z0-9*?]+")


class MalformedPolicy(ValueError):
    """The text is not a policy; the words say what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; ``index`` counts from 0. Of each pair (actions, resources) one side is empty."""

    index: int
    sid: str | None
    effect: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy's statements. In version 2008-10-17, also the default, ``${…}`` is literal text."""

    statements: tuple[Statement, ...]
    version: str = VERSIONS[0]

    @property
    def has_variables(self) -> bool:
        return self.version == VERSIONS[0]


def parse_policy(text: str, *, max_chars: int | None = MAX_CHARS) -> Policy:
    """Read a policy document; raises `MalformedPolicy`.

    ``max_chars`` bounds the characters that are not white space; None leaves only the bound on the raw text.
    """
    if len(text) > MAX_RAW_CHARS:
        raise MalformedPolicy(f"the document has {len(text)} characters, more than {MAX_RAW_CHARS}")
    if max_chars is not None:
        size = sum(map(len, text.split()))
        if size > max_chars:
            raise MalformedPolicy(
                f"the document has {size} characters not counting white space, more than {max_chars}"
            )
    try:
        document = read_object(text)
    except BadJson as error:
        raise MalformedPolicy(f"the document is {error}" if str(error)[:3] == "not" else str(error)) from None
    _known(document, _DOCUMENT_KEYS, "the document")
    version = document.get("Version", VERSIONS[1])
    if version not in VERSIONS:
        raise MalformedPolicy(
            f"Version must be {' or '.join(VERSIONS)}, not "
            f"{shown(version) if isinstance(version, str) else kind_of(version)}"
        )
    if not isinstance(document.get("Id", ""), str):
        raise MalformedPolicy(f"Id must be a string, not {kind_of(document['Id'])}")
    if "Statement" not in document:
        raise MalformedPolicy("the document has no Statement")
    found = document["Statement"]
    statements = found if isinstance(found, list) else [found]
    if not statements:
        raise MalformedPolicy("Statement is an empty list")
    variables = version == VERSIONS[0]
    policy = Policy(
        tuple(_statement(index, one, variables=variables) for index, one in enumerate(statements)), version
    )
    sids: set[str] = set()
    for statement in policy.statements:
        if statement.sid and statement.sid in sids:
            raise MalformedPolicy(
                f"statement {statement.index}: the Sid {shown(statement.sid)} is there twice"
            )
        sids.add(statement.sid or "")
    return policy


def _known(found: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in found:
        if key not in known:
            near = [name for name in known if name.lower() == key.lower()]
            hint = f" (did you mean {near[0]}?)" if near else f"; known are {', '.join(known)}"
            raise MalformedPolicy(f"{where} has the unknown key {shown(key)}{hint}")


def _statement(index: int, found: object, *, variables: bool) -> Statement:
    where = f"statement {index}"
    if not isinstance(found, dict):
        raise MalformedPolicy(f"{where} must be an object, not {kind_of(found)}")
    _known(found, _STATEMENT_KEYS, where)
    sid = found.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise MalformedPolicy(f"{where}: Sid must be a string, not {kind_of(sid)}")
    effect = found.get("Effect")
    if "Effect" not in found:
        raise MalformedPolicy(f"{where} has no Effect")
    if effect not in ("Allow", "Deny"):
        what = shown(effect) if isinstance(effect, str) else kind_of(effect)
        raise MalformedPolicy(f"{where}: Effect must be Allow or Deny, not {what}")
    actions, not_actions = _either(found, "Action", "NotAction", where)
    for action in actions + not_actions:
        if action != "*" and not _ACTION.fullmatch(action):
            raise MalformedPolicy(
                f'{where}: {shown(action)} is not an action of the form "service:Name", such as "iot:Publish"'
            )
    resources, not_resources = _either(found, "Resource", "NotResource", where)
    for resource in resources + not_resources:
        if not resource.startswith(("arn:", "*", "${")):
            raise MalformedPolicy(
                f'{where}: {shown(resource)} is neither an ARN, such as "arn:aws:iot:us-east-1:123456789012:'
                f'topic/a", nor "*"'
            )
    return Statement(
        index,
        sid,
        effect,
        actions,
        not_actions,
        resources,
        not_resources,
        _conditions(found.get("Condition", {}), where, variables=variables),
    )


def _either(
    found: dict[str, Any], name: str, contrary: str, where: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if name in found and contrary in found:
        raise MalformedPolicy(f"{where} has both {name} and {contrary}")
    if name not in found and contrary not in found:
        raise MalformedPolicy(f"{where} has no {name}")
    if name in found:
        return _strings(found[name], f"{where}: {name}"), ()
    return (), _strings(found[contrary], f"{where}: {contrary}")


def _strings(found: object, where: str) -> tuple[str, ...]:
    values = found if isinstance(found, list) else [found]
    if not values:
        raise MalformedPolicy(f"{where} is an empty list")
    for value in values:
        if not isinstance(value, str):
            raise MalformedPolicy(f"{where} must be a string or a list of strings, not {kind_of(value)}")
        if not value:
            raise MalformedPolicy(f"{where} is an empty string")
    return tuple(values)


def _conditions(found: object, where: str, *, variables: bool) -> tuple[Condition, ...]:
    if not isinstance(found, dict):
        raise MalformedPolicy(f"{where}: Condition must be an object, not {kind_of(found)}")
    conditions = []
    for operator, keys in found.items():
        if not isinstance(keys, dict):
            raise MalformedPolicy(f"{where}: {shown(operator)} must hold an object, not {kind_of(keys)}")
        for key, value in keys.items():
            if not key:
                raise MalformedPolicy(f"{where}: {shown(operator)} has an empty key")
            values = _scalars(value, f"{where}: {shown(operator)} of {shown(key)}")
            if not values and not operator.startswith("ForAllValues:"):
                # "ForAllValues" of nothing allows none of the key's values: the AWS IoT Developer Guide has
                # it for iot:ConnectAttributes (Connect policy examples).
                raise MalformedPolicy(f"{where}: {shown(operator)} of {shown(key)} is an empty list")
            try:
                conditions.append(parse_condition(operator, key, values, variables=variables))
            except ValueError as error:
                raise MalformedPolicy(f"{where}: {error}") from None
        if not keys:
            raise MalformedPolicy(f"{where}: {shown(operator)} has no key")
    return tuple(conditions)


def _scalars(found: object, where: str) -> list[str]:
    values = found if isinstance(found, list) else [found]
    texts = []
    for value in values:
        match value:
            case str():
                texts.append(value)
            case bool():
                texts.append("true" if value else "false")
            case int() | float():
                texts.append(str(value))
            case _:
                raise MalformedPolicy(f"{where} must be strings, numbers or booleans, not {kind_of(value)}")
    return texts
