"""What a provisioning template comes to."""

import json

import pytest

from sekisho.logic.templates import (
    PlannedCertificate,
    PlannedPolicy,
    PlannedThing,
    TemplateError,
    expand,
    unnamed_policy_name,
)
from unit.logic.templating import ID, POLICY, certificate, parse, policy, thing

# AWS IoT Developer Guide, "Provisioning templates": the fleet template example, with its "ThingName ".
FLEET = {
    "Parameters": {
        "ThingName ": {"Type": "String"},
        "SerialNumber": {"Type": "String"},
        "DeviceLocation": {"Type": "String"},
    },
    "Mappings": {"LocationTable": {"Seattle": {"LocationUrl": "https://example.aws"}}},
    "Resources": {
        "thing": {
            "Type": "AWS::IoT::Thing",
            "Properties": {
                "AttributePayload": {"version": "v1", "serialNumber": "serialNumber"},
                "ThingName": {"Ref": "ThingName"},
                "ThingTypeName": {"Fn::Join": ["", ["ThingPrefix_", {"Ref": "SerialNumber"}]]},
                "ThingGroups": ["v1-lightbulbs", "WA"],
                "BillingGroup": "LightBulbBillingGroup",
            },
            "OverrideSettings": {
                "AttributePayload": "MERGE",
                "ThingTypeName": "REPLACE",
                "ThingGroups": "DO_NOTHING",
            },
        },
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateId": {"Ref": ID}, "Status": "Active"},
        },
        "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": POLICY}},
    },
    "DeviceConfiguration": {
        "FallbackUrl": "https://www.example.com/test-site",
        "LocationUrl": {"Fn::FindInMap": ["LocationTable", {"Ref": "DeviceLocation"}, "LocationUrl"]},
    },
}


def test_the_guides_fleet_template():
    given = {"ThingName": "t1", "SerialNumber": "7", "DeviceLocation": "Seattle", "Unknown": "x"}
    plan = expand(parse(FLEET), given, {ID: "ab"})
    assert plan.thing == PlannedThing(
        logical="thing",
        name="t1",
        attributes={"version": "v1", "serialNumber": "serialNumber"},
        type_name="ThingPrefix_7",
        groups=("v1-lightbulbs", "WA"),
        billing_group="LightBulbBillingGroup",
        override_settings={
            "AttributePayload": "MERGE",
            "ThingTypeName": "REPLACE",
            "ThingGroups": "DO_NOTHING",
        },
        package_versions={},
    )
    assert plan.certificate == PlannedCertificate(
        "certificate", "ab", None, None, None, "ACTIVE", "NON_EXCLUSIVE_THING", {}
    )
    (policy,) = plan.policies
    assert (policy.logical, policy.name) == ("policy", None)
    assert json.loads(policy.document) == POLICY
    assert plan.device_configuration == {
        "FallbackUrl": "https://www.example.com/test-site",
        "LocationUrl": "https://example.aws",
    }


JITP = {
    "Parameters": {
        "AWS::IoT::Certificate::CommonName": {"Type": "String"},
        "AWS::IoT::Certificate::OrganizationalUnit": {"Type": "String", "Default": "none"},
        ID: {"Type": "String"},
    },
    "Resources": {
        "thing": {
            "Type": "AWS::IoT::Thing",
            "Properties": {
                "ThingName": {"Ref": "AWS::IoT::Certificate::CommonName"},
                "ThingGroups": [{"Ref": "AWS::IoT::Certificate::OrganizationalUnit"}],
            },
            "OverrideSettings": {
                "ATTRIBUTE_PAYLOAD": "merge",
                "THING_TYPE_NAME": "FAIL",
                "THING_GROUPS": "REPLACE",
            },
        },
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {
                "CertificateId": {"Ref": ID},
                "Status": "INACTIVE",
                "ThingPrincipalType": "EXCLUSIVE_THING",
            },
            "OverrideSettings": {"Status": "REPLACE"},
        },
        "one": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "shared"}},
        "two": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": json.dumps(POLICY)}},
    },
}


