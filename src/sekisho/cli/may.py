"""``sekisho may``: whether a device may do something, and which statement says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, ParamValidationError

from sekisho.cli.commands import fail, own_client, read_endpoints
from sekisho.cli.words import evidence_lines
from sekisho.logic.arns import arn, iot_arn

VERBS = {
    "connect": ("iot:Connect", "client"),
    "publish": ("iot:Publish", "topic"),
    "retain": ("iot:RetainPublish", "topic"),
    "subscribe": ("iot:Subscribe", "topicfilter"),
    "receive": ("iot:Receive", "topic"),
}
"""A word → the action, and the kind of resource that it is checked against (AWS IoT Developer Guide)."""


class Place(NamedTuple):
    """``account`` and ``region``: others than the node's own."""

    data: Path
    account: str | None
    region: str | None


def ask(place: Place, verb: str, name: str, certificate: str | None, group: str | None, **more: Any) -> str:
    """What is to be said. ``more`` are members of ExplainAuthorization; None or empty is left out."""
    endpoints = read_endpoints(place.data)
    account, region = place.account or endpoints["account"], place.region or endpoints["region"]
    if (certificate is None) == (group is None):
        raise fail("say whom you mean: --certificate, or --group")
    whom = ("cert", certificate) if certificate is not None else ("thinggroup", group)
    if verb in VERBS:
        _check_name(verb, name)
        action, kind = VERBS[verb]
        resource = arn(region, account, kind, name)
    elif verb.count(":") == 1:
        action, resource = verb, name if name.startswith("arn:") else iot_arn(region, account, name)
    else:
        raise fail(f'{verb} is none of {", ".join(VERBS)}, nor an action such as "iot:GetThingShadow"')
    asked = {name: value for name, value in more.items() if value}
    try:
        found = own_client(place.data, place.account, place.region).explain_authorization(
            principal=arn(region, account, whom[0], whom[1] or ""), action=action, resource=resource, **asked
        )
    except ClientError as error:
        raise fail(error.response["Error"]["Message"]) from None
    except ParamValidationError as error:
        raise fail(str(error)) from None
    return "\n".join(_lines(found))


def _check_name(verb: str, name: str) -> None:
    """What no connection can ask for is not asked of the policies, which might allow it."""
    if not name:
        raise fail(f"{verb} what? The name is empty")
    if VERBS[verb][1] == "topic" and ("+" in name or "#" in name):
        raise fail(f"{name} is not a topic: + and # are wildcards of filters (sekisho may subscribe)")


def _lines(found: dict[str, Any]) -> list[str]:
    by = found.get("decidedBy")
    sid = f" {by['sid']}" if by and by.get("sid") else ""
    which = (
        f" by statement {by['index']}{sid} of policy {by['policyName']}" if by else ": no statement allows it"
    )
    answer = "allowed" if found["decision"] == "ALLOWED" else "denied"
    lines = [f"{answer}{which}", f"  action      {found['action']}", f"  resource    {found['resource']}"]
    if found.get("thingName"):
        lines.append(f"  thing       {found['thingName']}")
    if found["thingGroups"]:
        lines.append(f"  groups      {', '.join(found['thingGroups'])}")
    return lines + evidence_lines(found)
