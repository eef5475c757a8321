"""What one connection may do: decisions that never await, and the evidence when the answer is no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.logic.arns import arn
from sekisho.logic.policy import Bound
from sekisho.services.evidence import evidence
from sekisho.services.identity import Identity

KEPT = 64
"""Decisions of a connection that are kept; past that all are made anew."""


class Authorizer:
    """The compiled policies of a connection, bound to its variables; made anew when any of them changes, and
    with it the decisions that it keeps."""

    __slots__ = ("_account", "_bound", "_kept", "_limit", "_region", "identity")

    def __init__(self, identity: Identity, variables: Mapping[str, Any]) -> None:
        self.identity = identity
        self._account = identity.account
        self._region = identity.region
        self._bound: Bound = identity.policies.bind(variables)
        limit = identity.limit
        self._limit: Bound | None = None if limit is None else limit.bind(variables)
        self._kept: dict[tuple[str, str, str], bool] | None = None  # most connections ask little

    def allows(self, action: str, kind: str, name: str, context: Mapping[str, Any] = {}) -> bool:
        """Whether e.g. ``("iot:Publish", "topic", "a/b")`` is allowed."""
        if context or action == "iot:Connect":  # asked once, and then of every connection
            return self._decide(action, kind, name, context)
        key = (action, kind, name)
        kept = self._kept
        if kept is None or len(kept) >= KEPT:
            kept = self._kept = {}
        decided = kept.get(key)
        if decided is None:
            decided = kept[key] = self._decide(action, kind, name, context)
        return decided

    def _decide(self, action: str, kind: str, name: str, context: Mapping[str, Any]) -> bool:
        resource = arn(self._region, self._account, kind, name)
        if not self._bound.decide(action, resource, context).allowed:
            return False
        return self._limit is None or self._limit.decide(action, resource, context).allowed

    def explain(self, action: str, kind: str, name: str, context: Mapping[str, Any] = {}) -> dict[str, Any]:
        """The evidence of a decision, with the members of the sekisho model's Refusal."""
        resource = arn(self._region, self._account, kind, name)
        found = self._bound.explain(action, resource, context)
        if found.outcome == "ALLOWED" and self._limit is not None:  # then the session's own policy says no
            found = self._limit.explain(action, resource, context)
        return evidence(found)
