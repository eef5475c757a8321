"""Documents from nowhere: whatever comes in, only the named errors come out."""

import base64
import json
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sekisho.logic import certificates
from sekisho.logic.policy import MalformedPolicy, NamedPolicy, PolicySet, parse_policy
from sekisho.logic.templates import TemplateError, expand, parse_template
from sekisho.logic.variables import certificate_attributes, connection_variables, subject_parameters

COUNT = 20_000
NOW = 1_760_000_000.0

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Id": "x",
        "Statement": [
            {
                "Sid": "a",
                "Effect": "Allow",
                "Action": ["iot:Connect", "iot:Pub*"],
                "Resource": [
                    "arn:aws:iot:r:1:client/${iot:ClientId, 'd'}",
                    "arn:aws:iot:r:1:topic/*/?/${x.1}",
                ],
                "Condition": {
                    "ForAllValues:StringLike": {"iot:ConnectAttributes": ["a*", "${iot:ClientId}"]},
                    "IpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"},
                    "DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"},
                    "NumericLessThan": {"n": 10},
                    "Bool": {"iot:Connection.Thing.IsAttached": True},
                    "ArnLike": {"a": "arn:aws:iot:*:*:thing/?"},
                    "Null": {"z": "true"},
                },
            },
            {"Effect": "Deny", "NotAction": "iot:*", "NotResource": "*"},
        ],
    }
)
TEMPLATE = json.dumps(
    {
        "Parameters": {"A": {"Type": "String", "Default": "x,y"}, "B": {"Type": "String"}},
        "Mappings": {"M": {"a": {"b": "c"}}},
        "Resources": {
            "t": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": {"Fn::Join": ["-", ["a", {"Ref": "B"}]]},
                    "AttributePayload": {"k": {"Fn::FindInMap": ["M", "a", "b"]}},
                    "ThingGroups": {"Fn::Split": [",", {"Ref": "A"}]},
                    "ThingTypeName": {"Fn::Select": [1, ["a", "b"]]},
                },
                "OverrideSettings": {"THING_GROUPS": "FAIL"},
            },
            "c": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"},
            },
            "p": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"a": {"Fn::Sub": "${A}"}}}},
        },
        "DeviceConfiguration": {"u": {"Fn::Sub": ["${v}${!x}", {"v": {"Ref": "A"}}]}},
    }
)
PIECES = [
    '"',
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "${",
    "*",
    "?",
    "null",
    "1e9",
    "-1",
    "\\ud800",
    "\\u0000",
    "é",
    "Ref",
    "Fn::",
]


def mutated(text, rng):
    """A document with a few cuts, copies, swaps of keys and foreign pieces."""
    for _ in range(rng.randint(1, 4)):
        at, to = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
        to = min(to, at + rng.choice([1, 3, 40]))
        match rng.randrange(4):
            case 0:
                text = text[:at] + text[to:]
            case 1:
                text = text[:at] + rng.choice(PIECES) + text[at:]
            case 2:
                text = text[:at] + text[at:to] * 2 + text[to:]
            case _:
                words = [word for word in text.split('"')[1::2] if word]
                if words:
                    text = text.replace(
                        f'"{rng.choice(words)}"', rng.choice(['""', "1", "{}", "[]", "null", '"x"'])
                    )
    return text


def reshaped(value, rng):
    """A document that is still JSON, one value in it replaced."""
    if rng.random() < 0.1:
        return rng.choice(
            [None, True, 0, -1.5, "", "x", "${", "*", [], {}, {"Ref": "B"}, {"Fn::Sub": []}, ["a", 1]]
        )
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        return value | {rng.choice([key, key, key, "Ref", key.lower()]): reshaped(value[key], rng)}
    if isinstance(value, list) and value:
        index = rng.randrange(len(value))
        return [*value[:index], reshaped(value[index], rng), *value[index + 1 :]]
    return rng.choice([value, None, "x", 7, [value], {"a": value}])


