"""A back end on boto3, with nothing but what ``sekisho env`` exports."""

from __future__ import annotations

import json
import subprocess
import sys

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from interop.devices import allow, document
from interop.wire import Wire

STORY = """
import json, sys
import boto3

iot, data = boto3.client("iot"), boto3.client("iot-data")
endpoint = iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
iot.create_thing_type(thingTypeName="boto3-type")
iot.create_thing(
    thingName="boto3-thing",
    thingTypeName="boto3-type",
    attributePayload={"attributes": {"site": "tokyo"}},
)
policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
}
iot.create_policy(policyName="boto3-policy", policyDocument=json.dumps(policy))
made = iot.create_keys_and_certificate(setAsActive=True)
iot.attach_policy(policyName="boto3-policy", target=made["certificateArn"])
iot.attach_thing_principal(thingName="boto3-thing", principal=made["certificateArn"])
data.publish(topic="boto3/hello", qos=1, payload=b"hello")
print(json.dumps({
    "endpoint": endpoint,
    "url": iot.meta.endpoint_url,
    "account": boto3.client("sts").get_caller_identity()["Account"],
    "refusals": boto3.client("sekisho").list_refusals()["ResponseMetadata"]["HTTPStatusCode"],
    "elsewhere": boto3.client("s3").meta.endpoint_url,
    "made": {name: made[name] for name in ("certificateId", "certificateArn", "certificatePem", "keyPair")},
}))
"""


@pytest.fixture(scope="module")
def story(node):
    """Run by a process of its own, in the environment of ``sekisho env``."""
    ran = subprocess.run(
        [sys.executable, "-c", STORY], env=node.environment(), capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_environment_is_enough(node, story):
    assert story["endpoint"] == "localhost"
    assert story["url"] == f"https://{node.endpoints['https']}"
    assert story["account"] == "000000000000"
    assert story["refusals"] == 200


def test_other_services_are_not_captured(story):
    assert story["elsewhere"].endswith("amazonaws.com")


def test_what_the_back_end_made_is_there(iot, story):
    arn = story["made"]["certificateArn"]
    thing = iot.describe_thing(thingName="boto3-thing")
    assert thing["thingTypeName"] == "boto3-type"
    assert thing["attributes"] == {"site": "tokyo"}
    assert iot.list_thing_principals(thingName="boto3-thing")["principals"] == [arn]
    assert iot.list_principal_things(principal=arn)["things"] == ["boto3-thing"]
    (policy,) = iot.list_attached_policies(target=arn)["policies"]
    assert policy["policyName"] == "boto3-policy"
    assert iot.list_targets_for_policy(policyName="boto3-policy")["targets"] == [arn]
    listed = iot.get_paginator("list_certificates").paginate(pageSize=5).search("certificates[]")
    assert story["made"]["certificateId"] in [certificate["certificateId"] for certificate in listed]


def test_the_device_hears_the_back_end(node, iot_data, story, tmp_path):
    certificate, key = tmp_path / "crt", tmp_path / "key"
    certificate.write_text(story["made"]["certificatePem"])
    key.write_text(story["made"]["keyPair"]["PrivateKey"])
    with Wire(node.mqtt, node.ca, (str(certificate), str(key))) as wire:
        wire.connect("boto3-thing")
        wire.subscribe("boto3/#")
        for qos in (0, 1):
            iot_data.publish(topic=f"boto3/{qos}/ü", qos=qos, payload=bytes(range(256)))
            message = wire.message()
            assert message == (f"boto3/{qos}/ü", bytes(range(256)), qos, {})


@pytest.mark.parametrize("tls", [True, False], ids=["https", "plain http"])
def test_both_doors(node, tls):
    iot = node.client("iot", tls=tls)
    name = f"door-{'https' if tls else 'http'}"
    made = iot.create_thing(thingName=name)
    assert made["thingArn"] == f"arn:aws:iot:us-east-1:000000000000:thing/{name}"
    assert name in [thing["thingName"] for thing in iot.list_things(maxResults=250)["things"]]
    iot.delete_thing(thingName=name)
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=name)
    node.client("iot-data", tls=tls).publish(topic="door", payload=b"x")


def test_cleaning_up_must_be_in_order(iot):
    iot.create_thing(thingName="tidy")
    made = iot.create_keys_and_certificate(setAsActive=True)
    arn, id = made["certificateArn"], made["certificateId"]
    iot.create_policy(policyName="tidy", policyDocument=document(allow("Connect", "*")))
    iot.attach_policy(policyName="tidy", target=arn)
    iot.attach_thing_principal(thingName="tidy", principal=arn)

    with pytest.raises(iot.exceptions.CertificateStateException) as active:
        iot.delete_certificate(certificateId=id)
    assert f"Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}" in str(active.value)
    iot.update_certificate(certificateId=id, newStatus="INACTIVE")
    with pytest.raises(iot.exceptions.DeleteConflictException):
        iot.delete_policy(policyName="tidy")
    with pytest.raises(iot.exceptions.DeleteConflictException):
        iot.delete_certificate(certificateId=id)
    with pytest.raises(iot.exceptions.InvalidRequestException):
        iot.delete_thing(thingName="tidy")

    iot.detach_thing_principal(thingName="tidy", principal=arn)
    with pytest.raises(iot.exceptions.DeleteConflictException) as attached:
        iot.delete_certificate(certificateId=id)
    assert f"Certificate policies must be detached before deletion (arn: {arn})" in str(attached.value)
    iot.detach_policy(policyName="tidy", target=arn)
    iot.delete_certificate(certificateId=id)
    iot.delete_policy(policyName="tidy")
    iot.delete_thing(thingName="tidy")
    for gone in (
        lambda: iot.describe_certificate(certificateId=id),
        lambda: iot.get_policy(policyName="tidy"),
        lambda: iot.describe_thing(thingName="tidy"),
    ):
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            gone()


def test_a_wrong_secret(node, iot):
    key = iot._request_signer._credentials.access_key
    stranger = boto3.client(
        "iot",
        region_name="us-east-1",
        endpoint_url=f"http://{node.endpoints['api']}",
        aws_access_key_id=key,
        aws_secret_access_key="not the secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError) as refused:
        stranger.list_things()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert "not the secret" not in str(refused.value)


def test_what_is_not_built_says_so_by_name(iot):
    with pytest.raises(ClientError) as refused:
        iot.create_topic_rule(ruleName="r", topicRulePayload={"sql": "SELECT 1", "actions": []})
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "CreateTopicRule" in str(refused.value)
