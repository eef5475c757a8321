"""``aws s3`` of the AWS CLI from PyPI against the node's own S3."""

from __future__ import annotations

import os
import ssl
import subprocess
import urllib.request
from pathlib import Path

import pytest

AWS = Path(__file__).parents[2] / ".venv-awscli/bin/aws"


@pytest.fixture(scope="module")
def aws(node, tmp_path_factory):
    """Runs ``aws s3 …``; its output."""
    assert AWS.exists(), "make .venv-awscli/.done"
    home = tmp_path_factory.mktemp("home")
    environment = node.environment() | {
        "HOME": str(home),
        "AWS_PAGER": "",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_ENDPOINT_URL_S3": f"https://{node.endpoints['https']}",
    }

    def run(*words: str) -> str:
        command = [AWS, "--cli-connect-timeout", "5", "s3", *words]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    run.ca = node.ca
    return run


def test_cp_ls_presign_and_rm(aws, tmp_path):
    small, large = tmp_path / "small.json", tmp_path / "large.bin"
    small.write_text('{"Name":"one"}\n')
    large.write_bytes(os.urandom(20 << 20))
    aws("mb", "s3://cli-files")
    aws("cp", str(small), "s3://cli-files/in/small.json")
    aws("cp", str(large), "s3://cli-files/large.bin")
    assert "20971520 large.bin" in aws("ls", "s3://cli-files/")
    assert "PRE in/" in aws("ls", "s3://cli-files/")
    assert "cli-files" in aws("ls")
    url = aws("presign", "s3://cli-files/in/small.json", "--expires-in", "60").strip()
    context = ssl.create_default_context(cafile=aws.ca)
    with urllib.request.urlopen(url, context=context) as answer:
        assert answer.read() == small.read_bytes()
    aws("cp", "s3://cli-files/large.bin", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    aws("rm", "s3://cli-files", "--recursive")
    assert aws("ls", "s3://cli-files/") == ""
    aws("rb", "s3://cli-files")
    assert "cli-files" not in aws("ls")
