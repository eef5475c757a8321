"""boto3 itself, with the project's own models and with AWS's, against services that answer in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from sekisho.aws import errors
from sekisho.aws.catalog import Catalog
from sekisho.aws.errors import AwsError
from sekisho.aws.loading import MODELS
from sekisho.aws.sigv4 import credential_of, verify
from unit.aws.shapes import ENDPOINT, SERVICES, received, service

SECRET = "aSecret"
CATALOG = Catalog(service(name) for name in SERVICES)

Function = Callable[..., Mapping[str, Any]]


class Raw(BytesIO):
    """What botocore reads a response from."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


def client(name: str, functions: Mapping[str, Function]) -> Any:
    """boto3's client of a service, with a function for each operation in place of the network."""
    session = botocore.session.Session()
    session.get_component("data_loader").search_paths.insert(0, str(MODELS))
    made = boto3.Session("anAccessKey", SECRET, region_name="eu-west-1", botocore_session=session).client(
        name, endpoint_url=ENDPOINT
    )

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        wire = received(request)
        credential = credential_of(wire)
        verify(wire, credential, SECRET, credential.timestamp)
        known, operation, labels = CATALOG.find(wire, credential.service)
        members = operation.parse(wire, labels)
        try:
            operation.validate(members)
            response = operation.serialize(functions[operation.name](**members), "request-1")
        except AwsError as error:
            response = known.serialize_error(error, "request-1", operation)
        return AWSResponse(request.url, response.status, response.headers, Raw(response.body))

    made.meta.events.register("before-send", answer)
    return made


def test_the_clock_is_turned_by_boto3() -> None:
    seen = {}

    def set_clock(**members: Any) -> dict[str, Any]:
        seen.update(members)
        return {"now": members["to"] + members["advanceSeconds"], "frozen": True, "rate": 0.0, "more": 1}

    moment = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    found = client("sekisho", {"SetClock": set_clock}).set_clock(to=moment, advanceSeconds=0.5, frozen=True)
    assert seen == {"to": moment.timestamp(), "advanceSeconds": 0.5, "frozen": True}
    assert found["now"] == moment.replace(microsecond=500_000)
    assert (found["frozen"], found["rate"]) == (True, 0.0)
    assert found["ResponseMetadata"]["RequestId"] == "request-1"


def test_refusals_are_paged_by_boto3() -> None:
    refusal = {
        "refusalId": "7",
        "at": 1793491200.25,
        "clientId": "c",
        "action": "iot:Publish",
        "resource": "arn:aws:iot:eu-west-1:1:topic/a",
        "decision": "IMPLICIT_DENY",
        "reason": "not authorized",
        "effect": "PUBACK 0x87",
        "policies": [
            {
                "policyName": "p",
                "versionId": "1",
                "statements": [
                    {"index": 0, "sid": None, "effect": "Allow", "verdict": "resource differs", "why": "…"}
                ],
            }
        ],
        "variables": {"iot:ClientId": "c"},
        "missingVariables": ["iot:Connection.Thing.ThingName"],
        "sourceIp": "192.0.2.1",
    }

    def list_refusals(clientId: str, maxResults: int, nextToken: str = "") -> dict[str, Any]:
        assert (clientId, maxResults) == ("c/+", 100)
        return {"refusals": [refusal], "nextToken": None if nextToken else "next"}

    pages = client("sekisho", {"ListRefusals": list_refusals}).get_paginator("list_refusals")
    found = list(pages.paginate(clientId="c/+", PaginationConfig={"PageSize": 100}).search("refusals[]"))
    assert len(found) == 2
    assert found[0].pop("at").timestamp() == refusal["at"]
    assert "sid" not in found[0]["policies"][0]["statements"][0]
    found[0]["policies"][0]["statements"][0]["sid"] = None
    assert found[0] == {key: value for key, value in refusal.items() if key != "at"}


def test_the_node_is_described_to_boto3() -> None:
    facts = {
        "version": "1",
        "account": "123456789012",
        "region": "eu-west-1",
        "regions": ["eu-west-1"],
        "endpoints": {"mqtt": "localhost:8883"},
        "limits": {"packet": "131072"},
        "startedAt": 1793491200.0,
    }
    found = client("sekisho", {"DescribeNode": lambda: facts}).describe_node()
    assert found.pop("startedAt").timestamp() == facts["startedAt"]
    del found["ResponseMetadata"]
    assert found == {key: value for key, value in facts.items() if key != "startedAt"}


