"""A node whose objects live at an S3 endpoint: here the S3 of another node, which knows nothing of it."""

from __future__ import annotations

import json
import os
import urllib.request

import pytest

from command import sekisho
from interop.devices import until
from interop.test_q08_bulk_or_fleet import ROLE
from nodes import running
from sekisho.cli.commands import read_credentials

TEMPLATE = json.dumps(
    {
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "Name"}}},
        },
    }
)


def keys(s3, bucket: str) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]


@pytest.fixture
def front(node, tmp_path, monkeypatch):
    key, secret = read_credentials(node.data)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_CA_BUNDLE", node.ca)
    with running(tmp_path / "front", f"objects=s3:https://{node.endpoints['https']}") as front:
        monkeypatch.delenv("AWS_CA_BUNDLE")
        yield front
        assert "Traceback" not in front.log


def test_objects_parts_and_a_bulk_registration(node, front):
    s3, behind, iot = front.client("s3"), node.client("s3"), front.client("iot")
    s3.create_bucket(Bucket="elsewhere")
    body = "".join(json.dumps({"Name": f"elsewhere-{n}"}) + "\n" for n in range(700))
    s3.put_object(Bucket="elsewhere", Key="in", Body=body, ContentType="text/x", Metadata={"a": "b"})
    there = behind.get_object(Bucket="elsewhere", Key="in")
    assert (there["Body"].read().decode(), there["ContentType"], there["Metadata"]) == (
        body,
        "text/x",
        {"a": "b"},
    )
    assert s3.get_object(Bucket="elsewhere", Key="in", Range="bytes=0-7")["Body"].read() == b'{"Name":'

    large = os.urandom(9 << 20)
    upload = s3.create_multipart_upload(Bucket="elsewhere", Key="large")["UploadId"]
    at = {"Bucket": "elsewhere", "Key": "large", "UploadId": upload}
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**at, PartNumber=n, Body=part)["ETag"]}
        for n, part in ((1, large[: 5 << 20]), (2, large[5 << 20 :]))
    ]
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    assert behind.get_object(Bucket="elsewhere", Key="large")["Body"].read() == large
    assert keys(behind, "objects-sekisho-parts") == []

    task = iot.start_thing_registration_task(
        templateBody=TEMPLATE, inputFileBucket="elsewhere", inputFileKey="in", roleArn=ROLE
    )["taskId"]

    def over():
        found = iot.describe_thing_registration_task(taskId=task)
        return found if found["status"] not in ("InProgress", "Cancelling") else None

    found = until(over, 60)
    assert (found["status"], found["successCount"]) == ("Completed", 700), found
    [link] = iot.list_thing_registration_task_reports(taskId=task, reportType="RESULTS")["resourceLinks"]
    with urllib.request.urlopen(link) as report:
        assert [json.loads(line)["lineNumber"] for line in report] == list(range(1, 701))
    bucket = "objects-sekisho-registration-000000000000"
    # The pieces go after the end of the task is told.
    until(lambda: keys(behind, bucket) == [f"{task}/RESULTS.json"])


def test_a_place_that_is_none_is_named(tmp_path):
    ports = [word for name in ("mqtt", "https", "api") for word in (f"--{name}-port", "0")]
    where = ["--data", tmp_path / "node", "--set", "objects=ftp:x"]
    run = sekisho("up", *where, *ports, ok=False, timeout=30)
    assert run.returncode == 1
    assert run.stderr == "sekisho: objects = 'ftp:x': expected file:PATH or s3:https://host:port\n"
