"""Bulk registration: a task over an input object, its progress, its reports, its end."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from cryptography import x509

from api.making import KEY, ROLE, UNKNOWN_ID, csr, document, listed, refused, template, thing_resource

BUCKET = "bulk-input"
PATIENCE = 60

CERTIFICATE = {
    "Type": "AWS::IoT::Certificate",
    "Properties": {"CertificateSigningRequest": {"Ref": "CSR"}, "Status": "ACTIVE"},
}
POLICY = {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": document("bulk")}}
TEMPLATE = template({"thing": thing_resource(), "certificate": CERTIFICATE, "policy": POLICY}, "Name", "CSR")
THINGS = template({"thing": thing_resource(AttributePayload={"line": {"Ref": "Line"}})}, "Name", "Line")


@pytest.fixture(scope="session")
def s3(node):
    client = node.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def lines(*found: Any) -> bytes:
    return "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in found).encode()


def start(iot: Any, s3: Any, name: str, body: bytes, text: str = TEMPLATE) -> str:
    s3.put_object(Bucket=BUCKET, Key=name, Body=body)
    started = iot.start_thing_registration_task(
        templateBody=text, inputFileBucket=BUCKET, inputFileKey=name, roleArn=ROLE
    )
    return started["taskId"]


def ended(iot: Any, task: str) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = iot.describe_thing_registration_task(taskId=task)
        if found["status"] not in ("InProgress", "Cancelling"):
            return found
        time.sleep(0.05)
    raise AssertionError(f"the task has not ended: {found}")


def report(iot: Any, task: str, kind: str) -> list[dict[str, Any]]:
    links = iot.list_thing_registration_task_reports(taskId=task, reportType=kind)["resourceLinks"]
    text = "".join(urllib.request.urlopen(link).read().decode() for link in links)
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_becomes_a_thing_with_its_certificate(iot, s3, name):
    count = 40
    body = lines(*({"Name": f"{name}-{n}", "CSR": csr(f"{name}-{n}")} for n in range(count)))
    task = start(iot, s3, name, body)
    found = ended(iot, task)
    assert (found["status"], found["successCount"], found["failureCount"]) == ("Completed", count, 0)
    assert (found["percentageProgress"], found["roleArn"], found["templateBody"]) == (100, ROLE, TEMPLATE)
    assert (found["inputFileBucket"], found["inputFileKey"]) == (BUCKET, name)
    results = report(iot, task, "RESULTS")
    assert [one["lineNumber"] for one in results] == list(range(1, count + 1))
    offsets = [0]
    for line in body.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    assert [one["offset"] for one in results] == offsets[:-1]
    for n, one in enumerate(results):
        arns = one["response"]["resourceArns"]
        certificate = x509.load_pem_x509_certificate(one["response"]["certificatePem"].encode())
        assert certificate.subject.rfc4514_string() == f"CN={name}-{n}"
        assert certificate.public_key() == KEY.public_key()
        assert iot.list_thing_principals(thingName=f"{name}-{n}")["principals"] == [arns["certificate"]]
    id = results[0]["response"]["resourceArns"]["certificate"].rpartition("/")[2]
    described = iot.describe_certificate(certificateId=id)["certificateDescription"]
    assert (described["status"], described["certificatePem"]) == (
        "ACTIVE",
        results[0]["response"]["certificatePem"],
    )
    attached = iot.list_attached_policies(target=results[0]["response"]["resourceArns"]["certificate"])
    assert len(attached["policies"]) == 1
    assert report(iot, task, "ERRORS") == []


def test_certificates_end_when_the_operator_says(iot, own, s3, name):
    own.put_certificate_validity(days=30)
    try:
        task = start(iot, s3, name, lines({"Name": name, "CSR": csr(name)}))
        assert ended(iot, task)["status"] == "Completed"
    finally:
        own.delete_certificate_validity()
    [one] = report(iot, task, "RESULTS")
    certificate = x509.load_pem_x509_certificate(one["response"]["certificatePem"].encode())
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 30


def test_bad_lines_among_good_ones(iot, s3, name):
    good = {"Name": f"{name}-good", "CSR": csr(name)}
    body = (
        lines(
            good,
            "not JSON",
            ["no", "object"],
            {"Name": f"{name}-number", "CSR": 7},
            "",
            {"Name": f"{name}-bad-csr", "CSR": "-----BEGIN"},
            {"Name": "no such name!", "CSR": csr(name)},
            {"CSR": csr(name)},
            json.dumps({"Name": f"{name}-long", "CSR": "x" * 256_000}),
            good | {"Name": f"{name}-last"},
        )
        + b'{"Name":"\xff"}'
    )
    task = start(iot, s3, name, body)
    found = ended(iot, task)
    assert (found["status"], found["successCount"], found["failureCount"]) == ("Completed", 2, 8)
    assert [one["lineNumber"] for one in report(iot, task, "RESULTS")] == [1, 10]
    errors = {one["lineNumber"]: one["response"] for one in report(iot, task, "ERRORS")}
    assert list(errors) == [2, 3, 4, 6, 7, 8, 9, 11]
    assert {one["errorCode"] for one in errors.values()} == {"InvalidRequestException"}
    for number, word in (
        (2, "not JSON"),
        (3, "JSON object"),
        (4, "'CSR' must be a string"),
        (6, "certificate signing request"),
        (7, "thingName"),
        (8, "Parameters.Name"),
        (9, "256000 characters"),
        (11, "UTF-8"),
    ):
        assert word in errors[number]["errorMessage"]
    for absent in ("number", "bad-csr", "long"):
        with refused("ResourceNotFoundException", 404):
            iot.describe_thing(thingName=f"{name}-{absent}")


def test_lines_about_one_thing_are_taken_in_their_order(iot, s3, name):
    body = lines(*({"Name": name, "Line": str(n)} for n in range(20)))
    task = start(iot, s3, name, body, THINGS)
    found = ended(iot, task)
    assert (found["successCount"], found["failureCount"]) == (1, 19)
    assert iot.describe_thing(thingName=name)["attributes"] == {"line": "0"}
    codes = {one["response"]["errorCode"] for one in report(iot, task, "ERRORS")}
    assert codes == {"ConflictingResourceUpdateException"}


def test_more_lines_than_a_batch(iot, s3, name, sql):
    count = 1200
    task = start(iot, s3, name, lines(*({"Name": f"{name}-{n}", "Line": "1"} for n in range(count))), THINGS)
    assert ended(iot, task)["successCount"] == count
    assert [one["lineNumber"] for one in report(iot, task, "RESULTS")] == list(range(1, count + 1))
    assert sql(f"SELECT COUNT(*) FROM resource WHERE kind = 'thing' AND id LIKE '{name}-%'") == [
        (str(count),)
    ]
    assert sql("SELECT COUNT(*) FROM resource WHERE kind = 'registrationline'") == [("0",)]


def test_an_empty_file(iot, s3, name):
    task = start(iot, s3, name, b"")
    found = ended(iot, task)
    assert (found["status"], found["successCount"], found["percentageProgress"]) == ("Completed", 0, 100)


@pytest.mark.parametrize("bucket, word", [("no-such-bucket", "bucket"), (BUCKET, "no object")])
def test_no_input(iot, s3, name, bucket, word):
    started = iot.start_thing_registration_task(
        templateBody=TEMPLATE, inputFileBucket=bucket, inputFileKey="nothing", roleArn=ROLE
    )
    found = ended(iot, started["taskId"])
    assert found["status"] == "Failed"
    assert word in found["message"]


def test_one_at_a_time_and_stopped(iot, s3, name):
    count = 20_000
    body = lines(*({"Name": f"{name}-{n}", "Line": "1"} for n in range(count)))
    task = start(iot, s3, name, body, THINGS)
    with refused("InvalidRequestException", 400, "one registration task at a time"):
        start(iot, s3, f"{name}-other", body, THINGS)
    assert iot.list_thing_registration_tasks(status="InProgress")["taskIds"] == [task]
    iot.stop_thing_registration_task(taskId=task)
    found = ended(iot, task)
    assert found["status"] == "Cancelled"
    assert found["successCount"] < count
    assert found["percentageProgress"] < 100
    numbers = [one["lineNumber"] for one in report(iot, task, "RESULTS")]
    assert numbers == list(range(1, found["successCount"] + 1))
    with refused("InvalidRequestException", 400, "Cancelled"):
        iot.stop_thing_registration_task(taskId=task)
    assert ended(iot, start(iot, s3, f"{name}-after", b"", THINGS))["status"] == "Completed"


def test_tasks_are_listed(iot, s3, name):
    tasks = []
    for _ in range(3):
        tasks.append(start(iot, s3, name, b"", THINGS))
        ended(iot, tasks[-1])
    page = iot.list_thing_registration_tasks(maxResults=2)
    assert page["taskIds"] == [tasks[2], tasks[1]]
    everything = listed(iot, "list_thing_registration_tasks", "taskIds", PaginationConfig={"PageSize": 1})
    assert everything[:3] == tasks[::-1]
    assert len(everything) == len(set(everything))
    assert tasks[0] in iot.list_thing_registration_tasks(status="Completed", maxResults=250)["taskIds"]


def test_what_is_no_task(iot):
    for method, more in (
        (iot.describe_thing_registration_task, {}),
        (iot.stop_thing_registration_task, {}),
        (iot.list_thing_registration_task_reports, {"reportType": "ERRORS"}),
    ):
        with refused("ResourceNotFoundException", 404, UNKNOWN_ID[:36]):
            method(taskId=UNKNOWN_ID[:36], **more)
    with refused("InvalidRequestException", 400, "template"):
        iot.start_thing_registration_task(
            templateBody="{}", inputFileBucket=BUCKET, inputFileKey="k", roleArn=ROLE
        )


def test_only_the_node_registers_lines(iot, own, s3, name):
    task = start(iot, s3, name, b"", THINGS)
    ended(iot, task)
    with refused("AccessDeniedException", 403, modelled=True):
        own.register_thing_line(
            taskId=task, lineNumber=1, position=1, templateBody=THINGS, parameters={"Name": name}
        )
    with refused("ResourceNotFoundException", 404):
        own.register_thing_line(taskId="none", lineNumber=1, position=1, templateBody=THINGS)


def test_a_task_and_its_reports_go_30_days_after_its_end(iot, s3, name, turned):
    task = start(iot, s3, name, lines({"Name": name, "Line": "1"}), THINGS)
    ended(iot, task)
    [link] = iot.list_thing_registration_task_reports(taskId=task, reportType="RESULTS")["resourceLinks"]
    turned.set_clock(advanceSeconds=29 * 86400)
    assert ended(iot, task)["status"] == "Completed"
    turned.set_clock(advanceSeconds=86400 + 1)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            iot.describe_thing_registration_task(taskId=task)
        except iot.exceptions.ResourceNotFoundException:
            break
        assert time.monotonic() < until
        time.sleep(0.05)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(link)
    assert caught.value.code == 404
    caught.value.close()
    assert iot.describe_thing(thingName=name)["attributes"] == {"line": "1"}
