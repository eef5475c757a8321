"""A refusal in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def explain_refusal(refusal: Mapping[str, Any]) -> str:
    """What was asked, what was answered and why, with every policy statement that was looked at."""
    lines = [f"{refusal['at'].isoformat(timespec='seconds')}  {refusal['reason']}"]

    def say(name: str, value: Any) -> None:
        if value:
            lines.append(f"  {name:<12}{value}")

    say("client", refusal.get("clientId"))
    say("certificate", refusal.get("certificateId"))
    say("principal", refusal.get("principal"))
    say("thing", refusal.get("thingName"))
    say("from", refusal.get("sourceIp"))
    say("action", refusal.get("action"))
    say("resource", refusal.get("resource"))
    say("decision", DECISIONS.get(str(refusal.get("decision")), refusal.get("decision")))
    say("effect", refusal.get("effect"))
    policies = refusal.get("policies")
    if policies is not None and not policies and refusal.get("decision") == "IMPLICIT_DENY":
        whom = "it" if refusal.get("principal") else "the certificate"
        lines.append(f"  no policy is attached to {whom}, and what nothing allows is denied")
    lines += evidence_lines(refusal)
    return "\n".join(lines)


def evidence_lines(found: Mapping[str, Any]) -> list[str]:
    """Every statement that was looked at, and the variables with their values."""
    lines = []
    for policy in found.get("policies") or ():
        by_way = [one.rpartition(":")[2] for one in policy.get("attachedTo") or ()]
        on = f", on {', '.join(by_way)}" if by_way else ""
        version = f" (version {policy['versionId']})" if policy["versionId"] else ""
        lines.append(f"  policy {policy['policyName']}{version}{on}")
        for statement in policy["statements"]:
            sid = f" {statement['sid']}" if statement.get("sid") else ""
            lines.append(
                f"    statement {statement['index']}{sid}, {statement['effect']}: {statement['verdict']}"
            )
            if statement.get("why"):
                lines.append(f"      {statement['why']}")
    for name, value in (found.get("variables") or {}).items():
        lines.append(f"  ${{{name}}} = {value}")
    return lines + [
        f"  ${{{name}}} has no value on this connection, so it stays literal and matches nothing"
        for name in found.get("missingVariables") or ()
    ]


DECISIONS = {
    "IMPLICIT_DENY": "denied: no statement allows it",
    "EXPLICIT_DENY": "denied: a statement denies it",
    "REFUSED": "refused",
    "EXTENDED": "done, because mqtt.profile is extended; AWS IoT would not have",
}