def document(text, rng):
    return mutated(text, rng) if rng.random() < 0.5 else json.dumps(reshaped(json.loads(text), rng))


def test_policies():
    rng = random.Random(1)
    parsed = 0
    for _ in range(COUNT):
        try:
            policy = parse_policy(document(POLICY, rng), max_chars=None)
        except MalformedPolicy as error:
            assert str(error)
            continue
        parsed += 1
        bound = PolicySet([NamedPolicy("p", "1", policy)]).bind({"iot:ClientId": "c", "x": ["a", "b"]})
        context = {"aws:SourceIp": "10.0.0.1", "iot:ConnectAttributes": ["a"], "n": "x", "a": "arn:::"}
        resource = rng.choice(["arn:aws:iot:r:1:client/c", "arn:aws:iot:r:1:topic/a/b/b", ""])
        decision = bound.decide("iot:Connect", resource, context)
        assert bound.explain("iot:Connect", resource, context).outcome == decision.outcome
    assert COUNT / 20 < parsed < COUNT


def test_templates():
    rng = random.Random(2)
    expanded = 0
    for _ in range(COUNT):
        try:
            template = parse_template(
                document(TEMPLATE, rng), rng.choice(["FLEET_PROVISIONING"] * 3 + ["JITP"])
            )
            expand(template, {"B": "b"}, {"AWS::IoT::Certificate::Id": "ab"})
        except TemplateError as error:
            assert str(error)
            assert str(error).isprintable()
            continue
        expanded += 1
    assert COUNT / 100 < expanded < COUNT


def key_and_names():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "d"),
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "US"),
        ]
    )
    others = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DirectoryName(name)])
    return key, name, others


def damaged(der, label, rng):
    """PEM of damaged DER, or damaged PEM."""
    raw = bytearray(der)
    for _ in range(rng.randint(0, 3)):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    if rng.random() < 0.1:
        raw = raw[: rng.randrange(len(raw))]
    body = base64.encodebytes(bytes(raw)).decode()
    pem = f"-----BEGIN {label}-----\n{body}-----END {label}-----\n"
    return mutated(pem, rng) if rng.random() < 0.2 else pem


@pytest.mark.parametrize("seed", [3, 4])
def test_requests(seed):
    key, name, others = key_and_names()
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(others, critical=False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    rng = random.Random(seed)
    taken = 0
    for _ in range(COUNT // 2):
        try:
            certificates.parse_csr(damaged(der, "CERTIFICATE REQUEST", rng))
            taken += 1
        except certificates.BadCsr as error:
            assert str(error)
    assert 0 < taken < COUNT // 2


@pytest.mark.parametrize("seed", [5, 6])
def test_certificates(seed):
    key, name, others = key_and_names()
    ca, ca_key = certificates.make_ca("x", NOW)
    issued = certificates.issue_device_certificate(ca, ca_key, key.public_key(), name, NOW)
    builder = x509.CertificateBuilder(issuer_name=ca.subject, subject_name=name, public_key=key.public_key())
    builder = builder.serial_number(issued.serial_number).add_extension(others, critical=False)
    builder = builder.not_valid_before(issued.not_valid_before_utc).not_valid_after(
        issued.not_valid_after_utc
    )
    der = builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    rng = random.Random(seed)
    taken = 0
    for _ in range(COUNT // 2):
        try:
            cert = certificates.parse_certificate(damaged(der, "CERTIFICATE", rng))
        except certificates.BadCertificate as error:
            assert str(error)
            continue
        taken += 1
        found = certificate_attributes(cert)
        connection_variables(
            client_id="c",
            certificate_id=certificates.certificate_id(cert),
            certificate=found,
            thing=None,
            source_ip=None,
            domain_name=None,
        )
        subject_parameters(cert, "x")
        certificates.check_validity(cert, NOW)
    assert 0 < taken < COUNT // 2
