"""RegisterThing: thing, certificate and policies from a template, as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.authorities import Authority, self_signed
from api.making import (
    UNKNOWN_ID,
    arn,
    certificate,
    csr,
    document,
    listed,
    not_implemented,
    refused,
    template,
    thing_resource,
)

CERTIFICATE = {
    "Type": "AWS::IoT::Certificate",
    "Properties": {"CertificateSigningRequest": {"Ref": "CSR"}, "Status": "ACTIVE"},
}
EXISTING = {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "Id"}}}


def policy_resource(text: str) -> dict:
    return {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": text}}


def certificates(iot) -> set[str]:
    return {one["certificateId"] for one in listed(iot, "list_certificates", "certificates")}


def test_thing_certificate_and_policy_in_one(iot, name):
    text = document(name)
    body = template(
        {
            "thing": thing_resource(AttributePayload={"serial": {"Ref": "Name"}}),
            "certificate": CERTIFICATE,
            "policy": policy_resource(text),
        },
        "Name",
        "CSR",
    )
    made = iot.register_thing(templateBody=body, parameters={"Name": name, "CSR": csr(name)})
    found = x509.load_pem_x509_certificate(made["certificatePem"].encode())
    id = hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest()
    policy = hashlib.sha1(text.encode()).hexdigest().upper()
    assert made["resourceArns"] == {
        "thing": arn(f"thing/{name}"),
        "certificate": arn(f"cert/{id}"),
        "policy": arn(f"policy/{policy}"),
    }
    assert iot.describe_thing(thingName=name)["attributes"] == {"serial": name}
    assert iot.describe_certificate(certificateId=id)["certificateDescription"]["status"] == "ACTIVE"
    assert iot.get_policy(policyName=policy)["policyDocument"] == text
    assert iot.list_thing_principals(thingName=name)["principals"] == [arn(f"cert/{id}")]
    attached = iot.list_attached_policies(target=arn(f"cert/{id}"))["policies"]
    assert [one["policyName"] for one in attached] == [policy]


def test_a_policy_by_its_name_and_one_as_an_object(iot, name):
    iot.create_policy(policyName=name, policyDocument=document())
    body = template(
        {
            "certificate": CERTIFICATE,
            "named": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": {"Ref": "Name"}}},
            "written": policy_resource(json.loads(document(name))),
        },
        "Name",
        "CSR",
    )
    made = iot.register_thing(templateBody=body, parameters={"Name": name, "CSR": csr(name)})
    target = made["resourceArns"]["certificate"]
    attached = {one["policyArn"] for one in iot.list_attached_policies(target=target)["policies"]}
    assert attached == {arn(f"policy/{name}"), made["resourceArns"]["written"]}


def test_an_existing_certificate_becomes_active_and_attached(iot, name):
    cert = certificate(iot, active=False)
    body = template({"thing": thing_resource(), "certificate": EXISTING}, "Name", "Id")
    made = iot.register_thing(templateBody=body, parameters={"Name": name, "Id": cert.id})
    assert made["resourceArns"]["certificate"] == cert.arn
    assert made["certificatePem"] == cert.pem
    found = iot.describe_certificate(certificateId=cert.id)["certificateDescription"]
    assert (found["status"], found["customerVersion"]) == ("ACTIVE", 2)
    assert iot.list_principal_things(principal=cert.arn)["things"] == [name]


def test_an_exclusive_attachment(iot, name, cert):
    exclusive = {
        "Type": "AWS::IoT::Certificate",
        "Properties": {"CertificateId": {"Ref": "Id"}, "ThingPrincipalType": "EXCLUSIVE_THING"},
    }
    body = template({"thing": thing_resource(), "certificate": exclusive}, "Name", "Id")
    iot.register_thing(templateBody=body, parameters={"Name": name, "Id": cert.id})
    found = iot.list_thing_principals_v2(thingName=name)["thingPrincipalObjects"]
    assert [one["thingPrincipalType"] for one in found] == ["EXCLUSIVE_THING"]


def test_again_with_the_same_input_changes_nothing(iot, name, cert):
    body = template({"thing": thing_resource(), "certificate": EXISTING}, "Name", "Id")
    for _ in range(2):
        iot.register_thing(templateBody=body, parameters={"Name": name, "Id": cert.id})
    assert iot.describe_thing(thingName=name)["version"] == 1
    assert iot.list_thing_principals(thingName=name)["principals"] == [cert.arn]


def test_functions_and_defaults(iot, name):
    body = json.dumps(
        {
            "Parameters": {
                "Name": {"Type": "String"},
                "Place": {"Type": "String", "Default": "north-3"},
            },
            "Mappings": {"Plants": {"north": {"city": "Oslo"}}},
            "Resources": {
                "thing": thing_resource(
                    AttributePayload={
                        "city": {
                            "Fn::FindInMap": [
                                "Plants",
                                {"Fn::Select": ["0", {"Fn::Split": ["-", {"Ref": "Place"}]}]},
                                "city",
                            ]
                        },
                        "label": {"Fn::Join": ["_", [{"Ref": "Name"}, "x"]]},
                        "path": {"Fn::Sub": ["at:${Name}:${n}", {"n": "1"}]},
                    }
                )
            },
        }
    )
    iot.register_thing(templateBody=body, parameters={"Name": name})
    assert iot.describe_thing(thingName=name)["attributes"] == {
        "city": "Oslo",
        "label": f"{name}_x",
        "path": f"at:{name}:1",
    }


@pytest.mark.parametrize(
    "settings, attributes",
    [
        ({"AttributePayload": "REPLACE"}, {"b": "2"}),
        ({"AttributePayload": "MERGE"}, {"a": "1", "b": "2"}),
        ({"AttributePayload": "DO_NOTHING"}, {"a": "1"}),
    ],
)
def test_override_settings(iot, name, settings, attributes):
    iot.create_thing(thingName=name, attributePayload={"attributes": {"a": "1"}})
    thing = thing_resource(AttributePayload={"b": "2"}) | {"OverrideSettings": settings}
    iot.register_thing(templateBody=template({"thing": thing}, "Name"), parameters={"Name": name})
    assert iot.describe_thing(thingName=name)["attributes"] == attributes


def test_a_thing_that_differs_is_a_conflict_and_nothing_is_made(iot, name):
    iot.create_thing(thingName=name, attributePayload={"attributes": {"a": "1"}})
    before = certificates(iot)
    body = template(
        {"thing": thing_resource(AttributePayload={"b": "2"}), "certificate": CERTIFICATE}, "Name", "CSR"
    )
    with refused("ConflictingResourceUpdateException", 409, name):
        iot.register_thing(templateBody=body, parameters={"Name": name, "CSR": csr()})
    assert certificates(iot) == before


def test_nothing_is_made_when_the_last_piece_fails(iot, name):
    before = certificates(iot)
    body = template(
        {
            "thing": thing_resource(),
            "certificate": CERTIFICATE,
            "written": policy_resource(document(name)),
            "named": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "no-such-policy"}},
        },
        "Name",
        "CSR",
    )
    with refused("ResourceRegistrationFailureException", 400, "no-such-policy"):
        iot.register_thing(templateBody=body, parameters={"Name": name, "CSR": csr()})
    with refused("ResourceNotFoundException", 404):
        iot.describe_thing(thingName=name)
    with refused("ResourceNotFoundException", 404):
        iot.get_policy(policyName=hashlib.sha1(document(name).encode()).hexdigest().upper())
    assert certificates(iot) == before


def test_an_unknown_certificate(iot, name):
    body = template({"thing": thing_resource(), "certificate": EXISTING}, "Name", "Id")
    with refused("ResourceRegistrationFailureException", 400, UNKNOWN_ID):
        iot.register_thing(templateBody=body, parameters={"Name": name, "Id": UNKNOWN_ID})
    with refused("ResourceNotFoundException", 404):
        iot.describe_thing(thingName=name)


@pytest.mark.parametrize("state", ["REVOKED", "PENDING_TRANSFER"])
def test_a_certificate_that_cannot_become_active(iot, other_accounts, name, cert, state):
    if state == "REVOKED":
        iot.update_certificate(certificateId=cert.id, newStatus=state)
    else:
        iot.update_certificate(certificateId=cert.id, newStatus="INACTIVE")
        iot.transfer_certificate(certificateId=cert.id, targetAwsAccount=next(iter(other_accounts)))
    body = template({"thing": thing_resource(), "certificate": EXISTING}, "Name", "Id")
    with refused("ResourceRegistrationFailureException", 400, cert.id):
        iot.register_thing(templateBody=body, parameters={"Name": name, "Id": cert.id})
    assert iot.describe_certificate(certificateId=cert.id)["certificateDescription"]["status"] == state
    with refused("ResourceNotFoundException", 404):
        iot.describe_thing(thingName=name)


def test_a_certificate_that_has_ten_policies(iot, name, cert):
    for number in range(10):
        iot.create_policy(policyName=f"{name}-{number}", policyDocument=document(name))
        iot.attach_policy(policyName=f"{name}-{number}", target=cert.arn)
    resources = {"thing": thing_resource(), "certificate": EXISTING, "policy": policy_resource(document("b"))}
    body = template(resources, "Name", "Id")
    with refused("ResourceRegistrationFailureException", 400, "10"):
        iot.register_thing(templateBody=body, parameters={"Name": name, "Id": cert.id})
    with refused("ResourceNotFoundException", 404):
        iot.describe_thing(thingName=name)


@pytest.mark.parametrize(
    "resource, parameters, words",
    [
        (thing_resource(), {}, ["Name", "no value"]),
        (thing_resource(), {"Name": "with/slash"}, ["with/slash", "thingName"]),
        (thing_resource(), {"Name": "x" * 129}, ["thingName", "128"]),
        (thing_resource(), {"Name": ""}, ["thingName"]),
        (thing_resource(ThingName="with space"), {"Name": "never-made"}, ["with space"]),
        (thing_resource(AttributePayload={"a": "with space"}), {"Name": "never-made"}, ["with space"]),
        (thing_resource(ThingName={"Fn::If": ["a", "b", "c"]}), {"Name": "never-made"}, ["Fn::If"]),
        (thing_resource(AttributePayload=dict.fromkeys("abcd", "1")), {"Name": "never-made"}, ["3", "4"]),
        (thing_resource(ThingTypeName="no-such-type"), {"Name": "never-made"}, ["no-such-type"]),
        (CERTIFICATE, {"CSR": "nonsense"}, ["CERTIFICATE REQUEST"]),
        (policy_resource('{"Statement": 1}'), {"Name": "never-made"}, ["statement 0"]),
    ],
)
def test_bad_values_are_named(iot, resource, parameters, words):
    names = ["CSR"] if "CSR" in parameters else ["Name"]
    with pytest.raises(iot.exceptions.ClientError) as caught:
        iot.register_thing(templateBody=template({"it": resource}, *names), parameters=parameters)
    response = caught.value.response
    assert response["Error"]["Code"] in {
        "InvalidRequestException",
        "ResourceRegistrationFailureException",
    }
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    for word in words:
        assert word in response["Error"]["Message"]
    with refused("ResourceNotFoundException", 404):
        iot.describe_thing(thingName="never-made")


def test_properties_that_are_not_built(iot, name):
    body = template({"thing": thing_resource(PackageVersions={"a": "1"})}, "Name")
    with not_implemented("PackageVersions"):
        iot.register_thing(templateBody=body, parameters={"Name": name})


def of_others(*more: str) -> str:
    properties = {name: {"Ref": name} for name in ("CertificatePem", *more)}
    foreign = {"Type": "AWS::IoT::Certificate", "Properties": properties}
    resources = {"thing": thing_resource(), "certificate": foreign}
    return template(resources, "Name", *properties)


@pytest.mark.parametrize("named", [False, True], ids=["found by its name", "named"])
def test_a_certificate_of_a_registered_ca(iot, name, named):
    ca = Authority(name)
    ca.register(iot)
    leaf = ca.sign(name)
    more = {"CACertificatePem": ca.pem} if named else {}
    parameters = {"Name": name, "CertificatePem": leaf.pem, **more}
    for _ in range(2):  # again with the same input changes nothing
        made = iot.register_thing(templateBody=of_others(*more), parameters=parameters)
        assert made["certificatePem"] == leaf.pem
        assert made["resourceArns"]["certificate"] == arn(f"cert/{leaf.id}")
    found = iot.describe_certificate(certificateId=leaf.id)["certificateDescription"]
    assert (found["status"], found["caCertificateId"], found["customerVersion"]) == ("ACTIVE", ca.id, 1)
    assert iot.list_thing_principals(thingName=name)["principals"] == [arn(f"cert/{leaf.id}")]


def test_a_certificate_of_nobody_known(iot, name):
    """No registered CA has its issuer's name: it is registered without one."""
    mine = self_signed(name)
    iot.register_thing(templateBody=of_others(), parameters={"Name": name, "CertificatePem": mine.pem})
    found = iot.describe_certificate(certificateId=mine.id)["certificateDescription"]
    assert (found["status"], found["certificateMode"]) == ("ACTIVE", "SNI_ONLY")
    assert "caCertificateId" not in found


def test_certificates_of_others_that_cannot_be_registered(iot, name):
    ca, impostor = Authority(name), Authority(name)
    ca.register(iot)
    cases = [
        ({"CertificatePem": "x"}, "not PEM"),
        ({"CertificatePem": impostor.sign(name).pem}, "not signed by"),
        ({"CertificatePem": ca.sign(name).pem, "CACertificatePem": impostor.pem}, "is not registered"),
        ({"CertificatePem": self_signed(name, ends=-timedelta(hours=1)).pem}, "expired at"),
    ]
    for parameters, words in cases:
        body = of_others(*(set(parameters) - {"CertificatePem"}))
        with refused("ResourceRegistrationFailureException", 400, "certificate: ", words):
            iot.register_thing(templateBody=body, parameters={"Name": name, **parameters})
    with refused("ResourceNotFoundException", 404):
        iot.describe_thing(thingName=name)
