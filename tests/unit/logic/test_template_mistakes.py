"""What is wrong with a template, or with what it is given, is named."""

import pytest

from sekisho.logic.templates import TemplateError, expand, parse_template
from unit.logic.templating import ID, certificate, parse, policy, thing


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
