"""The audit table: one line for each call that changes something, or tried to; none for reads."""

from __future__ import annotations

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from api.making import (
    ACCOUNT,
    REGION,
    ROLE,
    UNCHECKED,
    arn,
    certificate,
    csr,
    document,
    template,
    thing_resource,
)

COLUMNS = "seq, account, region, principal, service, operation, resource, outcome, request_id, source_ip"
TEMPLATE = template({"thing": thing_resource()}, "Name")


@pytest.fixture
def audited(sql):
    """The lines since the test began, oldest first: (service, operation, resource, outcome)."""
    start = sql("SELECT max(seq) FROM audit")[0][0]
    start = int(start) if start.isdigit() else 0

    def lines() -> list[tuple[str, ...]]:
        found = sql(f"SELECT {COLUMNS} FROM audit WHERE seq > {start} ORDER BY seq")
        for line in found:
            assert line[1:4] == (ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:root")
            assert str(uuid.UUID(line[8])) == line[8]
            assert line[9] == "127.0.0.1"
        return [line[4:8] for line in found]

    return lines


def test_every_change_of_things(iot, name, audited):
    thing = arn(f"thing/{name}")
    iot.create_thing(thingName=name)
    iot.create_thing(thingName=name)
    iot.update_thing(thingName=name, attributePayload={"attributes": {"a": "1"}})
    iot.delete_thing(thingName=name)
    assert audited() == [
        ("iot", operation, thing, "Success")
        for operation in ("CreateThing", "CreateThing", "UpdateThing", "DeleteThing")
    ]


def test_every_change_of_thing_types(iot, name, audited):
    iot.create_thing_type(thingTypeName=name)
    iot.update_thing_type(thingTypeName=name)
    iot.deprecate_thing_type(thingTypeName=name)
    with pytest.raises(ClientError):
        iot.delete_thing_type(thingTypeName=name)
    thing_type = arn(f"thingtype/{name}")
    assert audited() == [
        ("iot", "CreateThingType", thing_type, "Success"),
        ("iot", "UpdateThingType", thing_type, "Success"),
        ("iot", "DeprecateThingType", thing_type, "Success"),
        ("iot", "DeleteThingType", thing_type, "InvalidRequestException"),
    ]


def test_every_change_of_policies_and_attachments(iot, name, cert, audited):
    iot.create_policy(policyName=name, policyDocument=document())
    iot.create_policy_version(policyName=name, policyDocument=document("b"))
    iot.set_default_policy_version(policyName=name, policyVersionId="2")
    iot.delete_policy_version(policyName=name, policyVersionId="1")
    iot.attach_policy(policyName=name, target=cert.arn)
    iot.detach_policy(policyName=name, target=cert.arn)
    iot.attach_principal_policy(policyName=name, principal=cert.arn)
    iot.detach_principal_policy(policyName=name, principal=cert.arn)
    iot.tag_resource(resourceArn=arn(f"policy/{name}"), tags=[{"Key": "a", "Value": "1"}])
    iot.untag_resource(resourceArn=arn(f"policy/{name}"), tagKeys=["a"])
    iot.delete_policy(policyName=name)
    operations = [
        "CreatePolicy",
        "CreatePolicyVersion",
        "SetDefaultPolicyVersion",
        "DeletePolicyVersion",
        "AttachPolicy",
        "DetachPolicy",
        "AttachPrincipalPolicy",
        "DetachPrincipalPolicy",
        "TagResource",
        "UntagResource",
        "DeletePolicy",
    ]
    expected = [("iot", operation, arn(f"policy/{name}"), "Success") for operation in operations]
    assert audited() == expected


def test_every_change_of_certificates(iot, name, audited):
    iot.create_thing(thingName=name)
    made = iot.create_keys_and_certificate()
    id, target = made["certificateId"], made["certificateArn"]
    iot.create_certificate_from_csr(certificateSigningRequest=csr())
    iot.update_certificate(certificateId=id, newStatus="INACTIVE")
    iot.attach_thing_principal(thingName=name, principal=target)
    iot.detach_thing_principal(thingName=name, principal=target)
    iot.delete_certificate(certificateId=id)
    assert audited() == [
        ("iot", "CreateThing", arn(f"thing/{name}"), "Success"),
        ("iot", "CreateKeysAndCertificate", "*", "Success"),
        ("iot", "CreateCertificateFromCsr", "*", "Success"),
        ("iot", "UpdateCertificate", target, "Success"),
        ("iot", "AttachThingPrincipal", arn(f"thing/{name}"), "Success"),
        ("iot", "DetachThingPrincipal", arn(f"thing/{name}"), "Success"),
        ("iot", "DeleteCertificate", target, "Success"),
    ]


def test_every_change_of_provisioning_templates(iot, name, audited):
    iot.create_provisioning_template(templateName=name, templateBody=TEMPLATE, provisioningRoleArn=ROLE)
    iot.create_provisioning_template_version(templateName=name, templateBody=TEMPLATE)
    iot.update_provisioning_template(templateName=name, enabled=True)
    iot.delete_provisioning_template_version(templateName=name, versionId=2)
    iot.delete_provisioning_template(templateName=name)
    iot.register_thing(templateBody=TEMPLATE, parameters={"Name": name})
    resource = arn(f"provisioningtemplate/{name}")
    assert audited() == [
        ("iot", "CreateProvisioningTemplate", resource, "Success"),
        ("iot", "CreateProvisioningTemplateVersion", resource, "Success"),
        ("iot", "UpdateProvisioningTemplate", resource, "Success"),
        ("iot", "DeleteProvisioningTemplateVersion", resource, "Success"),
        ("iot", "DeleteProvisioningTemplate", resource, "Success"),
        ("iot", "RegisterThing", "*", "Success"),
    ]


def test_turning_the_clock(turned, audited):
    turned.set_clock(advanceSeconds=1)
    assert audited()[-1] == ("sekisho", "SetClock", "*", "Success")


def test_failures_are_there_with_their_error(iot, node, name, cert, audited):
    unchecked = node.client("iot", config=UNCHECKED)
    thing = arn(f"thing/{name}")
    attempts = [
        (lambda: iot.update_thing(thingName=name), "UpdateThing", thing, "ResourceNotFoundException"),
        (
            lambda: iot.create_thing(thingName=name, thingTypeName="none"),
            "CreateThing",
            thing,
            "ResourceNotFoundException",
        ),
        (
            lambda: iot.create_policy(policyName=name, policyDocument="{"),
            "CreatePolicy",
            arn(f"policy/{name}"),
            "MalformedPolicyException",
        ),
        (
            lambda: iot.delete_certificate(certificateId=cert.id),
            "DeleteCertificate",
            cert.arn,
            "CertificateStateException",
        ),
        (
            lambda: unchecked.create_thing(thingName="a b"),
            "CreateThing",
            arn("thing/a b"),
            "InvalidRequestException",
        ),
    ]
    for attempt, *_ in attempts:
        with pytest.raises(ClientError):
            attempt()
    assert audited() == [("iot", *expected) for _, *expected in attempts]


@pytest.mark.parametrize("target", ["with\x00nul", "x" * 100_000])
def test_a_failure_is_there_whatever_was_named(iot, audited, target):
    with pytest.raises(ClientError):
        iot.tag_resource(resourceArn=target, tags=[{"Key": "a", "Value": "1"}])
    (service, operation, resource, outcome), *more = audited()
    assert (service, operation, outcome) == ("iot", "TagResource", "InvalidRequestException")
    assert resource == target.replace("\x00", "\ufffd")[:2048]
    assert not more


def test_reads_leave_nothing(iot, sts, own, node, name, audited):
    cert = certificate(iot)
    iot.create_thing(thingName=name)
    iot.create_thing_type(thingTypeName=name)
    iot.create_policy(policyName=name, policyDocument=document())
    iot.create_provisioning_template(templateName=name, templateBody=TEMPLATE, provisioningRoleArn=ROLE)
    before = audited()
    reads = [
        lambda: iot.describe_thing(thingName=name),
        iot.list_things,
        lambda: iot.list_thing_principals(thingName=name),
        lambda: iot.list_thing_principals_v2(thingName=name),
        lambda: iot.list_principal_things(principal=cert.arn),
        lambda: iot.list_principal_things_v2(principal=cert.arn),
        lambda: iot.describe_thing_type(thingTypeName=name),
        iot.list_thing_types,
        lambda: iot.get_policy(policyName=name),
        lambda: iot.get_policy_version(policyName=name, policyVersionId="1"),
        lambda: iot.list_policy_versions(policyName=name),
        iot.list_policies,
        lambda: iot.list_attached_policies(target=cert.arn),
        lambda: iot.list_targets_for_policy(policyName=name),
        lambda: iot.list_principal_policies(principal=cert.arn),
        lambda: iot.list_policy_principals(policyName=name),
        lambda: iot.describe_certificate(certificateId=cert.id),
        iot.list_certificates,
        iot.describe_endpoint,
        lambda: iot.describe_provisioning_template(templateName=name),
        lambda: iot.describe_provisioning_template_version(templateName=name, versionId=1),
        iot.list_provisioning_templates,
        lambda: iot.list_provisioning_template_versions(templateName=name),
        lambda: iot.list_tags_for_resource(resourceArn=arn(f"policy/{name}")),
        sts.get_caller_identity,
        own.describe_node,
        own.describe_clock,
        own.list_refusals,
    ]
    for read in reads:
        read()
    with pytest.raises(ClientError):
        iot.describe_thing(thingName=f"{name}-not")
    assert audited() == before


def test_publishing_is_not_in_it(data, audited):
    data.publish(topic="a", payload=b"x")
    assert audited() == []


def test_the_request_id_is_the_answers(iot, name, sql):
    answer = iot.create_thing(thingName=name)
    request_id = answer["ResponseMetadata"]["RequestId"]
    found = sql(f"SELECT operation, resource FROM audit WHERE request_id = '{request_id}'")
    assert found == [("CreateThing", arn(f"thing/{name}"))]


def test_when_is_civil_time(iot, name, turned, sql):
    now = turned.set_clock(advanceSeconds=86400)["now"].timestamp()
    request_id = iot.create_thing(thingName=name)["ResponseMetadata"]["RequestId"]
    (at, detail), *_ = sql(f"SELECT at, detail FROM audit WHERE request_id = '{request_id}'")
    assert abs(float(at) - now) < 1
    assert json.loads(detail) == {"clientId": "", "certificateId": ""}
