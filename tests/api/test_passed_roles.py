"""Roles that are passed to the platform: who may pass one, and that provisioning stays within it."""

from __future__ import annotations

import json

import pytest

from api.authorities import Authority
from api.callers import denied, policy, trust, user
from api.making import ACCOUNT, ROLE, arn, csr, document, refused, template, thing_resource
from api.test_bulk import BUCKET, TEMPLATE, ended, lines, report
from api.test_bulk import s3 as s3
from api.test_registration_on_connect import template as first_connect_template

PLATFORM = {"Service": "iot.amazonaws.com"}
REGISTRATION = "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration"
THING = template({"thing": thing_resource()}, "Name")
CONFIG = {"templateBody": '{"Resources": {}}'}


def role(iam, name, *documents, principal=PLATFORM):
    """A role that the platform may assume; the answer is its ARN."""
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(principal))["Role"]
    for n, one in enumerate(documents):
        iam.put_role_policy(RoleName=name, PolicyName=f"p{n}", PolicyDocument=one)
    return made["Arn"]


# --- who may pass one ---


def start(iot, role_arn, name="nothing", **more):
    return iot.start_thing_registration_task(
        inputFileBucket=BUCKET, inputFileKey=name, roleArn=role_arn, **{"templateBody": TEMPLATE, **more}
    )["taskId"]


def template_with(iot, role_arn, name="passed"):
    iot.create_provisioning_template(templateName=name, templateBody=THING, provisioningRoleArn=role_arn)


def ca_with(iot, role_arn):
    config = CONFIG | {"roleArn": role_arn}
    Authority("passed").register(iot, mode="SNI_ONLY", registrationConfig=config)


def alias_with(iot, role_arn):
    iot.create_role_alias(roleAlias="passed", roleArn=role_arn)


WAYS = [start, template_with, ca_with, alias_with]


@pytest.mark.parametrize("way", WAYS)
def test_who_may_not_pass_a_role_does_not(node, iam, name, way):
    passed = role(iam, name)
    other = user(node, iam, f"{name}-u", policy("iot:*"), policy("iam:PassRole", resource=f"{passed}-x"))
    with denied("iam:PassRole", passed):
        way(other("iot"), passed)


@pytest.mark.parametrize("way", WAYS)
def test_a_role_is_passed_within_its_account(iot, way):
    with refused("InvalidRequestException", 400, "999999999999"):
        way(iot, "arn:aws:iam::999999999999:role/provisioning")
    with refused("InvalidRequestException", 400, "not the ARN of a role"):
        way(iot, f"arn:aws:iam::{ACCOUNT}:user/provisioning")


@pytest.mark.parametrize("way", [start, template_with, ca_with])
def test_only_the_root_names_a_role_that_does_not_exist(node, iam, name, way):
    who = user(node, iam, name, policy("iot:*", "iam:PassRole"))
    with refused("InvalidRequestException", 400, f"the role {ROLE}-none does not exist"):
        way(who("iot"), f"{ROLE}-none")


