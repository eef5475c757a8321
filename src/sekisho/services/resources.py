"""Which resource an operation is about, for authorization and audit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sekisho.logic.arns import arn, partition_of
from sekisho.logic.domains import domain_arn
from sekisho.services.call import Caller
from sekisho.services.server_certificates import certificate_arn

BY_MEMBER: tuple[tuple[str, str], ...] = (
    ("certificateId", "cert"),
    ("templateName", "provisioningtemplate"),
    ("certificateProviderName", "certificateprovider"),
    ("authorizerName", "authorizer"),
    ("policyName", "policy"),
    ("thingName", "thing"),
    ("thingTypeName", "thingtype"),
    ("thingGroupName", "thinggroup"),
    ("billingGroupName", "billinggroup"),
    ("roleAlias", "rolealias"),
    ("domainConfigurationName", "domainconfiguration"),
    ("triggerName", "topictrigger"),
    ("packageName", "package"),
    ("metricName", "fleetmetric"),
    ("indexName", "index"),
    ("clientId", "client"),
    ("topic", "topic"),
)
"""The member that names the resource, in order of weight, and the kind of its ARN (Service Authorization
Reference, AWS IoT)."""

WITHIN: Mapping[str, tuple[tuple[str, str], ...]] = {"package": (("versionName", "version"),)}
"""What a kind's ARN goes on with when a member names a part of it: ``package/<name>/version/<version>``."""

GLOBAL = frozenset({"iam", "sts"})
"""Services that know no region: what they keep is the account's, and they are signed for in any region or in
us-east-1 (IAM User Guide, "IAM endpoints and quotas")."""

KINDS: Mapping[str, str] = {
    "DescribeCACertificate": "cacert",
    "UpdateCACertificate": "cacert",
    "DeleteCACertificate": "cacert",
}
"""Operation → the kind that its member means, where that is another than the table's: ``certificateId`` is
also what boto3 calls the id of a CA's."""

DEFAULT_INDEX = frozenset(
    {"GetBucketsAggregation", "GetCardinality", "GetPercentiles", "GetStatistics", "SearchIndex"}
)
"""Operations that are about AWS_Things unless told (Service Authorization Reference, AWS IoT)."""

OF_AN_INDEX = frozenset(
    {"CreateDynamicThingGroup", "CreateFleetMetric", "UpdateDynamicThingGroup", "UpdateFleetMetric"}
)
"""Operations that must be allowed on the index that they read, too (Service Authorization Reference, AWS
IoT)."""

LISTS_OF_ONE = frozenset(
    {
        "ListFleetMetricValues",
        "ListPackageVersions",
        "ListPolicyVersions",
        "ListSbomValidationResults",
        "ListSubscriptions",
        "ListTagsForResource",
        "ListTargetsForPolicy",
        "ListThingGroupsForThing",
        "ListThingPrincipals",
        "ListThingsInBillingGroup",
        "ListThingsInThingGroup",
    }
)
"""Lists that are about one resource; all others are about ``*``."""

TARGETS: Mapping[str, str] = {
    "AttachPolicy": "target",
    "DetachPolicy": "target",
    "AttachPrincipalPolicy": "principal",
    "DetachPrincipalPolicy": "principal",
    "ExplainAuthorization": "principal",
    "GetEffectivePolicies": "principal",
    "TestAuthorization": "principal",
}
"""Operation → the member with the ARN that it is authorized for, where that is not what it is named for: who
may give policies, or ask what they come to, is said of the certificates (Service Authorization Reference, AWS
IoT)."""

WHOLE_ARNS = (
    "resourceArn",
    "target",
    "principal",
    "RoleArn",
    "thingArn",
    "thingGroupArn",
    "billingGroupArn",
    "CertificateArn",
)

SEVERAL: Mapping[str, tuple[str, ...]] = {
    "AddThingToBillingGroup": ("thing", "billingGroup"),
    "AddThingToThingGroup": ("thing", "thingGroup"),
    "CreateThing": ("billingGroup",),
    "RemoveThingFromBillingGroup": ("thing", "billingGroup"),
    "RemoveThingFromThingGroup": ("thing", "thingGroup"),
    "UpdateThingGroupsForThing": ("thingGroupsToAdd", "thingGroupsToRemove"),
}
"""Operation → the members with what it must be allowed on beside its first resource: ``…Name`` and ``…Arn``,
or a list of names (Service Authorization Reference, AWS IoT, "Resource types" of the actions)."""


