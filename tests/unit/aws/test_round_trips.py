"""Every operation of every service: what botocore's client writes is read, and what is written it reads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sekisho.aws import errors
from sekisho.aws.errors import AwsError
from sekisho.aws.service import Service
from sekisho.cli.operations import real_operations
from sekisho.operations import MODULES
from unit.aws.shapes import SERVICES, Values, epochs, read_by_client, sent, service, shapes_of_operations

ROUNDS = 12


def test_nothing_that_is_served_is_left_out() -> None:
    assert set(SERVICES) == set(MODULES)
    tried = set(shapes_of_operations())
    assert tried >= {(name, one) for name, real in real_operations().items() for one in real}


@pytest.mark.parametrize(("name", "operation_name"), shapes_of_operations())
def test_inputs_come_back(name: str, operation_name: str) -> None:
    operation = service(name).operations[operation_name]
    for round in range(ROUNDS):
        values = Values(f"{name} {operation_name} {round}", service(name).protocol)
        members = values.structure(operation.input_shape) if operation.input_shape is not None else {}
        request = sent(operation.model, members)
        found = service(name).match(request)
        assert found is not None, request
        assert found[0] is operation
        parsed = operation.parse(request, found[1])
        payload = operation.input_shape.serialization.get("payload") if operation.input_shape else None
        if payload and operation.input_shape.members[payload].type_name == "structure":
            # The client sends {} where it was given none.
            members.setdefault(payload, {})
        assert parsed == epochs(members)
        assert parsed.keys() <= operation.members
        operation.validate(parsed)


@pytest.mark.parametrize(("name", "operation_name"), shapes_of_operations())
def test_outputs_come_back(name: str, operation_name: str) -> None:
    operation = service(name).operations[operation_name]
    shape = operation.output_shape
    for round in range(ROUNDS):
        values = Values(f"{operation_name} {name} {round}")
        result = values.structure(shape, leave_out=0.2) if shape is not None else {}
        if operation_name == "DeleteCommand":
            result["statusCode"] = 202  # the one that stands in the status line
        extra = {"aMemberThatNoShapeNames": object()}
        response = operation.serialize(epochs(result) | extra, "request-1")
        parsed = read_by_client(service(name), response, shape)
        metadata = parsed.pop("ResponseMetadata")
        assert metadata["RequestId"] == "request-1"
        assert metadata["HTTPStatusCode"] == response.status
        payload = shape.serialization.get("payload") if shape is not None else None
        if payload:
            parsed[payload] = parsed[payload].read()
            result.setdefault(payload, b"")
        assert epochs(parsed) == epochs(result)


def error_shapes() -> list[tuple[str, str]]:
    """Those that have a class here: a botocore newer than this test may know more."""
    found = [(name, shape.name) for name in SERVICES for shape in service(name).model.error_shapes]
    return [(name, error) for name, error in found if hasattr(errors, error)]


def test_what_is_implemented_can_raise_every_error_of_its_model() -> None:
    for name, real in real_operations().items():
        if name in SERVICES:
            for operation in real:
                shapes = service(name).model.operation_model(operation).error_shapes
                assert not [shape.name for shape in shapes if not hasattr(errors, shape.name)], operation


@pytest.mark.parametrize(("name", "error_name"), error_shapes())
def test_errors_come_back(name: str, error_name: str) -> None:
    known = service(name)
    shape = known.model.shape_for(error_name)
    raised = getattr(errors, error_name)
    for round in range(ROUNDS):
        members = epochs(Values(f"{name} {error_name} {round}").structure(shape, leave_out=0.2))
        spelled = next((name for name in shape.members if name.lower() == "message"), "message")
        text = members.pop(spelled, "") or "what was wrong: <ü> \n & so on"
        response = known.serialize_error(raised(text, **members), "request-2")
        # Some models say no status: then it is whose fault it is.
        fault = 500 if error_name.startswith("Internal") else 400
        status = shape.metadata.get("error", {}).get("httpStatusCode", fault)
        assert response.status == status == known.error_status(error_name)
        parsed = read_by_client(known, response, None)
        assert parsed["Error"]["Code"] == shape.error_code
        assert parsed["Error"]["Message"] == text
        assert parsed["ResponseMetadata"]["RequestId"] == "request-2"
        if known.protocol != "query":
            expected = {spelled: text} | members
            assert {key: parsed[key] for key in shape.members if key in parsed} == expected


def all_errors() -> list[type[AwsError]]:
    return [
        found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, AwsError)
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_an_error_that_the_model_does_not_know_has_its_own_status(name: str) -> None:
    known = service(name)
    for raised in all_errors():
        response = known.serialize_error(raised("words"), "r")
        assert response.status == known.error_status(raised.code) or known.error_status(raised.code) is None
        assert 400 <= response.status < 600
        parsed = read_by_client(known, response, None)
        assert parsed["Error"]["Message"] == "words"
        if known.protocol != "query":
            assert parsed["Error"]["Code"] == raised.__name__


def test_statuses_are_the_services_own() -> None:
    assert service("iot").error_status("ThrottlingException") == 400
    assert service("iot-data").error_status("ThrottlingException") == 429
    assert service("iot").error_status("LimitExceededException") == 410
    assert service("iot-jobs-data").error_status("TerminalStateException") == 410
    assert service("iot").error_status("AccessDeniedException") is None
    assert service("sts").error_status("IDPRejectedClaim") == 403


@pytest.mark.parametrize(
    ("code", "wire"),
    [
        ("InvalidSignatureException", "SignatureDoesNotMatch"),
        ("UnrecognizedClientException", "InvalidClientTokenId"),
        ("AccessDeniedException", "AccessDenied"),
        ("ValidationError", "ValidationError"),
        ("IDPCommunicationErrorException", "IDPCommunicationError"),
    ],
)
def test_query_services_spell_codes_their_own_way(code: str, wire: str) -> None:
    response = service("sts").serialize_error(getattr(errors, code)("words"), "r")
    assert read_by_client(service("sts"), response, None)["Error"]["Code"] == wire


def test_json_protocol_round_trip() -> None:
    known = Service.load("dynamodb")
    operation = known.operations["PutItem"]
    members = {
        "TableName": "aTable",
        "Item": {
            "k": {"S": "ü"},
            "b": {"B": b"\x00\xff"},
            "l": {"L": [{"M": {"n": {"N": "1"}}}, {"BOOL": True}]},
        },
    }
    request = sent(operation.model, members)
    assert known.match(request) == (operation, {})
    assert operation.parse(request, {}) == members
    operation.validate(members)
    response = operation.serialize({"Attributes": members["Item"]}, "r")
    assert response.headers["Content-Type"] == "application/x-amz-json-1.0"
    assert read_by_client(known, response, operation.output_shape)["Attributes"] == members["Item"]
    failed = known.serialize_error(errors.ValidationException("no"), "r")
    assert read_by_client(known, failed, None)["Error"] == {"Code": "ValidationException", "Message": "no"}


def test_query_lists_and_maps_round_trip() -> None:
    known = Service.load("sns")
    assert known.protocol == "query"
    operation = known.operations["Publish"]
    members = {
        "TopicArn": "arn:aws:sns:eu-west-1:1:t",
        "Message": "a & b + ü",
        "MessageAttributes": {
            "one": {"DataType": "String", "StringValue": "1"},
            "two": {"DataType": "Binary", "BinaryValue": b"\x00"},
        },
    }
    request = sent(operation.model, members)
    assert known.match(request) == (operation, {})
    assert operation.parse(request, {}) == members
    tags = known.operations["TagResource"]
    members = {"ResourceArn": "arn:x", "Tags": [{"Key": str(n), "Value": "v"} for n in range(12)]}
    assert tags.parse(sent(tags.model, members), {}) == members
    empty = {"ResourceArn": "arn:x", "Tags": []}
    assert tags.parse(sent(tags.model, empty), {}) == empty
    listed = known.operations["GetTopicAttributes"]
    response = listed.serialize({"Attributes": {"a": "<1>", "b": ""}}, "r")
    parsed = read_by_client(known, response, listed.output_shape)
    assert parsed["Attributes"] == {"a": "<1>", "b": ""}


def test_query_timestamps_round_trip() -> None:
    operation = Service.load("elasticbeanstalk").operations["DescribeEnvironments"]
    moment = datetime(2026, 11, 1, 12, 30, 0, 250_000, UTC)
    members = {
        "EnvironmentNames": ["one env", "another"],
        "IncludeDeleted": False,
        "IncludedDeletedBackTo": moment,
    }
    assert operation.parse(sent(operation.model, members), {}) == epochs(members)


def test_flattened_query_lists_round_trip() -> None:
    known = Service.load("sdb")
    operation = known.operations["PutAttributes"]
    attributes = [{"Name": f"n{n}", "Value": "ü", "Replace": n % 2 == 0} for n in range(11)]
    members = {"DomainName": "aDomain", "ItemName": "anItem", "Attributes": attributes}
    assert operation.parse(sent(operation.model, members), {}) == members
    selected = known.operations["GetAttributes"]
    result = {"Attributes": [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]}
    parsed = read_by_client(known, selected.serialize(result, "r"), selected.output_shape)
    assert parsed["Attributes"] == result["Attributes"]
