"""What the models demand, and how a failure is told."""

from __future__ import annotations

from typing import Any

import pytest

from sekisho.aws import errors
from sekisho.aws.errors import AwsError
from sekisho.aws.service import Service
from unit.aws.shapes import SERVICES, service


def failure(name: str, operation: str, **members: Any) -> AwsError:
    with pytest.raises(AwsError) as raised:
        service(name).operations[operation].validate(members)
    return raised.value


KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"
BASE64 = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

ONE = "1 validation error detected: "
MUST = "failed to satisfy constraint: Member must "

TOLD = [
    ("DescribeThing", {}, f"Value null at 'thingName' {MUST}not be null"),
    ("DescribeThing", {"thingName": None}, f"Value null at 'thingName' {MUST}not be null"),
    (
        "DescribeThing",
        {"thingName": "a b"},
        f"Value 'a b' at 'thingName' {MUST}satisfy regular expression pattern: [a-zA-Z0-9:_-]+",
    ),
    (
        "DescribeThing",
        {"thingName": "x" * 129},
        f"Value '{'x' * 100}…' at 'thingName' {MUST}have length less than or equal to 128",
    ),
    (
        "ListThings",
        {"maxResults": 0},
        f"Value '0' at 'maxResults' {MUST}have value greater than or equal to 1",
    ),
    (
        "ListThings",
        {"maxResults": 251},
        f"Value '251' at 'maxResults' {MUST}have value less than or equal to 250",
    ),
    ("ListThings", {"maxResults": "5"}, f"Value '5' at 'maxResults' {MUST}be of type integer"),
    ("ListThings", {"maxResults": True}, f"Value 'true' at 'maxResults' {MUST}be of type integer"),
    ("DescribeThing", {"thingName": 5}, f"Value '5' at 'thingName' {MUST}be of type string"),
    (
        "CreateThing",
        {"thingName": "t", "attributePayload": []},
        f"Value '[]' at 'attributePayload' {MUST}be of type structure",
    ),
    (
        "CreateThing",
        {"thingName": "t", "attributePayload": {"attributes": {"k": None}}},
        f"Value null at 'attributePayload.attributes.k.member' {MUST}not be null",
    ),
    (
        "CreateThing",
        {"thingName": "t", "attributePayload": {"attributes": {"a!": "v"}}},
        f"Value 'a!' at 'attributePayload.attributes.key' {MUST}satisfy regular expression pattern: "
        "[a-zA-Z0-9_.,@/:#-]+",
    ),
    (
        "UpdateCertificate",
        {"certificateId": "0" * 64, "newStatus": "ON"},
        f"Value 'ON' at 'newStatus' {MUST}satisfy enum value set: "
        "[ACTIVE, INACTIVE, REVOKED, PENDING_TRANSFER, REGISTER_INACTIVE, PENDING_ACTIVATION]",
    ),
    (
        "TagResource",
        {"resourceArn": "a", "tags": [{"Key": "k"}, {"Value": "v"}]},
        f"Value null at 'tags.2.member.Key' {MUST}not be null",
    ),
    (
        "TagResource",
        {"resourceArn": "a", "tags": [None]},
        f"Value null at 'tags.1.member' {MUST}not be null",
    ),
]


@pytest.mark.parametrize(("operation", "members", "told"), TOLD)
def test_told_in_the_manner_of_aws(operation: str, members: dict[str, Any], told: str) -> None:
    error = failure("iot", operation, **members)
    assert error.message == ONE + told
    assert type(error) is errors.InvalidRequestException


def test_several_failures_are_told_together() -> None:
    error = failure("iot", "CreateThing", thingName="", thingTypeName="?")
    assert error.message.startswith("3 validation errors detected: Value '' at 'thingName' ")
    assert error.message.count("failed to satisfy constraint") == 3


def test_many_failures_are_counted_but_not_spelled_out() -> None:
    error = failure("iot", "TagResource", resourceArn="a", tags=[{}] * 50_000)
    assert error.message.startswith("50000 validation errors detected: ")
    assert len(error.message) < 2000