def test_to_whom_it_is_passed_is_a_condition(node, iam, name):
    passed = role(iam, name)
    condition = {"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}}
    who = user(node, iam, f"{name}-u", policy("iot:*"), policy("iam:PassRole", Condition=condition))
    template_with(who("iot"), passed, name)
    with denied("iam:PassRole", passed):
        alias_with(who("iot"), passed)


def test_updates_pass_it_too(node, iam, iot, name):
    mine = role(iam, name)
    authority = Authority(name)
    authority.register(iot, mode="SNI_ONLY")
    template_with(iot, mine, name)
    who = user(node, iam, f"{name}-u", policy("iot:*"))("iot")
    with denied("iam:PassRole", mine):
        who.update_ca_certificate(certificateId=authority.id, registrationConfig=CONFIG | {"roleArn": mine})
    with denied("iam:PassRole", mine):
        who.update_provisioning_template(templateName=name, provisioningRoleArn=mine)
    who.update_provisioning_template(templateName=name, description="needs no role")


# --- what is done in one ---


def run(iot, s3, name, role_arn, *given, text=TEMPLATE):
    s3.put_object(Bucket=BUCKET, Key=name, Body=lines(*given))
    task = start(iot, role_arn, name, templateBody=text)
    return ended(iot, task), task


def test_a_task_does_what_aws_lets_its_role_do(iam, iot, s3, name):
    passed = role(iam, name)
    iam.attach_role_policy(RoleName=name, PolicyArn=REGISTRATION)
    found, _ = run(iot, s3, name, passed, {"Name": name, "CSR": csr(name)})
    assert (found["status"], found["successCount"], found["failureCount"]) == ("Completed", 1, 0)


def test_a_task_does_not_do_what_its_role_may_not(iam, iot, s3, own, sql, name):
    things = arn(f"thing/{name}-a*")
    passed = role(iam, name, policy("iot:CreateThing", resource=things))
    found, task = run(iot, s3, name, passed, {"Name": f"{name}-a1"}, {"Name": f"{name}-b1"}, text=THING)
    assert (found["status"], found["successCount"], found["failureCount"]) == ("Completed", 1, 1)
    [error] = report(iot, task, "ERRORS")
    assert error["lineNumber"] == 2
    assert error["response"]["errorCode"] == "AccessDeniedException"
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{task}"
    for words in (who, "iot:CreateThing", f"thing/{name}-b1"):
        assert words in error["response"]["errorMessage"]
    iot.describe_thing(thingName=f"{name}-a1")
    with refused("ResourceNotFoundException", 404):
        iot.describe_thing(thingName=f"{name}-b1")
    entries = [one for one in own.list_refusals(maxResults=20)["refusals"] if one.get("principal") == who]
    assert entries[0]["resource"] == arn(f"thing/{name}-b1")


NEEDED = (
    "iot:CreateThing",
    "iot:CreateCertificateFromCsr",
    "iot:AttachThingPrincipal",
    "iot:CreatePolicy",
    "iot:AttachPolicy",
)


@pytest.mark.parametrize("missing", NEEDED)
def test_each_step_needs_its_right(iam, iot, s3, name, missing):
    passed = role(iam, name, policy(*(action for action in NEEDED if action != missing)))
    resources = json.loads(TEMPLATE)
    resources["Resources"]["policy"]["Properties"]["PolicyDocument"] = document(name)
    found, task = run(iot, s3, name, passed, {"Name": name, "CSR": csr(name)}, text=json.dumps(resources))
    assert (found["successCount"], found["failureCount"]) == (0, 1)
    assert missing in report(iot, task, "ERRORS")[0]["response"]["errorMessage"]
    with refused("ResourceNotFoundException", 404):
        iot.describe_thing(thingName=name)


def test_a_task_whose_role_does_not_trust_the_platform_fails(iam, iot, s3, name):
    passed = role(iam, name, policy("iot:*"), principal={"Service": "lambda.amazonaws.com"})
    found, _ = run(iot, s3, name, passed, {"Name": name}, text=THING)
    assert (found["status"], found["successCount"]) == ("Failed", 0)
    assert "does not trust iot.amazonaws.com" in found["message"]


def test_a_certificates_first_connect_is_in_the_role_of_its_template(iam, iot, own, name):
    passed = role(iam, name, policy("iot:*Thing"))
    authority = Authority(name)
    text = first_connect_template({"PolicyDocument": document(name)})
    authority.register(
        iot, allowAutoRegistration=True, registrationConfig={"templateBody": text, "roleArn": passed}
    )
    leaf = authority.sign(name)
    given = {"certificatePem": leaf.pem, "caCertificateId": authority.id}
    with refused("InvalidRequestException", 400, "assumed-role", "iot:UpdateCertificate"):
        own.register_certificate_on_connect(**given)
    iam.put_role_policy(RoleName=name, PolicyName="more", PolicyDocument=policy("iot:*"))
    assert own.register_certificate_on_connect(**given)["status"] == "ACTIVE"


def test_a_role_that_has_gone_does_nothing_any_more(iam, iot, own, name):
    """It does not make the node act for itself."""
    passed = role(iam, name)
    authority = Authority(name)
    text = first_connect_template({"PolicyDocument": document(name)})
    authority.register(
        iot, allowAutoRegistration=True, registrationConfig={"templateBody": text, "roleArn": passed}
    )
    iam.delete_role(RoleName=name)
    leaf = authority.sign(name)
    with refused("InvalidRequestException", 400, passed, "does not exist any more"):
        own.register_certificate_on_connect(certificatePem=leaf.pem, caCertificateId=authority.id)
    with refused("ResourceNotFoundException", 404):
        iot.describe_certificate(certificateId=leaf.id)
