"""DescribeEndpoint, GetCallerIdentity, and what the node says of itself."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime

import pytest

from api.making import ACCOUNT, REGION, refused


def test_the_endpoint_is_a_host_name_without_a_port(iot):
    assert iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"] == "localhost"
    assert iot.describe_endpoint()["endpointAddress"] == "localhost"


def test_an_unknown_kind_of_endpoint(iot):
    with refused("InvalidRequestException", 400, "iot:Nonsense"):
        iot.describe_endpoint(endpointType="iot:Nonsense")


def test_the_caller_is_the_accounts_root(sts):
    answer = sts.get_caller_identity()
    assert answer["Account"] == answer["UserId"] == ACCOUNT
    assert answer["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert answer["ResponseMetadata"]["RequestId"]


def test_the_node_describes_itself(own, node):
    answer = own.describe_node()
    assert (answer["account"], answer["region"], answer["regions"]) == (ACCOUNT, REGION, [REGION])
    assert answer["endpoints"] == {kind: node.endpoints[kind] for kind in ("mqtt", "https", "api")}
    assert answer["limits"]["payload"] == "131072"
    assert answer["startedAt"] <= datetime.now(UTC)


def test_health_needs_no_signature(node):
    with urllib.request.urlopen(f"http://{node.endpoints['api']}/_sekisho/health") as answer:
        assert json.load(answer)["status"] == "ok"


@pytest.mark.parametrize("tls", [True, False])
def test_both_doors_lead_to_the_same_registry(node, name, tls):
    node.client("iot", tls=tls).create_thing(thingName=name)
    assert node.client("iot", tls=not tls).describe_thing(thingName=name)["thingName"] == name


def test_refusals_can_be_listed(own, name):
    answer = own.list_refusals(clientId=name, maxResults=1)
    assert answer["refusals"] == []
    assert "nextToken" not in answer