@pytest.mark.parametrize(
    ("name", "operation", "members"),
    [
        ("iot", "DescribeThing", {"thingName": KEY}),
        ("iot", "DescribeThing", {"thingName": "a b " + BASE64}),
        ("iot", "CreateThing", {"thingName": "t", "attributePayload": {"attributes": {KEY: "v", "k": KEY}}}),
        ("iot", "CreateThing", {"thingName": "t", "attributePayload": {"attributes": {BASE64: KEY}}}),
        ("iot", "TagResource", {"resourceArn": "a", "tags": KEY}),
        ("iot", "TagResource", {"resourceArn": "a", "tags": [KEY]}),
        ("iot", "UpdatePackageVersion", {"packageName": "p", "attributes": {"k": BASE64[:9] + "\0"}}),
        ("iotidentity", "RegisterThing", {"templateName": "t", "certificateOwnershipToken": 12345678901234}),
        ("iotidentity", "RegisterThing", {"templateName": "t", "certificateOwnershipToken": [BASE64[:9]]}),
        ("sts", "AssumeRoleWithWebIdentity", {"WebIdentityToken": BASE64[:9] + "x" * 30_000}),
    ],
)  # fmt: skip
def test_secrets_are_not_repeated(name: str, operation: str, members: dict[str, Any]) -> None:
    message = failure(name, operation, **members).message
    for secret in (KEY[:20], "PRIVATE", "MIIE", BASE64[:9], "12345678901234"):
        assert secret not in message


def test_a_list_with_secret_items_is_not_repeated() -> None:
    model = {
        "metadata": {"protocol": "rest-json", "endpointPrefix": "x"},
        "operations": {
            "Put": {"name": "Put", "http": {"method": "PUT", "requestUri": "/"}, "input": {"shape": "In"}}
        },
        "shapes": {
            "In": {"type": "structure", "members": {"codes": {"shape": "Codes"}}},
            "Codes": {"type": "list", "member": {"shape": "Code"}, "max": 1},
            "Code": {"type": "string", "sensitive": True},
        },
    }
    with pytest.raises(errors.ValidationException) as raised:
        Service("x", model).operations["Put"].validate({"codes": ["hush", "hush"]})
    assert raised.value.message == f"{ONE}Value at 'codes' {MUST}have length less than or equal to 1"


@pytest.mark.parametrize(
    ("name", "operation", "raised"),
    [
        ("iot", "DescribeThing", errors.InvalidRequestException),
        ("iot-data", "GetThingShadow", errors.InvalidRequestException),
        ("iot-jobs-data", "DescribeJobExecution", errors.InvalidRequestException),
        ("sekisho", "ExpireOwnershipToken", errors.InvalidRequestException),
        ("iotidentity", "RegisterThing", errors.InvalidParameters),
        ("sts", "AssumeRole", errors.ValidationError),
    ],
)
def test_every_service_has_its_own_error(name: str, operation: str, raised: type[AwsError]) -> None:
    assert type(failure(name, operation)) is raised


def test_the_json_protocol_has_its_own_error() -> None:
    with pytest.raises(errors.ValidationException):
        Service.load("dynamodb").operations["GetItem"].validate({})


@pytest.mark.parametrize("value", [float("nan"), -1, float("inf")])
def test_a_number_that_is_none_is_out_of_bounds(value: float) -> None:
    assert "'rate'" in failure("sekisho", "SetClock", rate=value).message


def test_documents_of_unbounded_depth_are_refused_by_name() -> None:
    known = Service.load("dynamodb").operations["PutItem"]
    value: Any = {"S": "x"}
    for _ in range(5000):
        value = {"L": [value]}
    with pytest.raises(errors.SerializationException, match="nested too deeply"):
        known.validate({"TableName": "aTable", "Item": {"k": value}})


def test_anything_but_members_is_refused_too() -> None:
    for name in SERVICES:
        for operation in service(name).operations.values():
            for junk in ("", 0, [], {}, b"", 1.5, object(), True):
                try:
                    operation.validate(dict.fromkeys(operation.members, junk))
                except AwsError as error:
                    assert "validation error" in error.message
