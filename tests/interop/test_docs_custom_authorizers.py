"""The programs of ``docs/custom-authorizers.md`` run, as they stand there but for the port."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from interop.clients.javascript import FOLDER
from nodes import running

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/custom-authorizers.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where who follows the page is, with the function in it."""
    folder = tmp_path_factory.mktemp("following")
    (function,) = blocks("python")
    (folder / "kettles.py").write_text(function)
    (folder / "node_modules").symlink_to(FOLDER / "node_modules")
    sekisho = folder / ".venv/bin/sekisho"
    sekisho.parent.mkdir(parents=True)
    sekisho.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from sekisho.cli import main; main()" "$@"\n')
    sekisho.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def node(folder):
    """A node with the settings of the page; its modules are looked for in the folder."""
    (start,) = blocks("sh node")
    words = shlex.split(start)
    settings = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
    assert settings[0] == "functions.path=."
    with running(folder / ".sekisho", f"functions.path={folder}", *settings[1:]) as node:
        yield node


@pytest.fixture(scope="module")
def environment(node, folder):
    found = node.environment() | {"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}
    return found | {"PATH": f"{ROOT / '.venv-awscli/bin'}:{found['PATH']}"}


def run(node, folder, environment, command):
    port = str(node.address("https")[1])
    done = subprocess.run(
        [one.replace("8443", port) for one in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_can_be_followed(node, folder, environment):
    passwords, tokens = blocks("sh")
    said = run(node, folder, environment, ["sh", "-euc", passwords + tokens])
    assert "my own: yes" in said
    assert "guessed: no" in said
    assert "authorizer passwords does not authenticate this client" in said
    assert '"principalId": "kettle2"' in said
    assert '"message":"OK"' in said
    # A browser's program, with the authorizer that is there now.
    (program,) = blocks("javascript")
    password = run(
        node,
        folder,
        environment,
        [sys.executable, "-c", "import kettles; print(kettles.password_of('kettle-1').decode(), end='')"],
    )
    environment = environment | {"PASSWORD": password}
    command = ["node", "--input-type=module", "-e", program]
    assert run(node, folder, environment, command) == "published\n"
