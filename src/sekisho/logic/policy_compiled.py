"""Statements made ready: what all connections that carry the same policies share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sekisho.logic.policy_condition import Condition, names_in
from sekisho.logic.policy_document import Policy, Statement
from sekisho.logic.policy_match import Lookup, Pattern, Patterns, compile_patterns, fill, parse_pattern

Outcome = Literal["ALLOWED", "EXPLICIT_DENY", "IMPLICIT_DENY"]


class Decision(NamedTuple):
    """Yes or no, and which policy (by name) and statement (from 0) said so; neither for an implicit deny."""

    outcome: Outcome
    policy: str | None
    statement: int | None

    @property
    def allowed(self) -> bool:
        return self.outcome == "ALLOWED"


IMPLICIT_DENY = Decision("IMPLICIT_DENY", None, None)


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy as it is attached: its name, the version in force, and what that says."""

    name: str
    version_id: str
    policy: Policy


class Rule(NamedTuple):
    """A statement with its resources filled in: all that a decision looks at."""

    resources: Patterns
    contrary: bool  # NotResource
    conditions: tuple[Condition, ...]
    decision: Decision


class CompiledStatement:
    """A statement with its patterns parsed. A rule without variables is made once and shared."""

    __slots__ = ("_rule", "actions", "decision", "named", "names", "resources", "statement")

    def __init__(self, named: NamedPolicy, statement: Statement) -> None:
        self.named = named
        self.statement = statement
        self.actions = _actions(statement.actions or statement.not_actions)
        self.resources = tuple(
            parse_pattern(text, variables=named.policy.has_variables)
            for text in statement.resources or statement.not_resources
        )
        self.decision = Decision(
            "ALLOWED" if statement.effect == "Allow" else "EXPLICIT_DENY", named.name, statement.index
        )
        in_resources = [variable.name for pattern in self.resources for variable in pattern.variables]
        self.names = (*in_resources, *(name for c in statement.conditions for name in names_in(c)))
        self._rule = None if in_resources else self._made(lambda name: None)

    @property
    def denies(self) -> bool:
        return self.statement.effect == "Deny"

    @property
    def shared(self) -> bool:
        return self._rule is not None

    def about(self, action: str) -> bool:
        """Whether the statement is about an action; actions ignore case (IAM User Guide, "Action")."""
        return self.actions.matches(action.lower()) is not bool(self.statement.not_actions)

    def rule(self, lookup: Lookup) -> Rule:
        return self._rule or self._made(lookup)

    def _made(self, lookup: Lookup) -> Rule:
        filled = compile_patterns(fill(pattern, lookup)[0] for pattern in self.resources)
        return Rule(filled, bool(self.statement.not_resources), self.statement.conditions, self.decision)


def _actions(texts: Iterable[str]) -> Patterns:
    patterns: list[Pattern] = [parse_pattern(text.lower(), variables=False) for text in texts]
    return compile_patterns(pattern.tokens for pattern in patterns)
