import json

import pytest

from sekisho.logic.templates import (
    PlannedCertificate,
    PlannedPolicy,
    PlannedThing,
    TemplateError,
    expand,
    parse_template,
    unnamed_policy_name,
)

ID = "AWS::IoT::Certificate::Id"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["iot:Publish"], "Resource": ["*"]}],
}

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


def parse(document, kind="FLEET_PROVISIONING"):
    return parse_template(json.dumps(document), kind)


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


def thing(**properties):
    return {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "t"} | properties}


def certificate(**properties):
    return {"Type": "AWS::IoT::Certificate", "Properties": properties}


def policy(**properties):
    return {"Type": "AWS::IoT::Policy", "Properties": properties}


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


def test_missing_and_wrong_parameters():
    template = parse({"Parameters": {"A": {"Type": "String"}}, "Resources": {}})
    with pytest.raises(TemplateError, match=r"^Parameters.A: no value is given and it has no Default$"):
        expand(template, {"B": "x"}, {})
    with pytest.raises(TemplateError, match=r"^Parameters.A: the value must be a string, not a number$"):
        expand(template, {"A": 1}, {})


@pytest.mark.parametrize(
    ("document", "kind", "words"),
    [
        ({}, None, "the template has no Resources"),
        ({"Resources": {}, "Outputs": {}}, None, 'the template: unknown section "Outputs"'),
        (
            {"Resources": {}, "Conditions": {}},
            None,
            "known are Parameters, Mappings, Resources, DeviceConfiguration",
        ),
        ({"Resources": []}, None, "Resources: must be an object, not a list"),
        ({"Resources": {"x": []}}, None, "Resources.x: must be an object"),
        ({"Resources": {"x": {}}}, None, "Resources.x.Type: unknown resource type none"),
        ({"Resources": {"x": {"Type": "AWS::IoT::Rule"}}}, None, 'unknown resource type "AWS::IoT::Rule"'),
        ({"Resources": {"x": thing() | {"DependsOn": "y"}}}, None, 'Resources.x: unknown key "DependsOn"'),
        (
            {"Resources": {"x": thing(Name="y")}},
            None,
            'Resources.x.Properties.Name: "Name" is no property of AWS::IoT::T',
        ),
        (
            {"Resources": {"x": thing(ThingName=1)}},
            None,
            "Resources.x.Properties.ThingName: must be a string or",
        ),
        (
            {"Resources": {"x": {"Type": "AWS::IoT::Thing", "Properties": {}}}},
            None,
            "a thing needs a ThingName",
        ),
        (
            {"Resources": {"x": thing(AttributePayload={"a": {"b": "c"}})}},
            None,
            "AttributePayload.a: must be a string",
        ),
        ({"Resources": {"x": thing(AttributePayload=[])}}, None, "AttributePayload: must be an object"),
        ({"Resources": {"x": thing(AttributePayload={"Ref": ID})}}, None, "plain names, not a function"),
        ({"Resources": {"x": thing(ThingGroups="g")}}, None, "ThingGroups: must be a list of strings"),
        ({"Resources": {"x": thing(ThingGroups=[1])}}, None, "ThingGroups[0]: must be a string"),
        (
            {"Resources": {"x": thing(), "y": thing()}},
            None,
            'at most one AWS::IoT::Thing is possible, here are "x", "y"',
        ),
        (
            {"Resources": {"x": certificate(CertificateId="a"), "y": certificate(CertificateId="b")}},
            None,
            "at most one AWS::IoT::Certificate",
        ),
        (
            {"Resources": {"x": certificate()}},
            None,
            "exactly one of CertificateSigningRequest, CertificateId, Certi",
        ),
        (
            {"Resources": {"x": certificate(CertificateId="a", CertificatePem="b")}},
            "REGISTER_THING",
            "here is CertificateId, CertificatePem",
        ),
        (
            {"Resources": {"x": certificate(CertificateId="a", CertificateID="b")}},
            None,
            '"CertificateID" is there twice',
        ),
        (
            {"Resources": {"x": certificate(CertificateId="a", CACertificatePem="b")}},
            "REGISTER_THING",
            "CACertificatePem: goes only with CertificatePem",
        ),
        (
            {"Resources": {"x": certificate(CertificateSigningRequest="a")}},
            None,
            "FLEET_PROVISIONING templates take only CertificateId",
        ),
        (
            {"Resources": {"x": certificate(CertificatePem="a")}},
            "JITP",
            "JITP templates take only CertificateId",
        ),
        (
            {"Resources": {"x": certificate(CertificateId="a", Status="REVOKED")}},
            None,
            'Properties.Status: "REVOKED" is none of ACTIVE, INACTIVE',
        ),
        (
            {"Resources": {"x": certificate(CertificateId="a", ThingPrincipalType="SHARED")}},
            None,
            '"SHARED" is none of EXCLUSIVE_THING, NON_EXCLUSIVE_THING',
        ),
        ({"Resources": {"x": policy()}}, None, "needs PolicyName or PolicyDocument, here is none"),
        ({"Resources": {"x": policy(PolicyName="a", PolicyDocument="{}")}}, None, "PolicyDocument, not both"),
        ({"Resources": {"x": policy(PolicyDocument="{")}}, None, "Properties.PolicyDocument: not JSON"),
        ({"Resources": {"x": policy(PolicyDocument=[])}}, None, "must be a string or an object, not a list"),
        (
            {
                "Resources": {
                    "x": policy(PolicyDocument={"Statement": [{"Resource": {"Fn::Join": ["", []]}}]})
                }
            },
            None,
            "PolicyDocument.Statement[0].Resource.Fn::Join: Fn::Join is not supported in policies",
        ),
        (
            {"Resources": {"x": thing() | {"OverrideSettings": {"ThingName": "FAIL"}}}},
            None,
            '"ThingName" is no override setting of AWS::IoT::Thing; known are AttributePayload',
        ),
        (
            {"Resources": {"x": thing() | {"OverrideSettings": {"ThingTypeName": "MERGE"}}}},
            None,
            'OverrideSettings.ThingTypeName: "MERGE" is none of DO_NOTHING, REPLACE, FAIL',
        ),
        (
            {
                "Resources": {
                    "x": thing() | {"OverrideSettings": {"ThingGroups": "FAIL", "THING_GROUPS": "FAIL"}}
                }
            },
            None,
            "is there in two spellings",
        ),
        (
            {"Resources": {"x": policy(PolicyName="a") | {"OverrideSettings": {"Status": "FAIL"}}}},
            None,
            "policies have none",
        ),
        (
            {"Resources": {}, "Parameters": {"A": {"Type": "Number"}}},
            None,
            'Parameters.A.Type: must be "String"',
        ),
        ({"Resources": {}, "Parameters": {"A": "String"}}, None, "Parameters.A: must be an object"),
        (
            {"Resources": {}, "Parameters": {"A": {"Type": "String", "Default": 1}}},
            None,
            "Parameters.A.Default",
        ),
        (
            {"Resources": {}, "Parameters": {"A": {"Type": "String", "Description": "x"}}},
            None,
            'Parameters.A: unknown key "Description"',
        ),
        (
            {"Resources": {}, "Parameters": {"A": {"Type": "String"}, "A ": {"Type": "String"}}},
            None,
            "declared twice",
        ),
        (
            {"Resources": {}, "Parameters": {"A": {"Type": "String"}}},
            "JITP",
            "just-in-time provisioning has no such",
        ),
        ({"Resources": {}, "Mappings": {"M": {"a": {"b": 1}}}}, None, "Mappings.M.a.b: must be a string"),
        ({"Resources": {}, "Mappings": {"M": {"a": "b"}}}, None, "Mappings.M.a: must be an object"),
        (
            {"Resources": {}, "Mappings": {"M": {"a": {"b": {"Ref": "x"}}}}},
            None,
            "functions are not possible in",
        ),
        (
            {"Resources": {}, "Mappings": {"M": {"a": {"Ref": "x"}}}},
            None,
            "functions are not possible in Mappings",
        ),
        (
            {"Resources": {}, "DeviceConfiguration": {"a": {"b": "c"}}},
            None,
            "DeviceConfiguration.a: must be a string",
        ),
        ({"Resources": {}, "DeviceConfiguration": {}}, "JITP", "only fleet provisioning templates have one"),
        (
            {"Resources": {"x": thing(ThingName={"Ref": "AWS::IoT::Certificate::CommonName"})}},
            None,
            '"AWS::IoT::Certificate::CommonName" is no parameter of the template',
        ),
    ],
)
def test_what_is_wrong_is_named(document, kind, words):
    with pytest.raises(TemplateError) as caught:
        parse(document, kind or "FLEET_PROVISIONING")
    assert words in str(caught.value)


def test_size_and_json():
    with pytest.raises(TemplateError, match="10241 characters, more than 10240"):
        parse_template(" " * 10_241, "JITP")
    with pytest.raises(TemplateError, match=r"the template: not JSON: .* at line 1 column 2"):
        parse_template("{", "JITP")
