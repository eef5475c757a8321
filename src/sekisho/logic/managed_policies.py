"""AWS's own policies that set-ups of AWS IoT attach by name, as far as they concern what there is here.

Source: AWS Managed Policy Reference Guide. Kept are the actions of the services that a node has; the ARN, the
meaning and the name are AWS's.
"""

from __future__ import annotations

import json

from sekisho.logic.arns import partition_of

ACCOUNT = "aws"
"""What stands in their ARNs for the account."""


def _allow(*actions: str) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


# Path and name → document.
MANAGED: dict[str, str] = {
    "/AdministratorAccess": _allow("*"),
    "/AWSIoTFullAccess": _allow("iot:*", "iotjobsdata:*"),
    "/AWSIoTDataAccess": _allow(
        "iot:Connect",
        "iot:Publish",
        "iot:Subscribe",
        "iot:Receive",
        "iot:GetThingShadow",
        "iot:UpdateThingShadow",
        "iot:DeleteThingShadow",
        "iot:ListNamedShadowsForThing",
    ),
    "/IAMFullAccess": _allow("iam:*"),
    "/service-role/AWSIoTThingsRegistration": _allow(
        "iot:AddThingToThingGroup",
        "iot:AttachPolicy",
        "iot:AttachPrincipalPolicy",
        "iot:AttachThingPrincipal",
        "iot:CreateCertificateFromCsr",
        "iot:CreatePolicy",
        "iot:CreateThing",
        "iot:DescribeCertificate",
        "iot:DescribeThing",
        "iot:DescribeThingGroup",
        "iot:DescribeThingType",
        "iot:DetachPolicy",
        "iot:DetachThingPrincipal",
        "iot:GetPolicy",
        "iot:ListAttachedPolicies",
        "iot:ListPolicyPrincipals",
        "iot:ListPrincipalPolicies",
        "iot:ListPrincipalThings",
        "iot:ListTargetsForPolicy",
        "iot:ListThingGroupsForThing",
        "iot:ListThingPrincipals",
        "iot:RegisterCertificate",
        "iot:RegisterThing",
        "iot:RemoveThingFromThingGroup",
        "iot:UpdateCertificate",
        "iot:UpdateThing",
        "iot:UpdateThingGroupsForThing",
        "iot:AddThingToBillingGroup",
        "iot:DescribeBillingGroup",
        "iot:RemoveThingFromBillingGroup",
    ),
}


def managed_document(arn: str) -> str | None:
    """The document of ``arn:aws:iam::aws:policy/…``, or None."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2:5] != ["iam", "", ACCOUNT]:
        return None
    word, slash, name = parts[5].partition("/")
    return MANAGED.get(slash + name) if word == "policy" else None


def managed_arns(region: str) -> list[str]:
    """In the order of their names with their paths."""
    return [f"arn:{partition_of(region)}:iam::{ACCOUNT}:policy{name}" for name in sorted(MANAGED)]
