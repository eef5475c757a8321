"""Log entries as CloudWatch has those of AWS IoT.

Source: AWS IoT Developer Guide, "CloudWatch AWS IoT log entries". No entry has a payload.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sekisho.logic.arns import kind_and_name, parse_arn
from sekisho.logic.log_levels import CONNECT, NOT_AUTHENTICATED, PUBLISH_IN, PUBLISH_OUT, SUBSCRIBE

SUCCESS, FAILURE = "Success", "Failure"
MQTT, HTTP = "MQTT", "HTTP"

ACTIONS: Mapping[str, str] = {
    "iot:Connect": CONNECT,
    "iot:Publish": PUBLISH_IN,
    "iot:RetainPublish": PUBLISH_IN,
    "iot:Receive": PUBLISH_OUT,
    "iot:Subscribe": SUBSCRIBE,
}
"""What was refused → the type of its entry."""

UNAUTHENTICATED = frozenset(
    {
        "CUSTOM_AUTHORIZER_LAMBDA_EXECUTION_ERROR",
        "CUSTOM_AUTHORIZER_NOT_FOUND",
        "CUSTOM_AUTHORIZER_PARAMETER_INVALID",
        "DEVICE_CERTIFICATE_INACTIVE",
        "DEVICE_CERTIFICATE_NOT_REGISTERED",
        "DEVICE_CERTIFICATE_REVOKED",
        "DOMAIN_CONFIGURATION_DISABLED",
        "INTERNAL_SERVER_ERROR",
        "NOT_AUTHENTICATED",
        "SECURITY_TOKEN_EXPIRED",
        "SECURITY_TOKEN_INVALID",
        "SECURITY_TOKEN_SIGNATURE_MISMATCH",
        "SNI_MISUSED",
    }
)
"""Reasons for which a connection is not authenticated, which is an entry of another type."""

_CODE = re.compile(r"([A-Z][A-Z_]+): (.*)", re.DOTALL)


def entry(
    at: float, level: str, account: str, trace: str, status: str, event: str, **members: Any
) -> dict[str, Any]:
    """``at``: civil epoch seconds. Members that are None or '' are left out."""
    moment = datetime.fromtimestamp(at, UTC)
    common = {
        "timestamp": f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}",
        "logLevel": level,
        "traceId": trace,
        "accountId": account,
        "status": status,
        "eventType": event,
    }
    return common | {name: value for name, value in members.items() if value not in (None, "")}


def of_refusal(refusal: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The type and the members of a refusal's entry (of a client's, as `explain` keeps it); None for what has
    none."""
    event = ACTIONS.get(refusal.get("action", ""))
    if event is None or "clientId" not in refusal or refusal.get("decision") == "EXTENDED":
        return None
    reason, details = "AUTHORIZATION_FAILURE", refusal["reason"]
    found = _CODE.fullmatch(details)
    if found is not None:
        reason, details = found[1], found[2]
    elif refusal.get("decision") == "REFUSED":
        reason = "REFUSED"
    members: dict[str, Any] = {
        "protocol": MQTT,
        "topicName": None if event == CONNECT else _name(refusal.get("resource", "")),
        "clientId": refusal["clientId"],
        "principalId": refusal.get("certificateId") or refusal.get("principal"),
        "sourceIp": refusal.get("sourceIp"),
        "reason": reason,
        "details": details,
    }
    if reason in UNAUTHENTICATED:
        event = NOT_AUTHENTICATED
        signed = "AWS_SIGV4" if refusal.get("principal") else "AWS_X509"
        members["authenticationType"] = refusal.get("authenticationType", signed)
    return event, members


def _name(resource: str) -> str:
    """A topic or filter, of which a refusal names the ARN when policies were asked."""
    try:
        kind, name = kind_and_name(parse_arn(resource).resource)
    except ValueError:
        return resource
    return name if kind in ("topic", "topicfilter") else resource
