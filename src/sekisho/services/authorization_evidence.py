"""One decision with all of its evidence: ExplainAuthorization, beyond AWS."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.arns import parse_arn
from sekisho.logic.policy import Decision
from sekisho.services.call import Call
from sekisho.services.effective import Assumed, read_device
from sekisho.services.evidence import evidence
from sekisho.services.work import Document

CONNECT_ATTRIBUTES = "iot:ConnectAttributes"
LAST_WILL_TOPIC = "iot:LastWillTopic"


async def explain_authorization(
    call: Call,
    principal: str,
    action: str,
    resource: str,
    clientId: str | None = None,
    sourceIp: str | None = None,
    domainName: str | None = None,
    connectAttributes: Sequence[str] | None = None,
    lastWillTopic: str | None = None,
    policyNamesToAdd: Sequence[str] | None = None,
    policyNamesToSkip: Sequence[str] | None = None,
) -> Document:
    """One decision with all of its evidence, and with more supposed than TestAuthorization can be told."""
    try:
        parse_arn(resource)
    except ValueError as error:
        raise InvalidRequestException(f"resource: {error}") from None
    if sourceIp is not None:
        try:
            ip_address(sourceIp)
        except ValueError:
            raise InvalidRequestException(f"sourceIp: {sourceIp} is not an IP address") from None
    assumed = Assumed(clientId, sourceIp or "", domainName or "")
    device = await read_device(call, principal, assumed, policyNamesToAdd, policyNamesToSkip)
    context: dict[str, Any] = {}
    if connectAttributes:
        context[CONNECT_ATTRIBUTES] = list(connectAttributes)
    if lastWillTopic is not None:
        context[LAST_WILL_TOPIC] = call.arn("topic", lastWillTopic)
    bound = device.bound()
    decided = bound.decide(action, resource, context)
    told = evidence(bound.explain(action, resource, context))
    for policy in told["policies"]:
        policy["attachedTo"] = device.origins.get(policy["policyName"], [])
    thing = device.identity.thing
    return {
        **told,
        "principal": principal,
        "clientId": clientId,
        "thingName": thing.name if thing is not None else None,
        "thingGroups": sorted(device.groups),
        "decidedBy": _deciding(decided, told["policies"]),
    }


def _deciding(decided: Decision, policies: Sequence[Document]) -> Document | None:
    """The statement that decided, by its policy, version, place and Sid."""
    for policy in policies:
        if policy["policyName"] == decided.policy:
            statement = next(one for one in policy["statements"] if one["index"] == decided.statement)
            return {
                "policyName": policy["policyName"],
                "versionId": policy["versionId"],
                "index": statement["index"],
                "sid": statement["sid"],
            }
    return None
