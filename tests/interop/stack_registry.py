"""The stack's parts of the registry, its certificates and its policies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from api.authorities import Authority
from api.making import csr
from interop.stack import Part

TAKEN = "ResourceAlreadyExistsException"
CA = Authority("stack").pem


def policy(*topics: str) -> str:
    statement = {
        "Effect": "Allow",
        "Action": "iot:Publish",
        "Resource": [f"arn:aws:iot:*:*:topic/{t}" for t in topics],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def group(name: str, parent: str | None = None) -> Part:
    under = {"parentGroupName": parent} if parent else {}
    named = {"thingGroupName": name}
    properties = {"thingGroupDescription": "made", "attributePayload": {"attributes": {"a": "1"}}}
    after = {
        "thingGroupDescription": "changed",
        "attributePayload": {"attributes": {"b": "2"}, "merge": True},
    }
    merged = {"thingGroupDescription": "changed", "attributePayload": {"attributes": {"a": "1", "b": "2"}}}
    return Part(
        name,
        ("create_thing_group", named | under | {"thingGroupProperties": properties}),
        "",
        ("describe_thing_group", named),
        named | {"thingGroupProperties": properties, "version": 1, "thingGroupMetadata": under},
        [("update_thing_group", named | {"thingGroupProperties": after, "expectedVersion": 1})],
        named | {"thingGroupProperties": merged, "version": 2},
        [("delete_thing_group", named)],
    )


def thing(name: str) -> Part:
    named = {"thingName": name}
    made = {"site": "tokyo", "floor": "1"}
    return Part(
        name,
        (
            "create_thing",
            named
            | {
                "thingTypeName": "stack-type",
                "billingGroupName": "stack-billing",
                "attributePayload": {"attributes": made},
            },
        ),
        "",
        ("describe_thing", named),
        named
        | {
            "attributes": made,
            "thingTypeName": "stack-type",
            "billingGroupName": "stack-billing",
            "version": 1,
            "defaultClientId": name,
        },
        [("update_thing", named | {"attributePayload": {"attributes": {"site": "osaka"}, "merge": False}})],
        named | {"attributes": {"site": "osaka"}, "thingTypeName": "stack-type", "version": 2},
        [("delete_thing", named)],
    )


def attached(name: str, target: str, shows: int = 1) -> Part:
    both = {"policyName": "stack-policy", "target": target}
    listed = {"policies": [{"policyName": "stack-policy"}] * shows}
    return Part(
        name,
        ("attach_policy", both),
        "",
        ("list_attached_policies", {"target": target}),
        listed,
        delete=[("detach_policy", both)],
    )


ROLE = {"RoleName": "stack-role"}
INLINE = ROLE | {"PolicyName": "stack-inline"}
TYPE = {"thingTypeName": "stack-type"}
SITE = {"userPropertyKey": "site", "thingAttribute": "site"}
TYPED = {"thingTypeDescription": "made", "searchableAttributes": ["site"]}
PROPAGATED = {"mqtt5Configuration": {"propagatingAttributes": [SITE]}}
BILLING = {"billingGroupName": "stack-billing"}
DESCRIBED = {"billingGroupProperties": {"billingGroupDescription": "made"}}
OTHERWISE = {"billingGroupProperties": {"billingGroupDescription": "changed"}}
MEMBER = {"thingName": "stack-a", "thingGroupName": "stack-leaf"}
ID = {"certificateId": "${certificate.certificateId}"}
CA_ID = {"certificateId": "${ca.certificateId}"}
HELD_BY = {"thingName": "stack-a", "principal": "${certificate.certificateArn}"}
POLICY = {"policyName": "stack-policy"}

REGISTRY: Sequence[Part] = (
    Part(
        "role",
        ("iam.create_role", ROLE | {"AssumeRolePolicyDocument": json.dumps(trust("iot.amazonaws.com"))}),
        "EntityAlreadyExists",
        ("iam.get_role", ROLE),
        {"Role": ROLE | {"AssumeRolePolicyDocument": trust("iot.amazonaws.com"), "MaxSessionDuration": 3600}},
        [
            ("iam.update_role", ROLE | {"Description": "changed", "MaxSessionDuration": 7200}),
            (
                "iam.update_assume_role_policy",
                ROLE | {"PolicyDocument": json.dumps(trust("credentials.iot.amazonaws.com"))},
            ),
        ],
        {
            "Role": {
                "Description": "changed",
                "MaxSessionDuration": 7200,
                "AssumeRolePolicyDocument": trust("credentials.iot.amazonaws.com"),
            }
        },
        [("iam.delete_role", ROLE)],
    ),
    Part(
        "inline",
        ("iam.put_role_policy", INLINE | {"PolicyDocument": policy("a")}),
        "",
        ("iam.get_role_policy", INLINE),
        INLINE | {"PolicyDocument": json.loads(policy("a"))},
        [("iam.put_role_policy", INLINE | {"PolicyDocument": policy("b")})],
        INLINE | {"PolicyDocument": json.loads(policy("b"))},
        [("iam.delete_role_policy", INLINE)],
    ),
    Part(
        "type",
        ("create_thing_type", TYPE | {"thingTypeProperties": TYPED}),
        "",
        ("describe_thing_type", TYPE),
        TYPE | {"thingTypeProperties": TYPED, "thingTypeMetadata": {"deprecated": False}},
        [("update_thing_type", TYPE | {"thingTypeProperties": PROPAGATED})],
        TYPE | {"thingTypeProperties": TYPED | PROPAGATED},
        [
            ("deprecate_thing_type", TYPE),
            ("sekisho.set_clock", {"advanceSeconds": 301}),
            ("delete_thing_type", TYPE),
        ],
    ),
    group("stack-root"),
    group("stack-branch", "stack-root"),
    group("stack-leaf", "stack-branch"),
    Part(
        "billing",
        ("create_billing_group", BILLING | DESCRIBED),
        "",
        ("describe_billing_group", BILLING),
        BILLING | DESCRIBED | {"version": 1},
        [("update_billing_group", BILLING | OTHERWISE)],
        BILLING | OTHERWISE | {"version": 2},
        [("delete_billing_group", BILLING)],
    ),
    thing("stack-a"),
    thing("stack-b"),
    thing("stack-c"),
    Part(
        "member",
        ("add_thing_to_thing_group", MEMBER),
        "",
        ("list_things_in_thing_group", {"thingGroupName": "stack-leaf"}),
        {"things": ["stack-a"]},
        [("update_thing_groups_for_thing", {"thingName": "stack-b", "thingGroupsToAdd": ["stack-leaf"]})],
        {"things": ["stack-a", "stack-b"]},
        [("remove_thing_from_thing_group", MEMBER)],
    ),
    Part(
        "certificate",
        ("create_certificate_from_csr", {"certificateSigningRequest": csr("stack"), "setAsActive": True}),
        None,
        ("describe_certificate", ID),
        {
            "certificateDescription": ID
            | {"status": "ACTIVE", "certificatePem": "${certificate.certificatePem}"}
        },
        [("update_certificate", ID | {"newStatus": "INACTIVE"})],
        {"certificateDescription": ID | {"status": "INACTIVE"}},
        [("update_certificate", ID | {"newStatus": "INACTIVE"}), ("delete_certificate", ID)],
    ),
    Part(
        "ca",
        (
            "register_ca_certificate",
            {"caCertificate": CA, "certificateMode": "SNI_ONLY", "setAsActive": True},
        ),
        TAKEN,
        ("describe_ca_certificate", CA_ID),
        {
            "certificateDescription": CA_ID
            | {"status": "ACTIVE", "certificatePem": CA, "certificateMode": "SNI_ONLY"}
        },
        [
            (
                "update_ca_certificate",
                CA_ID | {"newStatus": "INACTIVE", "newAutoRegistrationStatus": "DISABLE"},
            )
        ],
        {"certificateDescription": CA_ID | {"status": "INACTIVE", "autoRegistrationStatus": "DISABLE"}},
        [("update_ca_certificate", CA_ID | {"newStatus": "INACTIVE"}), ("delete_ca_certificate", CA_ID)],
    ),
    Part(
        "policy",
        ("create_policy", POLICY | {"policyDocument": policy("a")}),
        TAKEN,
        ("get_policy", POLICY),
        POLICY | {"policyDocument": policy("a"), "defaultVersionId": "1"},
        [("create_policy_version", POLICY | {"policyDocument": policy("b"), "setAsDefault": True})],
        POLICY | {"policyDocument": policy("b"), "defaultVersionId": "2"},
        [
            ("set_default_policy_version", POLICY | {"policyVersionId": "2"}),
            ("delete_policy_version", POLICY | {"policyVersionId": "1"}),
            ("delete_policy", POLICY),
        ],
    ),
    attached("policy of certificate", "${certificate.certificateArn}"),
    attached("policy of group", "${stack-root.thingGroupArn}"),
    Part(
        "holder",
        ("attach_thing_principal", HELD_BY),
        "",
        ("list_thing_principals", {"thingName": "stack-a"}),
        {"principals": ["${certificate.certificateArn}"]},
        delete=[("detach_thing_principal", HELD_BY)],
    ),
)
