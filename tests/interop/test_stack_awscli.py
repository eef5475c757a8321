"""The same stack by the AWS CLI, as scripts build, read, change and tear it down."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from api.conftest import read_sqlite
from interop.authorizing import SETTINGS
from interop.stack import STAYING, Refused, Stack
from interop.stack_iam import IAM
from interop.stack_services import STACK, TAGS
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


def rows(node):
    found = read_sqlite(str(node.data / "sekisho.db"), "SELECT kind, id FROM resource")
    return {*found, *read_sqlite(str(node.data / "sekisho.db"), "SELECT kind, source, target FROM link")}


@pytest.mark.timeout(900)
def test_build_change_and_tear_down(node, stack):
    """Each call is a process of its own: of IAM's parts the role, and of the tags one, is enough."""
    before, parts = rows(node), [part for part in STACK if part not in (*IAM, *TAGS[1:])]
    for part in parts:
        stack.build(part)
    for part in parts:
        stack.change(part)
    stack.tear_down(parts[::-1], THREADS)
    assert {row[0] for row in rows(node) ^ before} <= STAYING
