"""Bulk registration: things a second, what a line costs in processor time, and the node's memory.

``python bench/bulk.py [--lines N] [--database URL]``: each line has a P-256 signing request, its certificate
is signed by the node's RSA-2048 key; thing, certificate and policy are made and attached, durably. The
report is read at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from api.making import ROLE, csr, document, template, thing_resource
from nodes import running

TICKS = os.sysconf("SC_CLK_TCK")
BUCKET = "bench"
TEMPLATE = template(
    {
        "thing": thing_resource(),
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateSigningRequest": {"Ref": "CSR"}, "Status": "ACTIVE"},
        },
        "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": document("bench")}},
    },
    "Name",
    "CSR",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--database", default="")
    options = parser.parse_args()
    request = csr("bench")
    lines = (json.dumps({"Name": f"bench-{n}", "CSR": request}) + "\n" for n in range(options.lines))
    settings = [f"database={options.database}"] if options.database else []
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "node", *settings) as node:
        s3, iot = node.client("s3"), node.client("iot")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="in", Body="".join(lines).encode())
        start, node_before, family_before = time.monotonic(), cpu(node.process.pid), family(node.process.pid)
        task = iot.start_thing_registration_task(
            templateBody=TEMPLATE, inputFileBucket=BUCKET, inputFileKey="in", roleArn=ROLE
        )["taskId"]
        while (found := iot.describe_thing_registration_task(taskId=task))["status"] == "InProgress":
            time.sleep(0.1)
        seconds = time.monotonic() - start
        node_cpu, family_cpu = cpu(node.process.pid) - node_before, family(node.process.pid) - family_before
        [link] = iot.list_thing_registration_task_reports(taskId=task, reportType="RESULTS")["resourceLinks"]
        with urllib.request.urlopen(link) as report:
            reported = sum(1 for _ in report)
        status = Path(f"/proc/{node.process.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
    assert (found["status"], found["successCount"], reported) == ("Completed", options.lines, options.lines)
    each = 1000 / options.lines
    print(f"{options.lines} lines in {seconds:.1f} s: {options.lines / seconds:.0f} things a second")
    print(
        f"processor time of a line: {node_cpu * each:.2f} ms in the node, "
        f"{family_cpu * each:.2f} ms in its workers"
    )
    print(f"peak memory of the node: {peak} MB")
    print(f"{os.cpu_count()} cores; load average of the minute before the end: {os.getloadavg()[0]:.1f}")
    return 0


def cpu(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family(pid: int) -> float:
    """The same of all that descend from it."""
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            total += cpu(int(child)) + family(int(child))
    return total


if __name__ == "__main__":
    sys.exit(main())
