"""The commands of ``docs/bulk.md`` run, as they stand there, and those of ``docs/objects.md``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands(page: str) -> str:
    """The page's shell blocks, one after another."""
    text = (ROOT / "docs" / page).read_text()
    return "\n".join(re.findall(r"^```sh\n((?s:.*?))^```$", text, re.MULTILINE))


def follow(node, folder: Path, page: str) -> str:
    """What who follows the page sees; a node is in ``.sekisho`` already."""
    (folder / ".sekisho").symlink_to(node.data)
    sekisho = folder / "bin" / "sekisho"
    sekisho.parent.mkdir()
    sekisho.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from sekisho.cli import main; main()" "$@"\n')
    sekisho.chmod(0o700)
    environment = node.environment() | {"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}
    environment["PATH"] = f"{folder}/bin:{ROOT / '.venv-awscli/bin'}:{environment['PATH']}"
    ran = subprocess.run(
        ["sh", "-e", "-c", commands(page)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_bulk(node, iot, tmp_path):
    shown = follow(node, tmp_path, "bulk.md")
    assert "Completed" in shown
    results = [json.loads(line) for line in (tmp_path / "results.json").read_text().splitlines()]
    assert [one["lineNumber"] for one in results] == [1, 2, 3]
    for n, one in enumerate(results, start=1):
        principals = iot.list_thing_principals(thingName=f"sensor-{n}")["principals"]
        assert principals == [one["response"]["resourceArns"]["certificate"]]


def test_objects(node, tmp_path):
    assert follow(node, tmp_path, "objects.md").strip() == "make_bucket: files"
