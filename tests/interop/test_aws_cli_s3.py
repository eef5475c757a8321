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


def test_cp_mv_sync_and_rm_between_folders_and_buckets(aws, tmp_path):
    """Also a copy of a file that the CLI makes in parts."""
    here, back = tmp_path / "here", tmp_path / "back"
    (here / "sub").mkdir(parents=True)
    files = {"a.txt": b"a", "sub/b c.txt": b"b", "sub/large.bin": os.urandom(20 << 20)}
    for name, content in files.items():
        (here / name).write_bytes(content)
    aws("mb", "s3://cli-one")
    aws("mb", "s3://cli-two")

    def names(bucket: str) -> list[str]:
        return sorted(line[31:] for line in aws("ls", f"s3://{bucket}", "--recursive").splitlines())

    aws("cp", str(here), "s3://cli-one/all", "--recursive")
    assert names("cli-one") == sorted(f"all/{name}" for name in files)
    aws("cp", "s3://cli-one/all/sub/large.bin", "s3://cli-two/large.bin")
    aws("mv", "s3://cli-one/all/a.txt", "s3://cli-two/moved.txt")
    assert names("cli-two") == ["large.bin", "moved.txt"]
    assert names("cli-one") == ["all/sub/b c.txt", "all/sub/large.bin"]
    aws("sync", "s3://cli-one/all", "s3://cli-two/all")
    (here / "a.txt").unlink()
    assert aws("sync", "s3://cli-two/all", str(here)) == ""  # nothing differs
    (here / "sub/b c.txt").write_bytes(b"changed")
    said = aws("sync", str(here), "s3://cli-two/all", "--delete")
    assert said.count("upload:") == 1
    aws("sync", "s3://cli-two/all", str(back))
    for name in ("sub/b c.txt", "sub/large.bin"):
        assert (back / name).read_bytes() == (here / name).read_bytes()
    aws("cp", "s3://cli-two/large.bin", str(tmp_path / "large"))
    assert (tmp_path / "large").read_bytes() == files["sub/large.bin"]
    (here / "sub/b c.txt").unlink()
    assert "delete:" in aws("sync", str(here), "s3://cli-two/all", "--delete")
    aws("rm", "s3://cli-one", "--recursive")
    aws("rb", "s3://cli-one")
    aws("rb", "s3://cli-two", "--force")
    assert "cli-" not in aws("ls").replace("cli-files", "")
