"""Whether a principal may do what it asks: sets of policies, bound to a connection's variables.

The rule (IAM User Guide, "Policy evaluation logic"): an explicit deny wins over any allow, and what nothing
allows is denied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sekisho.logic.arns import iot_arn
from sekisho.logic.policy_compiled import (
    IMPLICIT_DENY,
    CompiledStatement,
    Decision,
    NamedPolicy,
    Outcome,
    Rule,
)
from sekisho.logic.policy_condition import Condition, holds
from sekisho.logic.policy_document import MalformedPolicy, Policy, Statement, parse_policy
from sekisho.logic.policy_explain import (
    ExplainedPolicy,
    ExplainedStatement,
    Explanation,
    Verdict,
    explain,
)
from sekisho.logic.policy_match import Lookup, Value, find_value, fold_name

__all__ = [
    "EMPTY",
    "IMPLICIT_DENY",
    "Bound",
    "Condition",
    "Decision",
    "ExplainedPolicy",
    "ExplainedStatement",
    "Explanation",
    "MalformedPolicy",
    "NamedPolicy",
    "Outcome",
    "Policy",
    "PolicySet",
    "Statement",
    "Verdict",
    "iot_arn",
    "parse_policy",
]

_NOTHING: Mapping[str, Value] = MappingProxyType({})
_KEPT_ACTIONS = 256


class PolicySet:
    """Policies that apply together; equal sets hash alike, so that one can stand for all.

    Per action it keeps those that are about it, denies first; where
    none of them has a variable in its resources, their rules too, which every `Bound` then shares.
    """

    __slots__ = ("_about", "_hash", "_names", "policies", "statements")

    def __init__(self, policies: Iterable[NamedPolicy] = ()) -> None:
        self.policies = tuple(policies)
        self._hash = hash(self.policies)
        self.statements = tuple(statement for named in self.policies for statement in named.statements)
        names: set[str] = set()
        for statement in self.statements:
            names |= statement.folded_names
        self._names = frozenset(names)
        self._about: dict[str, tuple[tuple[CompiledStatement, ...], tuple[Rule, ...] | None]] = {}

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, PolicySet):
            return NotImplemented
        return self._hash == other._hash and self.policies == other.policies

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"PolicySet({', '.join(f'{p.name}:{p.version_id}' for p in self.policies)})"

    def bind(self, variables: Mapping[str, Value]) -> Bound:
        """The set for one connection or request; of the variables only those it mentions are kept."""
        return Bound(self, variables)

    def mentions(self, prefix: str) -> bool:
        """Whether it asks for any variable whose name begins so."""
        folded = fold_name(prefix)
        return any(name.startswith(folded) for name in self._names)

    def values(self, variables: Mapping[str, Value]) -> dict[str, Value]:
        """Those of the variables that the set mentions, under their folded names."""
        if not self._names:
            return {}
        return {
            folded: value if isinstance(value, str) else tuple(value)
            for name, value in variables.items()
            if (folded := fold_name(name)) in self._names
        }

    def about(self, action: str) -> tuple[tuple[CompiledStatement, ...], tuple[Rule, ...] | None]:
        """The statements about an action, and their rules if these need no variable."""
        found = self._about.get(action)
        if found is None:
            about = [compiled for compiled in self.statements if compiled.about(action)]
            about.sort(key=lambda compiled: not compiled.denies)
            shared = all(compiled.shared for compiled in about)
            rules = tuple(compiled.rule(lambda name: None) for compiled in about) if shared else None
            found = tuple(about), rules
            if len(self._about) < _KEPT_ACTIONS:
                self._about[action] = found
        return found


class Bound:
    """A `PolicySet` with values for its variables; keeps those values and, per action asked, its rules."""

    __slots__ = ("_rules", "_values", "policies")

    def __init__(self, policies: PolicySet, variables: Mapping[str, Value] = _NOTHING) -> None:
        self.policies = policies
        self._values = policies.values(variables)
        self._rules: dict[str, tuple[Rule, ...]] = {}

    def decide(self, action: str, resource: str, context: Mapping[str, Value] = _NOTHING) -> Decision:
        """Decide one action on one resource ARN.

        ``context`` holds the request's own condition keys and goes before the bound variables; it fills
        conditions, not resources.
        """
        rules = self._rules.get(action)
        if rules is None:
            rules = self._load(action)
        for patterns, contrary, conditions, decision in rules:
            if patterns.matches(resource) is not contrary and (
                not conditions or self._hold(conditions, context)
            ):
                return decision
        return IMPLICIT_DENY

    def explain(self, action: str, resource: str, context: Mapping[str, Value] = _NOTHING) -> Explanation:
        """Decide as `decide` does and say in words, for every statement, why it counts or does not."""
        return explain(
            self.policies.policies,
            self.policies.statements,
            self._lookup(_NOTHING),
            self._lookup(context),
            action,
            resource,
        )

    def _load(self, action: str) -> tuple[Rule, ...]:
        statements, rules = self.policies.about(action)
        if rules is None:
            lookup = self._lookup(_NOTHING)
            rules = tuple(compiled.rule(lookup) for compiled in statements)
        if len(self._rules) < _KEPT_ACTIONS:
            self._rules[action] = rules
        return rules

    def _hold(self, conditions: tuple[Condition, ...], context: Mapping[str, Value]) -> bool:
        lookup = self._lookup(context)
        return all(holds(condition, lookup) for condition in conditions)

    def _lookup(self, context: Mapping[str, Value]) -> Lookup:
        values = self._values
        if context:
            values = values | {fold_name(name): value for name, value in context.items()}
        return lambda name: find_value(values, fold_name(name))


EMPTY = PolicySet()