def resource_arn(caller: Caller, service: str, operation: str, members: Mapping[str, Any]) -> str:
    """The ARN that the operation acts on, or ``*`` when it names none."""
    if operation.startswith("List") and operation not in LISTS_OF_ONE:
        return "*"
    for member, kind in _naming(frozenset(members)):
        name = members[member]
        if isinstance(name, str):
            name += "".join(
                f"/{further}/{members[part]}" for part, further in WITHIN.get(kind, ()) if part in members
            )
            if kind == "domainconfiguration":
                return domain_arn(caller.region, caller.account, name)
            return arn(caller.region, caller.account, KINDS.get(operation, kind), name)
    if operation in DEFAULT_INDEX:
        return arn(caller.region, caller.account, "index", "AWS_Things")
    if isinstance(account := members.get("accountId"), str):
        return f"arn:{partition_of(caller.region)}:iam::{account}:root"
    for member in WHOLE_ARNS:
        value = members.get(member)
        if isinstance(value, str):
            return value
    if (service, operation) == ("acm", "ImportCertificate"):
        return certificate_arn(caller.region, caller.account, "*")  # it has no id yet
    return "*"


@lru_cache(maxsize=1024)
def _naming(members: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """What of `BY_MEMBER` is there at all."""
    return tuple(pair for pair in BY_MEMBER if pair[0] in members)


ALSO: Mapping[tuple[str, str], tuple[str, str]] = {("iot-data", "Publish"): ("retain", "RetainPublish")}
"""Operation → a member that, when it is true, needs a second action on the same resource (AWS IoT Developer
Guide, AWS IoT Core policy actions)."""

CONDITIONS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("iot-data", "SendDirectMessage"): {"topic": "iot:Topic"},
    ("iot", "GetThingConnectivityData"): {"includeSocketInformation": "iot:IncludeSocketInformation"},
}
"""Operation → member → the condition key that policies know it by (AWS IoT Developer Guide, Direct messaging
policy examples; Device connectivity status queries)."""

UNLESS_GIVEN: Mapping[str, str] = {"iot:IncludeSocketInformation": "false"}
"""What a condition key has without its member."""


def authorized_arn(operation: str, members: Mapping[str, Any], resource: str) -> str:
    """What policies must allow the operation on; ``resource`` is what it is about."""
    target = members.get(TARGETS.get(operation, ""))
    return target if isinstance(target, str) else resource


def further_arns(caller: Caller, operation: str, members: Mapping[str, Any]) -> list[str]:
    """What policies must allow the operation on, too."""
    found: list[str] = []
    for member in SEVERAL.get(operation, ()):
        given = members.get(member, [members.get(f"{member}Name")])
        kind = "thinggroup" if member.startswith("thingGroup") else member.lower()
        if isinstance(given, list):
            found += [arn(caller.region, caller.account, kind, n) for n in given if isinstance(n, str)]
        whole = members.get(f"{member}Arn")
        if isinstance(whole, str):
            found.append(whole)
    if operation in OF_AN_INDEX:
        found.append(arn(caller.region, caller.account, "index", members.get("indexName") or "AWS_Things"))
    return found


def actions(service: str, operation: str, members: Mapping[str, Any]) -> tuple[str, ...]:
    """The names, without their prefix, of all actions that the caller must be allowed."""
    member, further = ALSO.get((service, operation), ("", ""))
    return (operation, further) if members.get(member) else (operation,)


def conditions(service: str, operation: str, members: Mapping[str, Any]) -> dict[str, Any]:
    """Condition key → value."""
    found: dict[str, Any] = {}
    for member, key in CONDITIONS.get((service, operation), {}).items():
        given = members.get(member, UNLESS_GIVEN.get(key))
        if isinstance(given, bool):
            given = "true" if given else "false"
        if isinstance(given, str):
            found[key] = given
    return found
