"""The same stack by the AWS CLI, as scripts build, read, change and tear it down."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from interop.authorizing import SETTINGS
from interop.stack import Refused, Stack
from interop.stack_services import STACK
from nodes import running

AWS = Path(__file__).parents[2] / ".venv-awscli/bin/aws"
THREADS = 3
ERROR = re.compile(r"An error occurred \((\w+)\) when calling the \w+ operation")


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with running(tmp_path_factory.mktemp("stack") / "node", *SETTINGS) as node:
        yield node


@pytest.fixture
def stack(node, tmp_path):
    assert AWS.exists(), "make .venv-awscli/.done"
    environment = node.environment() | {
        "HOME": str(tmp_path),
        "AWS_PAGER": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }

    def call(service, operation, members):
        command = [AWS, "--output", "json", service, operation.replace("_", "-")]
        command += ["--cli-input-json", json.dumps(members)] if members else []
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if ran.returncode:
            said = ERROR.search(ran.stderr)
            assert said is not None, ran.stderr
            raise Refused(said[1])
        return json.loads(ran.stdout) if ran.stdout.strip() else {}

    return Stack(call)


@pytest.mark.timeout(900)
def test_build_change_and_tear_down(stack):
    for part in STACK:
        stack.build(part)
    for part in STACK:
        stack.change(part)
    stack.tear_down(STACK, THREADS)
    assert [part.name for part in STACK if not stack.is_gone(part)] == []
