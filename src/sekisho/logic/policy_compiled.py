"""Statements made ready: what all connections that carry the same policies share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from sekisho.logic.policy_condition import Condition, names_in
from sekisho.logic.policy_document import Policy, Statement
from sekisho.logic.policy_match import (
    Lookup,
    Pattern,
    Patterns,
    base_name,
    compile_patterns,
    fill,
    fold_name,
    parse_pattern,
    variable_names,
)

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


class NamedPolicy:
    """A policy as it is attached: its name, the version in force, and what that says; a value.

    Its statements are compiled once, however many sets it is in.
    """

    __slots__ = ("_hash", "_statements", "name", "policy", "version_id")

    def __init__(self, name: str, version_id: str, policy: Policy) -> None:
        self.name = name
        self.version_id = version_id
        self.policy = policy
        self._hash = hash((name, version_id))
        self._statements: tuple[CompiledStatement, ...] | None = None

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, NamedPolicy):
            return NotImplemented
        return (
            self._hash == other._hash
            and self.name == other.name
            and self.version_id == other.version_id
            and self.policy == other.policy
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"NamedPolicy({self.name!r}, {self.version_id!r}, {self.policy!r})"

    @property
    def statements(self) -> tuple[CompiledStatement, ...]:
        if self._statements is None:
            self._statements = tuple(CompiledStatement(self, one) for one in self.policy.statements)
        return self._statements


class Rule(NamedTuple):
    """A statement with its resources filled in: all that a decision looks at."""

    resources: Patterns
    contrary: bool  # NotResource
    conditions: tuple[Condition, ...]
    decision: Decision


class CompiledStatement:
    """A statement made ready as far as it has been asked for: most requests are about few of them.

    A rule without variables is made once and shared.
    """

    __slots__ = (
        "_actions",
        "_literal_actions",
        "_resources",
        "_rule",
        "decision",
        "folded_names",
        "named",
        "shared",
        "statement",
    )

    def __init__(self, named: NamedPolicy, statement: Statement) -> None:
        self.named = named
        self.statement = statement
        actions = [text.lower() for text in statement.actions or statement.not_actions]
        literal = not any("*" in text or "?" in text for text in actions)
        self._literal_actions: tuple[str, ...] = tuple(actions) if literal else ()
        self._actions: Patterns | None = None if literal else _patterns(actions)
        self._resources: tuple[Pattern, ...] | None = None
        self._rule: Rule | None = None
        self.decision = Decision(
            "ALLOWED" if statement.effect == "Allow" else "EXPLICIT_DENY", named.name, statement.index
        )
        names: set[str] = set()
        if named.policy.has_variables:
            for text in self._texts:
                if "${" in text:
                    names.update(variable_names(text))
        self.shared = not names
        """Whether no resource has a variable."""
        for condition in statement.conditions:
            names.update(names_in(condition))
        folded = {fold_name(name) for name in names}
        self.folded_names = folded | {base for name in folded if (base := base_name(name))}
        """What it asks for, as values are kept: a key with an index also as the key itself."""

    @property
    def denies(self) -> bool:
        return self.statement.effect == "Deny"

    @property
    def _texts(self) -> tuple[str, ...]:
        return self.statement.resources or self.statement.not_resources

    @property
    def resources(self) -> tuple[Pattern, ...]:
        """The patterns of Resource, or of NotResource."""
        if self._resources is None:
            variables = self.named.policy.has_variables
            self._resources = tuple(parse_pattern(text, variables=variables) for text in self._texts)
        return self._resources

    def about(self, action: str) -> bool:
        """Whether the statement is about an action; actions ignore case (IAM User Guide, "Action")."""
        action = action.lower()
        patterns = self._actions
        matches = action in self._literal_actions if patterns is None else patterns.matches(action)
        return matches is not bool(self.statement.not_actions)

    def rule(self, lookup: Lookup) -> Rule:
        if not self.shared:
            return self._made(lookup)
        if self._rule is None:
            self._rule = self._made(lookup)
        return self._rule

    def _made(self, lookup: Lookup) -> Rule:
        filled = compile_patterns(fill(pattern, lookup)[0] for pattern in self.resources)
        return Rule(filled, bool(self.statement.not_resources), self.statement.conditions, self.decision)


def _patterns(texts: Iterable[str]) -> Patterns:
    patterns: list[Pattern] = [parse_pattern(text, variables=False) for text in texts]
    return compile_patterns(pattern.tokens for pattern in patterns)