def test_just_in_time():
    plan = expand(parse(JITP, "JITP"), {}, {ID: "ab", "AWS::IoT::Certificate::CommonName": "t"})
    assert plan.thing.name == "t"
    assert plan.thing.groups == ("none",)
    assert plan.thing.override_settings == {
        "AttributePayload": "MERGE",
        "ThingTypeName": "FAIL",
        "ThingGroups": "REPLACE",
    }
    assert plan.certificate.status == "INACTIVE"
    assert plan.certificate.principal_type == "EXCLUSIVE_THING"
    assert plan.certificate.override_settings == {"Status": "REPLACE"}
    assert plan.policies == (
        PlannedPolicy("one", "shared", None),
        PlannedPolicy("two", None, json.dumps(POLICY)),
    )


def test_a_subject_without_a_declared_value_fails():
    with pytest.raises(
        TemplateError, match=r"Parameters.AWS::IoT::Certificate::CommonName: no value is given"
    ):
        expand(parse(JITP, "JITP"), {}, {ID: "ab"})


def test_a_subject_without_an_undeclared_value_fails():
    document = {"Resources": {"t": thing(ThingName={"Ref": "AWS::IoT::Certificate::Country"})}}
    with pytest.raises(TemplateError, match=r'"AWS::IoT::Certificate::Country" has no value'):
        expand(parse(document, "JITP"), {}, {ID: "ab"})
    document = {"Resources": {"t": thing(ThingName={"Fn::Sub": "${AWS::IoT::Certificate::Country}"})}}
    with pytest.raises(TemplateError, match=r'"AWS::IoT::Certificate::Country" has no value'):
        expand(parse(document, "JITP"), {}, {ID: "ab"})


def test_a_device_cannot_replace_its_certificates_id():
    document = {
        "Parameters": {ID: {"Type": "String"}},
        "Resources": {"c": certificate(CertificateId={"Ref": ID})},
    }
    assert expand(parse(document), {ID: "foreign"}, {ID: "own"}).certificate.certificate_id == "own"
    del document["Parameters"]
    assert expand(parse(document), {ID: "foreign"}, {ID: "own"}).certificate.certificate_id == "own"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"CertificateSigningRequest": "c"}, (None, "c", None, None)),
        ({"CertificateId": "i"}, ("i", None, None, None)),
        ({"CertificateID": "i"}, ("i", None, None, None)),
        ({"CertificatePem": "p"}, (None, None, "p", None)),
        ({"CertificatePem": "p", "CACertificatePem": "a"}, (None, None, "p", "a")),
    ],
)
def test_certificates_of_register_thing(properties, expected):
    plan = expand(parse({"Resources": {"c": certificate(**properties)}}, "REGISTER_THING"), {}, {})
    found = plan.certificate
    assert (found.certificate_id, found.csr, found.pem, found.ca_pem) == expected
    assert plan.thing is None


def test_groups_from_a_split():
    document = {
        "Parameters": {"Groups": {"Type": "String", "Default": "a,b"}},
        "Resources": {"t": thing(ThingGroups={"Fn::Split": [",", {"Ref": "Groups"}]})},
    }
    assert expand(parse(document), {}, {}).thing.groups == ("a", "b")
    assert expand(parse(document), {"Groups": "c"}, {}).thing.groups == ("c",)


def test_package_versions():
    document = {"Resources": {"t": thing(PackageVersions={"app": "1.0"})}}
    assert expand(parse(document), {}, {}).thing.package_versions == {"app": "1.0"}


def test_functions_in_a_policy_document():
    document = {
        "Parameters": {"Topic": {"Type": "String"}},
        "Resources": {
            "p": policy(
                PolicyDocument={
                    "Version": "2012-10-17",
                    "Statement": [{"Resource": {"Fn::Sub": "x/${Topic}"}}],
                }
            ),
            "q": policy(PolicyDocument={"Fn::Sub": '{"Resource": "${!iot:ClientId}/${Topic}"}'}),
        },
    }
    one, two = expand(parse(document), {"Topic": "a"}, {}).policies
    assert one.document == '{"Version":"2012-10-17","Statement":[{"Resource":"x/a"}]}'
    assert two.document == '{"Resource": "${iot:ClientId}/a"}'
    with pytest.raises(TemplateError, match=r"^Resources.q.Properties.PolicyDocument: not JSON"):
        expand(parse(document), {"Topic": '"'}, {})


def test_unnamed_policies():
    # RFC 3174's test vector.
    assert unnamed_policy_name("abc") == "A9993E364706816ABA3E25717850C26C9CD0D89D"
