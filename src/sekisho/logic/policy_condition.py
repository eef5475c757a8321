"""Conditions of policies: the operators as a table, and one evaluation for all of them.

Source: IAM User Guide, "Policy elements: Condition operators", "Single-valued vs. multivalued context keys".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from sekisho.logic.json_text import shown
from sekisho.logic.policy_match import Lookup, Pattern, Token, Variable, fill, glob, parse_pattern, written

# (the policy's filled value, the request's value) → whether they meet. What cannot be read meets nothing.
Comparison = Callable[[tuple[Token, ...], str], bool]


class Operator(NamedTuple):
    """One operator's meaning; ``negated`` ones are the contrary of their positive twin.

    ``readable`` says whether a literal policy value makes sense, so that a policy with one that never could
    is refused when it is made.
    """

    compare: Comparison
    negated: bool = False
    wildcards: bool = False
    readable: Callable[[str], bool] | None = None


class Condition(NamedTuple):
    """One operator on one key, with the values as written and parsed."""

    operator: str
    key: str
    values: tuple[Pattern, ...]
    base: str
    quantifier: str  # "", "ForAllValues" or "ForAnyValue"
    if_exists: bool


class UnknownOperator(ValueError):
    """The operator is none of IAM's; the words name it and what is near."""


# --- the comparisons ---


def _equal(tokens: tuple[Token, ...], value: str) -> bool:
    return written(tokens) == value


def _equal_folded(tokens: tuple[Token, ...], value: str) -> bool:
    return written(tokens).casefold() == value.casefold()


def _like(tokens: tuple[Token, ...], value: str) -> bool:
    return glob(tokens).matches(value)


def _arn(tokens: tuple[Token, ...], value: str) -> bool:
    """An ARN's six parts separately, so that a ``*`` does not run over a colon (ArnEquals is ArnLike)."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if not isinstance(token, str):
            parts[-1].append(token)
            continue
        pieces = token.split(":", 6 - len(parts))
        parts[-1].append(pieces[0])
        parts.extend([piece] for piece in pieces[1:])
    values = value.split(":", 5)
    if len(parts) != 6 or len(values) != 6:
        return False
    return all(glob(part).matches(piece) for part, piece in zip(parts, values, strict=True))


def _boolean(tokens: tuple[Token, ...], value: str) -> bool:
    return written(tokens).lower() == value.lower()


_NUMBER = re.compile(r"[+-]?(\d{1,60}(\.\d{0,60})?|\.\d{1,60})([eE][+-]?\d{1,3})?")


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text.isascii() and _NUMBER.fullmatch(text) else None


def _instant(text: str) -> Decimal | None:
    """Epoch seconds, or one of the W3C's ISO 8601 profiles; a date without a zone is UTC."""
    number = _number(text)
    if number is not None and (len(text) > 4 or not text.isdigit()):
        return number
    if text.isascii() and re.fullmatch(r"\d{4}(-\d\d)?", text):
        text += "-01-01" if len(text) == 4 else "-01"
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return Decimal(str(moment.timestamp()))
    except (ValueError, OverflowError):
        return None


def _ordered(read: Callable[[str], Decimal | None], meets: Callable[[Decimal, Decimal], bool]) -> Comparison:
    def compare(tokens: tuple[Token, ...], value: str) -> bool:
        wanted, given = read(written(tokens)), read(value)
        return wanted is not None and given is not None and meets(given, wanted)

    return compare


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _inside(tokens: tuple[Token, ...], value: str) -> bool:
    network = _network(written(tokens))
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return network is not None and address.version == network.version and address in network


def _truth(text: str) -> bool:
    return text.lower() in ("true", "false")


# --- the table ---


def _twins(
    positive: str,
    negative: str,
    compare: Comparison,
    *,
    wildcards: bool = False,
    readable: Callable[[str], bool] | None = None,
) -> dict[str, Operator]:
    return {
        positive: Operator(compare, False, wildcards, readable),
        negative: Operator(compare, True, wildcards, readable),
    }


