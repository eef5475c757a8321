"""The words of device policies: actions, kinds of resources, variables and condition keys.

Source: AWS IoT Developer Guide, "AWS IoT Core policy actions", "Action resources", "Policy variables",
"Connect policy examples".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from sekisho.logic.policy_match import base_name, fold_name
from sekisho.logic.variables import CERTIFICATE_VARIABLES

ALL = "*"
"""The resource of an action that is about no single one."""

ACTIONS: Mapping[str, str] = {
    "iot:AssumeRoleWithCertificate": "rolealias",
    "iot:Connect": "client",
    "iot:DeleteConnection": "client",
    "iot:DeleteThingShadow": "thing",
    "iot:GetConnection": "client",
    "iot:GetRetainedMessage": "topic",
    "iot:GetThingShadow": "thing",
    "iot:ListNamedShadowsForThing": "thing",
    "iot:ListRetainedMessages": ALL,
    "iot:ListSubscriptions": "client",
    "iot:Publish": "topic",
    "iot:Receive": "topic",
    "iot:RetainPublish": "topic",
    "iot:SendDirectMessage": "client",
    "iot:Subscribe": "topicfilter",
    "iot:UpdateThingShadow": "thing",
    "iotjobsdata:DescribeJobExecution": "thing",
    "iotjobsdata:GetPendingJobExecutions": "thing",
    "iotjobsdata:StartCommandExecution": "thing",
    "iotjobsdata:StartNextPendingJobExecution": "thing",
    "iotjobsdata:UpdateJobExecution": "thing",
}
"""Action → the kind of resource that it is asked for."""

EITHER = frozenset({"iot:ListNamedShadowsForThing"})
"""Actions whose resource may be ``*`` as well; the guide has both."""

ELSEWHERE = frozenset({"greengrass"})
"""Services that are not AWS IoT Core's and that device policies have actions of: nothing is known of them."""

SERVICES = (*dict.fromkeys(action.partition(":")[0] for action in ACTIONS), *sorted(ELSEWHERE))

KINDS = tuple(sorted(set(ACTIONS.values()) - {ALL}))
"""Of resources, as they begin: ``topic/…``."""

THING = "iot:Connection.Thing."
ATTRIBUTES = f"{THING}Attributes["

VARIABLES = (
    "aws:SourceIp",
    "iot:CertificateId",
    "iot:ClientId",
    "iot:DomainName",
    f"{THING}IsAttached",
    f"{THING}ThingName",
    f"{THING}ThingTypeName",
    *CERTIFICATE_VARIABLES,
)
"""Beside ``iot:Connection.Thing.Attributes[name]``, and ``.1`` and ``.List`` of a certificate's."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "iot:ConnectAttributes": ("iot:Connect",),
    "iot:LastWillTopic": ("iot:Connect",),
    "iot:Topic": ("iot:SendDirectMessage",),
}
"""Condition keys that are no variables → the actions that have them."""

_FOLDED = {name.lower(): name for name in (*VARIABLES, *KEYS)}
_ACTIONS = {action.lower(): action for action in ACTIONS}


def is_variable(name: str) -> bool:
    """Whether a variable of this name may have a value."""
    folded = fold_name(name)
    if folded.startswith(ATTRIBUTES.lower()):
        return len(folded) > len(ATTRIBUTES) + 1 and folded.endswith("]")
    known = _FOLDED.get(folded) or _FOLDED.get(base_name(folded), "")
    # Of a certificate's names alone there may be several values.
    return known in VARIABLES and (folded == known.lower() or known.startswith("iot:Certificate."))


def is_key(name: str) -> bool:
    """Whether a condition on this key may find a value."""
    return is_variable(name) or _FOLDED.get(fold_name(name)) in KEYS


def near_variable(name: str, *, keys: bool = False) -> str | None:
    """What may have been meant."""
    wanted = (*VARIABLES, *(KEYS if keys else ()), f"{ATTRIBUTES}name]")
    return near(name, wanted)


def near_action(name: str) -> str | None:
    """What may have been meant: with another prefix, too, as older guides have it."""
    own = name.partition(":")[2].lower()
    return next((one for one in ACTIONS if one.partition(":")[2].lower() == own), None) or near(name, ACTIONS)


def near(name: str, known: Collection[str]) -> str | None:
    folded = {one.lower(): one for one in known}
    found = get_close_matches(name.lower(), folded, 1, 0.75)
    return folded[found[0]] if found else None


def as_known(action: str) -> str | None:
    """An action as the guide writes it; names of actions ignore case. None for one that there is not."""
    return _ACTIONS.get(action.lower())
