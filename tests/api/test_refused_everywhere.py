"""What operations have in common: a name that nothing has is missing, an input that is none is invalid."""

from __future__ import annotations

import re
import uuid

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from api.authorities import Authority
from api.making import ACCOUNT, REGION, UNCHECKED, UNKNOWN_ID, arn, document, template, thing_resource
from api.servers import server
from sekisho.cli.operations import real_operations
from sekisho.operations import load_services
from unreached import UNREACHED

MISSING = {
    "iot": "ResourceNotFoundException",
    "iot-data": "ResourceNotFoundException",
    "iam": "NoSuchEntity",
    "acm": "ResourceNotFoundException",
}
INVALID = {
    "iot": ("InvalidRequestException", "ValidationException"),
    "iot-data": ("InvalidRequestException",),
    "acm": ("ValidationException",),
}
NAME = "no-such"
SERVICES = load_services()
SERVED = server(Authority("refused"), "refused.example.com")


ASKING = (
    "CreateFleetMetric",
    "SearchIndex",
    "GetStatistics",
    "GetPercentiles",
    "GetCardinality",
    "GetBucketsAggregation",
)


def valid(account):
    """Member → a value that is right, and names nothing that there is."""
    certificate = arn(f"cert/{UNKNOWN_ID}", account)
    iam = f"arn:aws:iam::{account}"
    return {
        "certificateId": UNKNOWN_ID,
        "sbom": {"s3Location": {"bucket": NAME, "key": NAME}},
        "target": certificate,
        "principal": certificate,
        "policyDocument": document(),
        "templateBody": template({"thing": thing_resource()}, "Name"),
        "policyVersionId": "1",
        "versionId": 1,
        "taskId": str(uuid.uuid4()),
        "queryString": "*",
        "aggregationField": "attributes.a",
        "aggregationType": {"name": "Statistics", "values": ["count"]},
        "period": 60,
        "bucketsAggregationType": {"termsAggregation": {"maxBuckets": 1}},
        "resourceArn": arn(f"policy/{NAME}", account),
        "tags": [{"Key": "a", "Value": "b"}],
        "authInfos": [{"actionType": "CONNECT", "resources": [arn("client/a", account)]}],
        "targetAwsAccount": "111122223333",
        "tagKeys": ["a"],
        "billingGroupProperties": {},
        "thingGroupProperties": {},
        "newStatus": "INACTIVE",
        "PolicyArn": f"{iam}:policy/{NAME}",
        "PolicyDocument": '{"Version": "2012-10-17", "Statement": []}',
        "AccessKeyId": "AKIA" + "A" * 16,
        "VersionId": "v1",
        "Tags": [{"Key": "a", "Value": "b"}],
        "TagKeys": ["a"],
        "Status": "Inactive",
        "CertificateArn": f"arn:aws:acm:us-east-1:{account}:certificate/{uuid.uuid4()}",
    }


MORE = {
    "AddThingToBillingGroup": {"thingName": NAME, "billingGroupName": NAME},
    "AddThingToThingGroup": {"thingName": NAME, "thingGroupName": NAME},
    "RemoveThingFromBillingGroup": {"thingName": NAME, "billingGroupName": NAME},
    "RemoveThingFromThingGroup": {"thingName": NAME, "thingGroupName": NAME},
    "UpdateThingGroupsForThing": {"thingName": NAME, "thingGroupsToAdd": [NAME]},
    "CreateThing": {"thingTypeName": NAME},
    "RegisterCACertificate": {
        "caCertificate": Authority("refused").pem,
        "certificateMode": "SNI_ONLY",
        "registrationConfig": {"templateName": NAME},
    },
    "GetEffectivePolicies": {"principal": None},
    "TestAuthorization": {"principal": None},
    "ListThingGroups": {"parentGroup": NAME},
    "CreateAccessKey": {"UserName": NAME},
    "DeleteAccessKey": {"UserName": NAME},
    "UpdateAccessKey": {"UserName": NAME},
    "GetUser": {"UserName": NAME},
    "GetLoginProfile": {"UserName": NAME},
    "DeleteLoginProfile": {"UserName": NAME},
    "ListAccessKeys": {"UserName": NAME},
    "ListMFADevices": {"UserName": NAME},
    "ListServiceSpecificCredentials": {"UserName": NAME},
    "ListSigningCertificates": {"UserName": NAME},
    "ListSSHPublicKeys": {"UserName": NAME},
    **{key: {"indexName": "AWS_ThingGroups"} for key in ASKING},
    "ImportCertificate": {"Certificate": SERVED.pem.encode(), "PrivateKey": SERVED.key_pem}
    | {"CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/{uuid.uuid4()}"},
}
"""Operation → what it is given besides the members that it requires."""

