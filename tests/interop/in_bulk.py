"""Bulk registration as a factory's back end does it: lines into an object, a task over it, its report."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from interop.claiming import ROLE
from interop.devices import until

BUCKET = "factory"


def bulk(node, iot, text: str, lines: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Put the lines into an object, run a task over it, and read its report by plain HTTP."""
    body = "".join(json.dumps(line) + "\n" for line in lines)
    node.client("s3").put_object(Bucket=BUCKET, Key="devices.json", Body=body.encode())
    task = iot.start_thing_registration_task(
        templateBody=text, inputFileBucket=BUCKET, inputFileKey="devices.json", roleArn=ROLE
    )["taskId"]

    def over() -> dict[str, Any] | None:
        found = iot.describe_thing_registration_task(taskId=task)
        return found if found["status"] == "Completed" else None

    assert until(over)["successCount"] == len(lines)
    [link] = iot.list_thing_registration_task_reports(taskId=task, reportType="RESULTS")["resourceLinks"]
    with urllib.request.urlopen(link) as report:
        return [json.loads(line)["response"] for line in report]
