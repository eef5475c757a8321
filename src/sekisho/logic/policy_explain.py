"""Why a decision came out as it did, for the person whose device was refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from sekisho.logic.policy_compiled import CompiledStatement, NamedPolicy, Outcome
from sekisho.logic.policy_condition import Condition, holds, names_in, unresolved
from sekisho.logic.policy_match import (
    STAR,
    Lookup,
    Pattern,
    Token,
    Value,
    Variable,
    compile_patterns,
    fill,
    glob,
    parse_pattern,
    written,
)

Verdict = Literal["matches", "action differs", "resource differs", "condition false", "variable missing"]

_ARN_PARTS = ("arn", "partition", "service", "region", "account", "resource")


class ExplainedStatement(NamedTuple):
    """One statement's part in it; ``index`` counts from 0."""

    index: int  # type: ignore[assignment]  # a tuple has a method of that name
    sid: str | None
    effect: str
    verdict: Verdict
    why: str


class ExplainedPolicy(NamedTuple):
    name: str
    version_id: str
    statements: list[ExplainedStatement]


class Explanation(NamedTuple):
    """A decision with its reasons.

    ``variables`` are those that the statements about the action use, with their values; ``missing`` names the
    variables without a value and the condition keys that the request lacks; ``absent`` those and the others
    that have no value and were decided about without one, as `Null` and what ends in `IfExists` are.
    """

    outcome: Outcome
    action: str
    resource: str
    policies: list[ExplainedPolicy]
    variables: dict[str, Value]
    missing: list[str]
    absent: list[str]


def explain(
    policies: tuple[NamedPolicy, ...],
    statements: Iterable[CompiledStatement],
    bound: Lookup,
    request: Lookup,
    action: str,
    resource: str,
) -> Explanation:
    """Look at every statement; ``bound`` fills resources, ``request`` conditions."""
    explained: dict[int, list[ExplainedStatement]] = {id(named): [] for named in policies}
    variables: dict[str, Value] = {}
    missing: dict[str, bool] = {}
    matched: set[str] = set()
    for compiled in statements:
        verdict, why = _verdict(compiled, bound, request, action, resource)
        statement = compiled.statement
        explained[id(compiled.named)].append(
            ExplainedStatement(statement.index, statement.sid, statement.effect, verdict, why)
        )
        if verdict == "matches":
            matched.add(statement.effect)
        if verdict != "action differs":
            _note_names(compiled, bound, request, variables, missing)
    outcome: Outcome = (
        "EXPLICIT_DENY" if "Deny" in matched else "ALLOWED" if "Allow" in matched else "IMPLICIT_DENY"
    )
    named = [ExplainedPolicy(p.name, p.version_id, explained[id(p)]) for p in policies]
    lacking = [name for name, needed in missing.items() if needed]
    return Explanation(outcome, action, resource, named, variables, lacking, list(missing))


def _note_names(
    compiled: CompiledStatement,
    bound: Lookup,
    request: Lookup,
    variables: dict[str, Value],
    missing: dict[str, bool],
) -> None:
    for pattern in compiled.resources:
        for name, default in pattern.variables:
            if default is None or bound(name) is not None:
                _note(name, bound(name), False, variables, missing)
    for condition in compiled.statement.conditions:
        for name in names_in(condition):
            value = request(name)
            _note(name, value, value is None and holds(condition, request), variables, missing)


def _note(
    name: str, value: Value | None, fine: bool, variables: dict[str, Value], missing: dict[str, bool]
) -> None:
    """``missing``: name → whether it was needed."""
    if value is not None:
        variables[name] = value
    else:
        missing[name] = missing.get(name, False) or not fine


def _verdict(
    compiled: CompiledStatement, bound: Lookup, request: Lookup, action: str, resource: str
) -> tuple[Verdict, str]:
    if not compiled.about(action):
        return "action differs", _action_words(compiled, action)
    contrary = bool(compiled.statement.not_resources)
    filled = [(pattern, *fill(pattern, bound)) for pattern in compiled.resources]
    hit = next((one for one in filled if _matches(one[1], resource)), None)
    if (hit is None) is not contrary:
        if hit is not None:
            return "resource differs", f"NotResource leaves it out: {_became(hit[0], hit[1])}"
        return _nearest(compiled, filled, resource, action)
    for condition in compiled.statement.conditions:
        if not holds(condition, request):
            return _condition_words(condition, request)
    words = "no NotResource names it" if hit is None else _covers(hit[0], hit[1])
    if compiled.statement.conditions:
        words += " and its conditions hold"
    return "matches", words


def _matches(tokens: tuple[Token, ...], resource: str) -> bool:
    return compile_patterns([tokens]).matches(resource)


