"""From a method and a raw path to the operation."""

from __future__ import annotations

import pytest

from sekisho.aws.catalog import Catalog
from sekisho.aws.errors import AwsError, SerializationException, UnknownOperationException
from sekisho.aws.loading import UnknownService
from sekisho.aws.request import Request
from sekisho.aws.routes import Routes, parse_template
from sekisho.aws.service import Service, UnsupportedProtocol
from unit.aws.shapes import SERVICES, service

ARN = "arn:aws:iot:eu-west-1:123456789012:cert/ab"
ENCODED_ARN = "arn%3Aaws%3Aiot%3Aeu-west-1%3A123456789012%3Acert%2Fab"

CONFIRMED = {"confirmationToken": "a/b/c//d"}
NEXT_JOB = {"thingName": "t", "jobId": "$next"}


def request(method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Request:
    path, _, query = target.partition("?")
    return Request(method, path, query, headers or {}, body)


def matched(name: str, method: str, target: str) -> tuple[str, dict[str, str]] | None:
    found = service(name).match(request(method, target))
    return (found[0].name, found[1]) if found else None


@pytest.mark.parametrize(
    ("name", "method", "target", "operation", "labels"),
    [
        ("iot", "GET", "/things", "ListThings", {}),
        ("iot", "GET", "/things/a%20b", "DescribeThing", {"thingName": "a b"}),
        ("iot", "GET", "/th%69ngs/a", "DescribeThing", {"thingName": "a"}),
        ("iot", "GET", "/things/a/principals", "ListThingPrincipals", {"thingName": "a"}),
        ("iot", "PUT", "/target-policies/p", "AttachPolicy", {"policyName": "p"}),
        ("iot", "POST", f"/attached-policies/{ENCODED_ARN}", "ListAttachedPolicies", {"target": ARN}),
        ("iot", "GET", f"/destinations/{ENCODED_ARN}", "GetTopicRuleDestination", {"arn": ARN}),
        ("iot", "GET", f"/destinations/{ARN}", "GetTopicRuleDestination", {"arn": ARN}),
        ("iot", "GET", "/confirmdestination/a/b%2Fc//d", "ConfirmTopicRuleDestination", CONFIRMED),
        ("iot-data", "POST", "/topics/a%2Fb%2F", "Publish", {"topic": "a/b/"}),
        ("iot-data", "POST", "/topics/a/b", "Publish", {"topic": "a/b"}),
        ("iot-data", "POST", "/topics//a//b/", "Publish", {"topic": "/a//b/"}),
        ("iot-data", "POST", "/topics/%24aws%2Fx?qos=1", "Publish", {"topic": "$aws/x"}),
        ("iot-data", "GET", "/things/t/shadow?name=n", "GetThingShadow", {"thingName": "t"}),
        ("iot-data", "GET", "/retainedMessage/a%2Fb", "GetRetainedMessage", {"topic": "a/b"}),
        ("iot-jobs-data", "PUT", "/things/t/jobs/$next", "StartNextPendingJobExecution", {"thingName": "t"}),
        ("iot-jobs-data", "GET", "/things/t/jobs/$next", "DescribeJobExecution", NEXT_JOB),
        ("iot-jobs-data", "GET", "/things/t/jobs/%24next", "DescribeJobExecution", NEXT_JOB),
        ("iot-jobs-data", "GET", "/things/%2F/jobs", "GetPendingJobExecutions", {"thingName": "/"}),
    ],
)  # fmt: skip
def test_finds(name: str, method: str, target: str, operation: str, labels: dict[str, str]) -> None:
    assert matched(name, method, target) == (operation, labels)


@pytest.mark.parametrize(
    ("name", "method", "target"),
    [
        ("iot", "GET", "/"),
        ("iot", "GET", ""),
        ("iot", "GET", "/nothing"),
        ("iot", "PATCH", "/things"),
        ("iot", "BREW", "/things"),
        ("iot", "GET", "/things/"),
        ("iot", "DELETE", "/things/"),
        ("iot", "GET", "/things/a/b"),
        ("iot", "GET", "//things"),
        ("iot-data", "POST", "/topics/"),
        ("iot-data", "POST", "/topics" + "/a" * 1000),
    ],
)
def test_finds_nothing(name: str, method: str, target: str) -> None:
    assert matched(name, method, target) is None


def test_a_label_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(SerializationException, match="not UTF-8"):
        matched("iot", "GET", "/things/%ff")


def routes(*templates: str) -> Routes[str]:
    found: Routes[str] = Routes()
    for template in templates:
        found.add("GET", parse_template(template), template)
    return found


@pytest.mark.parametrize(
    ("target", "template"),
    [
        ("/a/b", "/a/b"),
        ("/a/x", "/a/{l}"),
        ("/a/x/y", "/a/{g+}"),
        ("/a/x/end", "/a/{l}/end"),
        ("/a/x/y/end", "/a/{g+}/end"),
        ("/a/b/end", "/a/{l}/end"),
        ("/q", "/q"),
        ("/q?list", "/q?list"),
        ("/q?list=", "/q?list"),
        ("/q?x=1&list=2", "/q?list"),
        ("/q?list&kind=one", "/q?list&kind=one"),
        ("/q?list&kind=two", "/q?list"),
        ("/q?lists", "/q"),
    ],
)
def test_the_most_specific_template_wins(target: str, template: str) -> None:
    templates = [
        "/a/{g+}",
        "/a/{g+}/end",
        "/a/{l}",
        "/a/b",
        "/a/{l}/end",
        "/q",
        "/q?list",
        "/q?list&kind=one",
    ]
    for order in (templates, templates[::-1]):
        path, _, query = target.partition("?")
        found = routes(*order).find("GET", path, query)
        assert found is not None
        assert found[0] == template


def test_a_label_that_is_a_part_of_a_segment_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"/a/x-\{l\}"):
        parse_template("/a/x-{l}")


