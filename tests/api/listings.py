"""What every paginated listing of ``iot`` tells, and how something is added to it and taken away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from api.authorities import Authority, self_signed
from api.making import certificate, document, template, thing_resource

PATIENCE = 60.0
TEMPLATE = template({"thing": thing_resource()}, "Name")
METRIC = {
    "queryString": "*",
    "aggregationType": {"name": "Statistics", "values": ["count"]},
    "period": 60,
    "aggregationField": "registry.version",
}


class Listing(NamedTuple):
    """``add`` makes an item of a name and gives what `told` says of it in a page; ``remove`` takes that."""

    operation: str
    told: Callable[[Any], str]
    add: Callable[[str], str]
    remove: Callable[[str], Any] | None = None
    members: dict[str, Any] = {}  # noqa: RUF012
    stay: int = 5
    others: int = 4


def indexed(iot: Any) -> None:
    """Have things indexed: metrics ask the index."""
    iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"})
    until = time.monotonic() + PATIENCE
    while iot.describe_index(indexName="AWS_Things")["indexStatus"] != "ACTIVE":
        assert time.monotonic() < until
        time.sleep(0.05)


def listings(iot: Any, s3: Any, account: str, other: str) -> list[Listing]:
    """With what they need; ``other`` is an account that a certificate may be offered to."""
    role = f"arn:aws:iam::{account}:role/any"
    function = f"arn:aws:lambda:us-east-1:{account}:function:authorize"

    def itself(item: Any) -> str:
        return str(item)

    def of(member: str) -> Callable[[Any], str]:
        return lambda item: str(item[member])

    def add(method: str, member: str, **more: Any) -> Callable[[str], str]:
        def adding(name: str) -> str:
            getattr(iot, method)(**{member: name}, **more)
            return name

        return adding

    def remove(method: str, member: str, **more: Any) -> Callable[[str], Any]:
        return lambda name: getattr(iot, method)(**{member: name}, **more)

    def made_thing(**more: Any) -> Callable[[str], str]:
        return add("create_thing", "thingName", **more)

    drop_thing = remove("delete_thing", "thingName")
    held, laden = certificate(iot), certificate(iot)
    iot.create_policy(policyName="held", policyDocument=document())
    iot.create_thing(thingName="held")
    for name in ("held", "root"):
        iot.create_thing_group(thingGroupName=name)
    iot.create_thing_group(thingGroupName="branch", parentGroupName="root")
    iot.create_billing_group(billingGroupName="held")
    iot.create_thing_type(thingTypeName="held")
    iot.create_provisioning_template(templateName="held", templateBody=TEMPLATE, provisioningRoleArn=role)
    iot.create_package(packageName="held")
    indexed(iot)
    iot.set_v2_logging_options(roleArn=role, defaultLogLevel="INFO")
    authority = Authority("listings")
    ca = authority.register(iot)
    s3.create_bucket(Bucket="listings")
    s3.put_object(Bucket="listings", Key="none", Body=b'{"Name": "one"}\n')

    def policies_of(arn: str) -> tuple[Any, ...]:
        def adding(name: str) -> str:
            iot.create_policy(policyName=name, policyDocument=document())
            iot.attach_policy(policyName=name, target=arn)
            return name

        def removing(name: str) -> None:
            iot.detach_policy(policyName=name, target=arn)
            iot.delete_policy(policyName=name)

        return of("policyName"), adding, removing

    def target(name: str) -> str:
        arn = certificate(iot, name).arn
        iot.attach_policy(policyName="held", target=arn)
        return arn

    def principal(name: str) -> str:
        arn = certificate(iot, name).arn
        iot.attach_thing_principal(thingName="held", principal=arn)
        return arn

    def held_thing(name: str) -> str:
        iot.create_thing(thingName=name)
        iot.attach_thing_principal(thingName=name, principal=held.arn)
        return name

    def drop_held(name: str) -> None:
        iot.detach_thing_principal(thingName=name, principal=held.arn)
        iot.delete_thing(thingName=name)

    def member(group: str) -> Callable[[str], str]:
        def adding(name: str) -> str:
            iot.create_thing(thingName=name)
            iot.add_thing_to_thing_group(thingName=name, thingGroupName=group)
            return name

        return adding

    def group_of_thing(name: str) -> str:
        iot.create_thing_group(thingGroupName=name)
        iot.add_thing_to_thing_group(thingName="held", thingGroupName=name)
        return name

    def drop_certificate(arn: str) -> None:
        one = arn.rpartition("/")[2]
        iot.update_certificate(certificateId=one, newStatus="INACTIVE")
        iot.delete_certificate(certificateId=one, forceDelete=True)

    def signed(name: str) -> str:
        pem = authority.sign(name).pem
        made = iot.register_certificate(certificatePem=pem, caCertificatePem=authority.pem)
        return str(made["certificateArn"])

    def offered(name: str) -> str:
        made = iot.register_certificate_without_ca(certificatePem=self_signed(name).pem, status="INACTIVE")
        iot.transfer_certificate(certificateId=made["certificateId"], targetAwsAccount=other)
        return str(made["certificateArn"])

    def own_ca(name: str) -> str:
        made = iot.register_ca_certificate(caCertificate=Authority(name).pem, certificateMode="SNI_ONLY")
        return str(made["certificateArn"])

    def authorizer(name: str) -> str:
        iot.create_authorizer(authorizerName=name, authorizerFunctionArn=function, signingDisabled=True)
        return name

    def version(_: str) -> str:
        made = iot.create_provisioning_template_version(templateName="held", templateBody=TEMPLATE)
        return str(made["versionId"])

    def level(name: str) -> str:
        iot.set_v2_logging_level(logTarget={"targetType": "CLIENT_ID", "targetName": name}, logLevel="INFO")
        return name

    def task(_: str) -> str:
        started = iot.start_thing_registration_task(
            templateBody=TEMPLATE, inputFileBucket="listings", inputFileKey="none", roleArn=role
        )
        # One at a time, says AWS.
        until = time.monotonic() + PATIENCE
        while iot.describe_thing_registration_task(taskId=started["taskId"])["status"] == "InProgress":
            assert time.monotonic() < until
        return str(started["taskId"])

    def by_arn(arn: str) -> str:
        return arn.rpartition("/")[2]

    some = {"attributePayload": {"attributes": {"site": "a"}}}
    return [
        Listing("ListAttachedPolicies", *policies_of(held.arn), {"target": held.arn}),
        Listing("ListAuthorizers", of("authorizerName"), authorizer),
        Listing(
            "ListBillingGroups",
            of("groupName"),
            add("create_billing_group", "billingGroupName"),
            remove("delete_billing_group", "billingGroupName"),
        ),
        Listing(
            "ListCACertificates",
            of("certificateArn"),
            own_ca,
            lambda arn: iot.delete_ca_certificate(certificateId=by_arn(arn)),
        ),
        Listing(
            "ListCertificates", of("certificateArn"), lambda n: certificate(iot, n).arn, drop_certificate
        ),
        Listing(
            "ListCertificatesByCA", of("certificateArn"), signed, drop_certificate, {"caCertificateId": ca}
        ),
        Listing(
            "ListDomainConfigurations",
            of("domainConfigurationName"),
            add("create_domain_configuration", "domainConfigurationName"),
        ),
        Listing(
            "ListOutgoingCertificates",
            of("certificateArn"),
            offered,
            lambda arn: iot.cancel_certificate_transfer(certificateId=by_arn(arn)),
        ),
        Listing(
            "ListPackageVersions",
            of("versionName"),
            add("create_package_version", "versionName", packageName="held"),
            remove("delete_package_version", "versionName", packageName="held"),
            {"packageName": "held"},
        ),
        Listing(
            "ListFleetMetrics",
            of("metricName"),
            add("create_fleet_metric", "metricName", **METRIC),
            remove("delete_fleet_metric", "metricName"),
        ),
        Listing(
            "ListPackages",
            of("packageName"),
            add("create_package", "packageName"),
            remove("delete_package", "packageName"),
        ),
        Listing(
            "ListPolicies",
            of("policyName"),
            add("create_policy", "policyName", policyDocument=document()),
            remove("delete_policy", "policyName"),
        ),
        Listing("ListPolicyPrincipals", itself, target, drop_certificate_of(iot), {"policyName": "held"}),
        Listing("ListPrincipalPolicies", *policies_of(laden.arn), {"principal": laden.arn}),
        Listing("ListPrincipalThings", itself, held_thing, drop_held, {"principal": held.arn}),
        Listing("ListPrincipalThingsV2", of("thingName"), held_thing, drop_held, {"principal": held.arn}),
        Listing(
            "ListProvisioningTemplateVersions",
            of("versionId"),
            version,
            lambda n: iot.delete_provisioning_template_version(templateName="held", versionId=int(n)),
            {"templateName": "held"},
            stay=2,
            others=2,
        ),
        Listing(
            "ListProvisioningTemplates",
            of("templateName"),
            add(
                "create_provisioning_template",
                "templateName",
                templateBody=TEMPLATE,
                provisioningRoleArn=role,
            ),
            remove("delete_provisioning_template", "templateName"),
        ),
        Listing(
            "ListRoleAliases",
            itself,
            add("create_role_alias", "roleAlias", roleArn=role),
            remove("delete_role_alias", "roleAlias"),
        ),
        Listing("ListTargetsForPolicy", itself, target, drop_certificate_of(iot), {"policyName": "held"}),
        Listing(
            "ListThingGroups",
            of("groupName"),
            add("create_thing_group", "thingGroupName"),
            remove("delete_thing_group", "thingGroupName"),
        ),
        Listing(
            "ListThingGroups",
            of("groupName"),
            add("create_thing_group", "thingGroupName", parentGroupName="branch"),
            remove("delete_thing_group", "thingGroupName"),
            {"parentGroup": "root"},
        ),
        Listing(
            "ListThingGroupsForThing",
            of("groupName"),
            group_of_thing,
            remove("delete_thing_group", "thingGroupName"),
            {"thingName": "held"},
        ),
        Listing(
            "ListThingPrincipals",
            itself,
            principal,
            remove("detach_thing_principal", "principal", thingName="held"),
            {"thingName": "held"},
        ),
        Listing(
            "ListThingPrincipalsV2",
            of("principal"),
            principal,
            remove("detach_thing_principal", "principal", thingName="held"),
            {"thingName": "held"},
        ),
        Listing("ListThingRegistrationTasks", itself, task, others=1),
        Listing("ListThingTypes", of("thingTypeName"), add("create_thing_type", "thingTypeName")),
        Listing("ListThings", of("thingName"), made_thing(), drop_thing),
        Listing(
            "ListThings",
            of("thingName"),
            made_thing(thingTypeName="held"),
            drop_thing,
            {"thingTypeName": "held"},
        ),
        Listing(
            "ListThings",
            of("thingName"),
            made_thing(**some),
            drop_thing,
            {"attributeName": "site", "attributeValue": "a"},
        ),
        Listing(
            "ListThingsInBillingGroup",
            itself,
            made_thing(billingGroupName="held"),
            drop_thing,
            {"billingGroupName": "held"},
        ),
        Listing("ListThingsInThingGroup", itself, member("held"), drop_thing, {"thingGroupName": "held"}),
        Listing(
            "ListThingsInThingGroup",
            itself,
            member("branch"),
            drop_thing,
            {"thingGroupName": "root", "recursive": True},
        ),
        Listing(
            "ListV2LoggingLevels",
            lambda item: str(item["logTarget"].get("targetName")),
            level,
            lambda n: iot.delete_v2_logging_level(targetType="CLIENT_ID", targetName=n),
        ),
    ]


def drop_certificate_of(iot: Any) -> Callable[[str], Any]:
    """Takes policy ``held`` from a certificate."""
    return lambda arn: iot.detach_policy(policyName="held", target=arn)


ONE_PAGE = {
    "ListIndices": "there are two, whatever changes",
    "ListSbomValidationResults": "they belong to one archive and change together",
    "ListTagsForResource": "there are at most 50, in one page",
    "ListThingRegistrationTaskReports": "the reports of a task do not change",
}
"""Listings whose rows do not come and go one by one."""