OF_A_PLACE = {"CreateDynamicThingGroup"}
"""What is missing is no name but fleet indexing; `test_dynamic_groups.py`."""


def operations(codes):
    """Service, operation and code, where the model has one of the codes for an operation that is real."""
    return [
        (service, operation, code)
        for service, wanted in codes.items()
        for operation in real_operations()[service]
        for code in modelled(service, operation)
        if code in wanted and (operation, code) not in UNREACHED
    ]


def modelled(service, operation):
    model = SERVICES[service].operations[operation].model
    return [shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes]


@pytest.fixture(scope="module")
def place_of_its_own(node):
    """An account in which nothing is, and its clients."""
    account = re.search(r"\d{12}", node.command("account", "create"))[0]
    clients = {one: node.client(one, account=account, config=UNCHECKED) for one in MISSING}
    connectivity = {"thingIndexingMode": "REGISTRY", "thingConnectivityIndexingMode": "STATUS"}
    clients["iot"].update_indexing_configuration(thingIndexingConfiguration=connectivity)
    return account, clients


def filled(service, operation, account):
    shape = SERVICES[service].operations[operation].model.input_shape
    values, members = valid(account), {}
    for member in shape.required_members if shape else ():
        many = shape.members[member].type_name == "list"
        members[member] = values.get(member, [NAME] if many else NAME)
    more = MORE.get(operation, {})
    return members | {member: value or values[member] for member, value in more.items()}


def answer(client, operation, members):
    try:
        getattr(client, xform_name(operation))(**members)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    except AttributeError:  # botocore itself cannot write it
        return "", ""
    return "", ""


def by_name():
    return [one for one in operations({k: (v,) for k, v in MISSING.items()}) if one[1] not in OF_A_PLACE]


@pytest.mark.parametrize(("service", "operation", "code"), by_name())
def test_a_name_that_nothing_has(place_of_its_own, service, operation, code):
    account, clients = place_of_its_own
    told, words = answer(clients[service], operation, filled(service, operation, account))
    assert told == code, words


def wrong(shape, depth=0):
    """Values that a shape cannot have, or hardly; with the name of what is wrong, if that lies within."""
    kind = shape.type_name
    if kind == "string":
        yield from (("", "§" * 3000), ("", "\0"), ("", ""))
    elif kind in ("integer", "long"):
        yield from (("", -1), ("", 10**9))
    elif kind == "list":
        yield "", [NAME] * 300
    elif kind == "map":
        yield "", {"§" * 3000: {} if shape.value.type_name == "structure" else "§" * 3000}
    elif kind == "blob":
        yield "", b""
    elif kind == "boolean":
        yield "", "x"
    if kind == "map" and depth < 3:
        yield from ((named, {"a": value}) for named, value in wrong(shape.value, depth + 1))
    if kind == "list" and depth < 3:
        yield from ((named, [value]) for named, value in wrong(shape.member, depth + 1))
    if kind == "structure" and depth < 3:
        for member, within in shape.members.items():
            yield from ((named or member, {member: value}) for named, value in wrong(within, depth + 1))


def by_a_member():
    """CreateKeysAndCertificate has a boolean alone, and what is none is a SerializationException."""
    return [one for one in operations(INVALID) if one[1] != "CreateKeysAndCertificate"]


@pytest.mark.parametrize(("service", "operation", "code"), by_a_member())
def test_an_input_that_is_none(place_of_its_own, service, operation, code):
    """Some member can be wrong, and is named."""
    account, clients = place_of_its_own
    shape = SERVICES[service].operations[operation].model.input_shape
    members = filled(service, operation, account)
    for member, kind in shape.members.items():
        for named, value in wrong(kind):
            told, words = answer(clients[service], operation, members | {member: value})
            if told == code and {member.lower(), named.lower()} & set(re.findall(r"\w+", words.lower())):
                return
    raise AssertionError("no member was refused by its name")
