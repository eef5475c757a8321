"""Why a decision came out as it did, as explain keeps it."""

from __future__ import annotations

from typing import Any

from sekisho.logic.policy import Explanation


def evidence(found: Explanation) -> dict[str, Any]:
    """An explanation with the members of the sekisho model's Refusal."""
    return {
        "action": found.action,
        "resource": found.resource,
        "decision": found.outcome,
        "policies": [
            {
                "policyName": policy,
                "versionId": version,
                "statements": [
                    {"index": index, "sid": sid, "effect": effect, "verdict": verdict, "why": why}
                    for index, sid, effect, verdict, why in statements
                ],
            }
            for policy, version, statements in found.policies
        ],
        "variables": {name: _text(value) for name, value in found.variables.items()},
        "missingVariables": list(found.missing),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(value)