def test_fleet_provisioning_has_a_client() -> None:
    def register_thing(**members: Any) -> dict[str, Any]:
        if members["certificateOwnershipToken"] != "token":
            raise errors.InvalidCertificateOwnershipToken("no")
        return {"thingName": members["parameters"]["SerialNumber"], "deviceConfiguration": {"a": "b"}}

    made = client("iotidentity", {"RegisterThing": register_thing})
    asked = {"templateName": "t", "parameters": {"SerialNumber": "7"}}
    found = made.register_thing(certificateOwnershipToken="token", **asked)
    assert (found["thingName"], found["deviceConfiguration"]) == ("7", {"a": "b"})
    with pytest.raises(made.exceptions.InvalidCertificateOwnershipToken):
        made.register_thing(certificateOwnershipToken="another", **asked)
    with pytest.raises(made.exceptions.InvalidParameters, match="1 validation error detected"):
        made.register_thing(certificateOwnershipToken="token", templateName="a b")


def test_own_operations_are_those_of_the_interface() -> None:
    assert sorted(service("sekisho").python_names()) == [
        "advance_certificate_renewal",
        "cancel_certificate_renewal",
        "check_policy",
        "create_account",
        "delete_certificate_validity",
        "delete_retired_certificate",
        "delete_topic_trigger",
        "describe_broker",
        "describe_certificate_renewal",
        "describe_clock",
        "describe_node",
        "describe_revocation_list",
        "expire_ownership_token",
        "expire_provisioning_claim",
        "explain_authorization",
        "get_certificate_validity",
        "import_revocation_list",
        "list_accounts",
        "list_certificate_renewals",
        "list_certificate_validities",
        "list_connections",
        "list_fleet_metric_values",
        "list_refusals",
        "list_sessions",
        "list_shared_certificates",
        "list_shared_subscriptions",
        "list_topic_triggers",
        "put_certificate_validity",
        "put_topic_trigger",
        "register_certificate_on_connect",
        "register_thing_line",
        "renew_certificate",
        "set_clock",
        "start_certificate_renewal",
    ]
    assert {name: sorted(o.members) for name, o in service("iotidentity").operations.items()} == {
        "CreateCertificateFromCsr": ["certificateSigningRequest"],
        "CreateKeysAndCertificate": [],
        "RegisterThing": ["certificateOwnershipToken", "parameters", "templateName"],
    }


def test_errors_are_typed_for_boto3() -> None:
    def fail(**_: Any) -> dict[str, Any]:
        raise errors.ResourceAlreadyExistsException("there is one", resourceId="t", resourceArn="arn")

    made = client("iot", {"CreateThing": fail})
    with pytest.raises(made.exceptions.ResourceAlreadyExistsException) as raised:
        made.create_thing(thingName="t")
    assert raised.value.response["resourceId"] == "t"
    assert raised.value.response["Error"]["Message"] == "there is one"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_a_shadow_error_with_a_code_of_its_own_keeps_its_type() -> None:
    def fail(**_: Any) -> dict[str, Any]:
        raise errors.ResourceNotFoundException("No shadow exists with name: 't'", code=404)

    made = client("iot-data", {"GetThingShadow": fail})
    with pytest.raises(made.exceptions.ResourceNotFoundException, match="No shadow exists"):
        made.get_thing_shadow(thingName="t")


def test_a_shadow_is_a_stream() -> None:
    def get_thing_shadow(thingName: str, shadowName: str) -> dict[str, Any]:
        return {"payload": f'{{"{thingName}":"{shadowName}"}}'.encode()}

    made = client("iot-data", {"GetThingShadow": get_thing_shadow})
    assert made.get_thing_shadow(thingName="t", shadowName="s")["payload"].read() == b'{"t":"s"}'


def test_messages_are_published_as_they_are() -> None:
    seen = []
    made = client("iot-data", {"Publish": lambda **members: seen.append(members) or {}})
    made.publish(topic="$aws/a b/ü", qos=1, retain=True, payload=b"\x00\xff", userProperties=[{"k": "ü"}])
    assert seen == [
        {
            "topic": "$aws/a b/ü",
            "qos": 1,
            "retain": True,
            "payload": b"\x00\xff",
            "userProperties": [{"k": "ü"}],
        }
    ]


def test_the_caller_is_told_in_xml() -> None:
    identity = {"UserId": "u", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/<ü>&"}
    found = client("sts", {"GetCallerIdentity": lambda: identity}).get_caller_identity()
    assert {key: found[key] for key in identity} == identity


@pytest.mark.parametrize("name", ["sekisho", "iotidentity"])
def test_own_models_are_documented_throughout(name: str) -> None:
    model = service(name).model
    for operation in service(name).operations.values():
        assert operation.model.documentation
        for shape in (operation.input_shape, operation.output_shape):
            for member in shape.members.values():
                assert member.documentation
        assert operation.model.error_shapes
    assert {shape.name for shape in model.error_shapes} <= set(vars(errors))