def _became(pattern: Pattern, tokens: tuple[Token, ...]) -> str:
    after = written(tokens)
    return f"resource {pattern.text}" + (f" became {after}" if after != pattern.text else "")


def _covers(pattern: Pattern, tokens: tuple[Token, ...]) -> str:
    changed = written(tokens) != pattern.text
    return _became(pattern, tokens) + (", which covers it" if changed else " covers it")


# --- the action ---


def _action_words(compiled: CompiledStatement, action: str) -> str:
    statement = compiled.statement
    if statement.not_actions:
        return f"NotAction leaves {action} out: {', '.join(statement.not_actions)}"
    prefix, _, name = action.partition(":")
    for one in statement.actions:
        other, _, other_name = one.partition(":")
        if other.lower() != prefix.lower() and _matches(_lowered(other_name), name.lower()):
            return f'the action is {action}; {one} has the prefix "{other}" instead of "{prefix}"'
    return f"the action is {action}, this statement is about {', '.join(statement.actions)}"


def _lowered(text: str) -> tuple[Token, ...]:
    return parse_pattern(text.lower(), variables=False).tokens


# --- the resource ---

_Filled = tuple[Pattern, tuple[Token, ...], tuple[str, ...]]


def _nearest(
    compiled: CompiledStatement, filled: list[_Filled], resource: str, action: str
) -> tuple[Verdict, str]:
    """The pattern that came closest, and what sets it apart."""

    def nearness(one: _Filled) -> tuple[bool, int]:
        return _but_for_variables(one, resource), _agreement(written(one[1]), resource)

    best = max(filled, key=nearness)
    pattern, tokens, missing = best
    words = _became(pattern, tokens)
    if missing and (_but_for_variables(best, resource) or all(one[2] for one in filled)):
        names = ", ".join("${" + name + "}" for name in missing)
        return "variable missing", f"{words}: {names} has no value here, so it matches nothing"
    notes = [_difference(written(tokens), tokens, resource, action)]
    text = written(tokens)
    name = text.split(":", 5)[-1]
    if "+" in name or "#" in name:
        signs = " and ".join(sign for sign in "+#" if sign in name)
        notes.append(f"wildcard {signs} is literal in policies, * and ? are not")
    if "${" in pattern.text and not compiled.named.policy.has_variables:
        notes.append('variables need "Version": "2012-10-17", without it ${…} is literal text')
    return "resource differs", f"{words} ({'; '.join(notes)})"


def _but_for_variables(one: _Filled, resource: str) -> bool:
    """Whether it would match if its missing variables could be anything."""
    loose: tuple[Token, ...] = tuple(STAR if isinstance(token, Variable) else token for token in one[1])
    return bool(one[2]) and glob(loose).matches(resource)


def _agreement(text: str, resource: str) -> int:
    """How many characters they share from the start."""
    length = 0
    for a, b in zip(text, resource, strict=False):
        if a != b:
            break
        length += 1
    return length


def _difference(text: str, tokens: tuple[Token, ...], resource: str, action: str) -> str:
    if _matches(tuple(t.lower() if isinstance(t, str) else t for t in tokens), resource.lower()):
        return "it differs only in upper and lower case, which counts in resources"
    wanted, given = text.split(":", 5), resource.split(":", 5)
    if len(wanted) != 6 or len(given) != 6:
        return f"the request is for {resource}"
    for name, want, have in zip(_ARN_PARTS[:5], wanted, given, strict=False):
        if "*" not in want and "?" not in want and want != have:
            return f'its {name} is "{want}", the request is for {name} "{have}"'
    kind, other = wanted[5].partition("/")[0], given[5].partition("/")[0]
    if kind != other and "*" not in kind and "?" not in kind:
        return f'{action} is checked against "{other}/…", not against "{kind}/…"'
    at = _agreement(wanted[5], given[5])
    return f'the request is for "{given[5]}", they part at "{wanted[5][at:] or "its end"}"'


# --- the condition ---


def _condition_words(condition: Condition, request: Lookup) -> tuple[Verdict, str]:
    lacking = unresolved(condition, request)
    if lacking:
        names = ", ".join("${" + name + "}" for name in lacking)
        return "variable missing", f"{condition.operator} on {condition.key}: {names} has no value here"
    given = request(condition.key)
    wanted = ", ".join(written(fill(pattern, request)[0]) for pattern in condition.values)
    if given is None:
        return "condition false", f"{condition.operator} on {condition.key}: the request has no such key"
    have = given if isinstance(given, str) else ", ".join(given)
    return (
        "condition false",
        f"{condition.operator} on {condition.key}: the policy has {wanted}, the request {have}",
    )