@pytest.mark.parametrize(
    "body", [b"Action=GetCallerIdentity&Version=2011-06-15", b"X=1&Action=GetCallerIdentity"]
)
def test_query_operations_go_by_action(body: bytes) -> None:
    operation = service("sts").operations["GetCallerIdentity"]
    assert service("sts").match(request("POST", "/", body=body)) == (operation, {})
    assert service("sts").match(request("GET", "/?" + body.decode())) == (operation, {})
    assert service("sts").match(request("GET", "/", body=body)) is None
    assert service("sts").match(request("POST", "/", body=b"Action=Nothing")) is None
    assert service("sts").match(request("POST", "/", body=b"Action=")) is None


def test_json_operations_go_by_target() -> None:
    known = Service.load("dynamodb")
    good = request("POST", "/", {"x-amz-target": "DynamoDB_20120810.GetItem"})
    assert known.match(good) == (known.operations["GetItem"], {})
    for target in ("GetItem", "DynamoDB_20111205.GetItem", "DynamoDB_20120810.Nothing", ""):
        assert known.match(request("POST", "/", {"x-amz-target": target})) is None


def test_no_two_operations_of_a_service_share_a_request() -> None:
    for name in SERVICES:
        if service(name).protocol != "rest-json":
            continue
        seen = set()
        for operation in service(name).operations.values():
            http = operation.model.http
            template = parse_template(http["requestUri"])
            nameless = tuple(text if kind == "literal" else kind for kind, text in template.segments)
            place = (http["method"], nameless, template.query)
            assert place not in seen
            seen.add(place)


CATALOG = Catalog(service(name) for name in SERVICES)


@pytest.mark.parametrize(
    ("signing_name", "services"),
    [
        ("iot", ["iot"]),
        ("iotdata", ["iot-data"]),
        ("iotdevicegateway", ["iot-data"]),
        ("iot-jobs-data", ["iot-jobs-data"]),
        ("sts", ["sts"]),
        ("sekisho", ["sekisho"]),
        ("s3", []),
    ],
)
def test_services_go_by_signing_name(signing_name: str, services: list[str]) -> None:
    assert [found.name for found in CATALOG.by_signing_name(signing_name)] == services


def test_the_catalog_finds_service_operation_and_labels() -> None:
    found = CATALOG.find(request("POST", "/topics/a%2Fb"), "iotdevicegateway")
    assert found == (service("iot-data"), service("iot-data").operations["Publish"], {"topic": "a/b"})


def test_services_of_one_signing_name_are_all_tried() -> None:
    both = Catalog([Service.load("iot"), Service.load("sekisho")])
    both._by_signing_name["iot"] = both.services
    assert both.find(request("GET", "/clock"), "iot")[1].name == "DescribeClock"


@pytest.mark.parametrize(
    ("signing_name", "told"),
    [
        ("iot", "no operation of iot answers BREW /tea"),
        ("sts", "no operation of sts answers BREW /tea (no known Action)"),
        ("s3", "no service here is signed for as 's3'"),
    ],
)
def test_what_is_not_found_is_named(signing_name: str, told: str) -> None:
    with pytest.raises(UnknownOperationException) as raised:
        CATALOG.find(request("BREW", "/tea"), signing_name)
    assert raised.value.message == told


def test_what_is_not_found_is_cut() -> None:
    with pytest.raises(AwsError) as raised:
        CATALOG.find(request("GET", "/" + "x" * 10_000), "iot")
    assert len(raised.value.message) < 400


def test_unknown_services_and_protocols_are_named() -> None:
    with pytest.raises(UnknownService, match="'no-such-service'"):
        Service.load("no-such-service")
    with pytest.raises(UnsupportedProtocol, match="route53 speaks rest-xml"):
        Service.load("route53")


def test_python_names_are_those_of_the_client() -> None:
    names = service("iot").python_names()
    assert names["describe_ca_certificate"] is service("iot").operations["DescribeCACertificate"]
    assert len(names) == len(service("iot").operations)