def _orderings(kind: str, read: Callable[[str], Decimal | None]) -> dict[str, Operator]:
    def readable(text: str) -> bool:
        return read(text) is not None

    orders: dict[str, Callable[[Decimal, Decimal], bool]] = {
        "LessThan": lambda given, wanted: given < wanted,
        "LessThanEquals": lambda given, wanted: given <= wanted,
        "GreaterThan": lambda given, wanted: given > wanted,
        "GreaterThanEquals": lambda given, wanted: given >= wanted,
    }
    return _twins(
        f"{kind}Equals",
        f"{kind}NotEquals",
        _ordered(read, lambda given, wanted: given == wanted),
        readable=readable,
    ) | {kind + name: Operator(_ordered(read, meets), readable=readable) for name, meets in orders.items()}


OPERATORS: dict[str, Operator] = {
    **_twins("StringEquals", "StringNotEquals", _equal),
    **_twins("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", _equal_folded),
    **_twins("StringLike", "StringNotLike", _like, wildcards=True),
    **_twins("ArnEquals", "ArnNotEquals", _arn, wildcards=True),
    **_twins("ArnLike", "ArnNotLike", _arn, wildcards=True),
    **_orderings("Numeric", _number),
    **_orderings("Date", _instant),
    **_twins("IpAddress", "NotIpAddress", _inside, readable=lambda text: _network(text) is not None),
    "BinaryEquals": Operator(_equal),
    "Bool": Operator(_boolean, readable=_truth),
    "Null": Operator(_boolean, readable=_truth),
}
_QUANTIFIERS = ("ForAllValues", "ForAnyValue")


def parse_condition(operator: str, key: str, values: Sequence[str], *, variables: bool) -> Condition:
    """Read one operator and key; raises `UnknownOperator`, ValueError for a value it could never compare."""
    quantifier, colon, rest = operator.partition(":")
    if not colon:
        quantifier, rest = "", operator
    base = rest.removesuffix("IfExists")
    if base not in OPERATORS or (colon and quantifier not in _QUANTIFIERS):
        raise UnknownOperator(f"unknown condition operator {shown(operator)}{_near(operator)}")
    if base == "Null" and (colon or base != rest):
        raise UnknownOperator(
            f"unknown condition operator {shown(operator)}: Null takes no prefix and no IfExists"
        )
    meaning = OPERATORS[base]
    patterns = tuple(parse_pattern(v, variables=variables, wildcards=meaning.wildcards) for v in values)
    for pattern in patterns:
        if meaning.readable and not pattern.variables and not meaning.readable(written(pattern.tokens)):
            raise ValueError(f"{operator} cannot compare {shown(pattern.text)}")
    return Condition(operator, key, patterns, base, quantifier, base != rest)


def _near(operator: str) -> str:
    plain = operator.rpartition(":")[2].removesuffix("IfExists")
    near = [name for name in OPERATORS if name.lower() == plain.lower()]
    return f" (did you mean {near[0]}?)" if near else ""


# --- evaluation ---


def holds(condition: Condition, lookup: Lookup) -> bool:
    """Whether one condition holds for a request whose values ``lookup`` finds by name."""
    found = lookup(condition.key)
    given = () if found is None else (found,) if isinstance(found, str) else tuple(found)
    if condition.base == "Null":
        return any(written(p.tokens).lower() == ("false" if given else "true") for p in condition.values)
    operator = OPERATORS[condition.base]
    if not given:
        # A missing key meets every negated operator, and ForAllValues, which asks nothing of no values.
        if condition.if_exists or condition.quantifier == "ForAllValues":
            return True
        return operator.negated and condition.quantifier != "ForAnyValue"
    wanted = [tokens for tokens, missing in (fill(p, lookup) for p in condition.values) if not missing]

    def meets(value: str) -> bool:
        return any(operator.compare(tokens, value) for tokens in wanted)

    match condition.quantifier:
        case "ForAllValues":
            return all(meets(value) != operator.negated for value in given)
        case "ForAnyValue":
            return any(meets(value) != operator.negated for value in given)
    return any(meets(value) for value in given) != operator.negated


def names_in(condition: Condition) -> tuple[str, ...]:
    """The key and the variables that a condition asks for."""
    return (condition.key, *(v.name for p in condition.values for v in p.variables))


def unresolved(condition: Condition, lookup: Lookup) -> tuple[str, ...]:
    """The variables in a condition's values that have no value."""
    return tuple(
        token.name
        for pattern in condition.values
        for token in fill(pattern, lookup)[0]
        if isinstance(token, Variable)
    )
