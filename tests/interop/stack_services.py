"""The stack's parts around the registry, tags, and the whole of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from interop.authorizing import FUNCTION, public
from interop.stack import Part
from interop.stack_iam import IAM
from interop.stack_registry import REGISTRY, TAKEN

CONFLICT = "ConflictException"
KEYS = {"one": public()}
ON, OFF = {"Enabled": True}, {"Enabled": False}
INDEX = {"thingIndexingMode": "REGISTRY", "thingConnectivityIndexingMode": "STATUS"}
FIELDS = {"thingIndexingMode": "REGISTRY", "customFields": [{"name": "attributes.site", "type": "String"}]}
TARGET = {"targetType": "CLIENT_ID", "targetName": "stack-client"}
TEMPLATE = {"templateName": "stack-template"}
ALIAS = {"roleAlias": "stack-alias"}
AUTHORIZER = {"authorizerName": "stack-authorizer"}
DOMAIN = {"domainConfigurationName": "stack-domain"}
HOST = "stack.example.com"
ISSUED = {"CertificateArn": "${issued.CertificateArn}"}
PACKAGE = {"packageName": "stack-package"}
RELEASE = PACKAGE | {"versionName": "1.0"}


def template(default: str) -> str:
    thing = {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "Name"}}}
    return json.dumps(
        {"Parameters": {"Name": {"Type": "String", "Default": default}}, "Resources": {"thing": thing}}
    )


def tagged(part: str, key: str) -> Part:
    of = {"resourceArn": "${%s.%s}" % (part, key)}  # noqa: UP031
    return Part(
        f"tags of {part}",
        ("tag_resource", of | {"tags": [{"Key": "team", "Value": "a"}, {"Key": "zone", "Value": "1"}]}),
        "",
        ("list_tags_for_resource", of),
        {"tags": [{"Key": "team", "Value": "a"}, {"Key": "zone", "Value": "1"}]},
        [
            ("tag_resource", of | {"tags": [{"Key": "team", "Value": "b"}]}),
            ("untag_resource", of | {"tagKeys": ["zone"]}),
        ],
        {"tags": [{"Key": "team", "Value": "b"}]},
    )


SERVICES: Sequence[Part] = (
    Part(
        "template",
        (
            "create_provisioning_template",
            TEMPLATE
            | {
                "templateBody": template("a"),
                "provisioningRoleArn": "${role.Role.Arn}",
                "enabled": True,
                "description": "made",
            },
        ),
        TAKEN,
        ("describe_provisioning_template", TEMPLATE),
        TEMPLATE
        | {
            "templateBody": template("a"),
            "provisioningRoleArn": "${role.Role.Arn}",
            "enabled": True,
            "description": "made",
            "defaultVersionId": 1,
            "type": "FLEET_PROVISIONING",
        },
        [
            ("update_provisioning_template", TEMPLATE | {"enabled": False, "description": "changed"}),
            (
                "create_provisioning_template_version",
                TEMPLATE | {"templateBody": template("b"), "setAsDefault": True},
            ),
        ],
        TEMPLATE
        | {"templateBody": template("b"), "enabled": False, "description": "changed", "defaultVersionId": 2},
        [("delete_provisioning_template", TEMPLATE)],
    ),
    Part(
        "alias",
        ("create_role_alias", ALIAS | {"roleArn": "${role.Role.Arn}", "credentialDurationSeconds": 900}),
        TAKEN,
        ("describe_role_alias", ALIAS),
        {"roleAliasDescription": ALIAS | {"roleArn": "${role.Role.Arn}", "credentialDurationSeconds": 900}},
        [("update_role_alias", ALIAS | {"credentialDurationSeconds": 1800})],
        {"roleAliasDescription": ALIAS | {"roleArn": "${role.Role.Arn}", "credentialDurationSeconds": 1800}},
        [("delete_role_alias", ALIAS)],
    ),
    Part(
        "authorizer",
        (
            "create_authorizer",
            AUTHORIZER
            | {
                "authorizerFunctionArn": FUNCTION,
                "tokenKeyName": "token",
                "tokenSigningPublicKeys": KEYS,
                "status": "ACTIVE",
                "enableCachingForHttp": True,
            },
        ),
        TAKEN,
        ("describe_authorizer", AUTHORIZER),
        {
            "authorizerDescription": AUTHORIZER
            | {
                "authorizerFunctionArn": FUNCTION,
                "tokenKeyName": "token",
                "tokenSigningPublicKeys": KEYS,
                "status": "ACTIVE",
                "signingDisabled": False,
                "enableCachingForHttp": True,
            }
        },
        [("update_authorizer", AUTHORIZER | {"tokenKeyName": "other", "enableCachingForHttp": False})],
        {
            "authorizerDescription": AUTHORIZER
            | {"tokenKeyName": "other", "tokenSigningPublicKeys": KEYS, "enableCachingForHttp": False}
        },
        [("update_authorizer", AUTHORIZER | {"status": "INACTIVE"}), ("delete_authorizer", AUTHORIZER)],
    ),
    Part(
        "issued",
        ("acm.request_certificate", {"DomainName": HOST, "IdempotencyToken": "stack"}),
        "",
        ("acm.describe_certificate", ISSUED),
        {"Certificate": ISSUED | {"DomainName": HOST, "Status": "ISSUED"}},
        delete=[("acm.delete_certificate", ISSUED)],
    ),
    Part(
        "domain",
        (
            "create_domain_configuration",
            DOMAIN
            | {
                "domainName": HOST,
                "serverCertificateArns": ["${issued.CertificateArn}"],
                "authorizerConfig": {"defaultAuthorizerName": "stack-authorizer"},
            },
        ),
        TAKEN,
        ("describe_domain_configuration", DOMAIN),
        DOMAIN
        | {
            "domainName": HOST,
            "domainConfigurationStatus": "ENABLED",
            "serverCertificates": [
                {"serverCertificateArn": "${issued.CertificateArn}", "serverCertificateStatus": "VALID"}
            ],
            "authorizerConfig": {"defaultAuthorizerName": "stack-authorizer"},
            "domainType": "CUSTOMER_MANAGED",
        },
        [
            (
                "update_domain_configuration",
                DOMAIN
                | {
                    "removeAuthorizerConfig": True,
                    "tlsConfig": {"securityPolicy": "IoTSecurityPolicy_TLS13_1_3_2022_10"},
                },
            )
        ],
        DOMAIN | {"domainName": HOST, "tlsConfig": {"securityPolicy": "IoTSecurityPolicy_TLS13_1_3_2022_10"}},
        [
            ("update_domain_configuration", DOMAIN | {"domainConfigurationStatus": "DISABLED"}),
            ("delete_domain_configuration", DOMAIN),
        ],
    ),
    Part(
        "events",
        ("update_event_configurations", {"eventConfigurations": {"THING": ON, "THING_TYPE": ON}}),
        "",
        ("describe_event_configurations", {}),
        {"eventConfigurations": {"THING": ON, "THING_TYPE": ON, "THING_GROUP": OFF}},
        [("update_event_configurations", {"eventConfigurations": {"THING_GROUP": ON, "THING_TYPE": OFF}})],
        {"eventConfigurations": {"THING": ON, "THING_TYPE": OFF, "THING_GROUP": ON}},
        [("update_event_configurations", {"eventConfigurations": {"THING": OFF, "THING_GROUP": OFF}})],
    ),
    Part(
        "logging",
        ("set_v2_logging_options", {"roleArn": "${role.Role.Arn}", "defaultLogLevel": "WARN"}),
        "",
        ("get_v2_logging_options", {}),
        {"roleArn": "${role.Role.Arn}", "defaultLogLevel": "WARN", "disableAllLogs": False},
        [("set_v2_logging_options", {"defaultLogLevel": "ERROR"})],
        {"roleArn": "${role.Role.Arn}", "defaultLogLevel": "ERROR", "disableAllLogs": False},
        [("set_v2_logging_options", {"disableAllLogs": True})],
    ),
    Part(
        "level",
        ("set_v2_logging_level", {"logTarget": TARGET, "logLevel": "DEBUG"}),
        "",
        ("list_v2_logging_levels", {"targetType": "CLIENT_ID"}),
        {"logTargetConfigurations": [{"logTarget": TARGET, "logLevel": "DEBUG"}]},
        [("set_v2_logging_level", {"logTarget": TARGET, "logLevel": "INFO"})],
        {"logTargetConfigurations": [{"logTarget": TARGET, "logLevel": "INFO"}]},
        [("delete_v2_logging_level", TARGET)],
    ),
    Part(
        "index",
        ("update_indexing_configuration", {"thingIndexingConfiguration": INDEX}),
        "",
        ("get_indexing_configuration", {}),
        {
            "thingIndexingConfiguration": INDEX,
            "thingGroupIndexingConfiguration": {"thingGroupIndexingMode": "OFF"},
        },
        [
            (
                "update_indexing_configuration",
                {
                    "thingIndexingConfiguration": FIELDS,
                    "thingGroupIndexingConfiguration": {"thingGroupIndexingMode": "ON"},
                },
            )
        ],
        {
            "thingIndexingConfiguration": FIELDS,
            "thingGroupIndexingConfiguration": {"thingGroupIndexingMode": "ON"},
        },
        [
            (
                "update_indexing_configuration",
                {
                    "thingIndexingConfiguration": {"thingIndexingMode": "OFF"},
                    "thingGroupIndexingConfiguration": {"thingGroupIndexingMode": "OFF"},
                },
            )
        ],
    ),
    Part(
        "package",
        ("create_package", PACKAGE | {"description": "made"}),
        CONFLICT,
        ("get_package", PACKAGE),
        PACKAGE | {"description": "made"},
        [("update_package", PACKAGE | {"description": "changed"})],
        PACKAGE | {"description": "changed"},
        [("delete_package", PACKAGE)],
    ),
    Part(
        "release",
        ("create_package_version", RELEASE | {"attributes": {"a": "1"}, "description": "made"}),
        CONFLICT,
        ("get_package_version", RELEASE),
        RELEASE | {"attributes": {"a": "1"}, "description": "made", "status": "DRAFT"},
        [("update_package_version", RELEASE | {"attributes": {"b": "2"}, "action": "PUBLISH"})],
        RELEASE | {"attributes": {"b": "2"}, "description": "made", "status": "PUBLISHED"},
        [("delete_package_version", RELEASE)],
    ),
)

TAGS: Sequence[Part] = tuple(
    tagged(*one)
    for one in (
        ("type", "thingTypeArn"),
        ("stack-root", "thingGroupArn"),
        ("billing", "billingGroupArn"),
        ("policy", "policyArn"),
        ("ca", "certificateArn"),
        ("template", "templateArn"),
        ("alias", "roleAliasArn"),
        ("authorizer", "authorizerArn"),
        ("domain", "domainConfigurationArn"),
        ("package", "packageArn"),
        ("release", "packageVersionArn"),
    )
)

INVALID, DELETION = "InvalidRequestException", "DeleteConflictException"
HELD = {
    "role": "DeleteConflict",
    "type": INVALID,
    "stack-root": INVALID,
    "stack-branch": INVALID,
    "stack-a": INVALID,
    "certificate": DELETION,
    "policy": DELETION,
    "authorizer": DELETION,
    "issued": "ResourceInUseException",
    "domain": INVALID,
    "package": "ValidationException",
}
"""What is in the way of a deletion while everything is there."""

STACK = [
    *(part._replace(held=HELD.get(part.name, "")) for part in (*REGISTRY, *SERVICES)),
    *IAM,
    *TAGS,
]
