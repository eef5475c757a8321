"""Every program of ``docs/clients.md`` runs, as it stands there but for the ports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from interop.clients.javascript import FOLDER
from interop.devices import until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/clients.md").read_text()
WITHIN = 60


class Block(NamedTuple):
    heading: str
    language: str
    text: str


def blocks() -> list[Block]:
    """The page's fenced blocks, each with the heading that it is under."""
    found, heading = [], ""
    for match in re.finditer(r"^## (.*)$|^```(.+)\n((?s:.*?))^```$", PAGE, re.MULTILINE):
        if match[1]:
            heading = match[1]
        else:
            found.append(Block(heading, match[2], match[3]))
    return found


BLOCKS = blocks()
PROGRAMS = [block for block in BLOCKS if block.language in ("python", "javascript")]


@pytest.fixture(scope="module")
def folder(node, tmp_path_factory) -> Path:
    """Where who follows the page is: a node in ``.sekisho``, Sekisho in ``.venv``, Node.js's packages."""
    folder = tmp_path_factory.mktemp("following")
    (folder / ".sekisho").symlink_to(node.data)
    (folder / "node_modules").symlink_to(FOLDER / "node_modules")
    sekisho = folder / ".venv/bin/sekisho"
    sekisho.parent.mkdir(parents=True)
    sekisho.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from sekisho.cli import main; main()" "$@"\n')
    sekisho.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def environment(node, folder) -> dict[str, str]:
    found = node.environment() | {"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}
    return found | {"PATH": f"{ROOT / '.venv-awscli/bin'}:{found['PATH']}"}


@pytest.fixture(scope="module")
def start(node, folder, environment):
    """Starts what a block says; its output and errors are in one stream."""

    def start(block: Block) -> subprocess.Popen[str]:
        text = block.text.replace("8883", str(node.mqtt[1])).replace("8443", str(node.address("https")[1]))
        assert text.count("localhost") >= 1 or block.language == "sh papers"
        command = {
            "python": [sys.executable, "-c", text],
            "javascript": ["node", "--input-type=module", "-e", text],
        }.get(block.language, ["sh", "-euc", text])
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return start


def ended(process: subprocess.Popen[str]) -> str:
    """What it has said; it must have ended well."""
    try:
        said, _ = process.communicate(timeout=WITHIN)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def papers(start, folder) -> None:
    """The CA, and a device's certificate and key, as the page has them made."""
    (block,) = (block for block in BLOCKS if block.language == "sh papers")
    ended(start(block))
    assert all((folder / name).stat().st_size for name in ("ca.pem", "device.crt", "device.key"))


@pytest.mark.usefixtures("papers")
@pytest.mark.parametrize("block", PROGRAMS, ids=[f"{n} {block.heading}" for n, block in enumerate(PROGRAMS)])
def test_the_program_prints_its_message(start, block):
    assert ended(start(block)) == "hello\n"


@pytest.mark.usefixtures("papers")
def test_mosquittos_clients(start, iot_data):
    listen, speak = (block for block in BLOCKS if block.language in ("sh listen", "sh speak"))
    listening = start(listen)
    try:
        until(lambda: subscribed(iot_data, "kettle"))
        assert ended(start(speak)) == ""
    except BaseException:
        listening.kill()
        listening.wait()
        raise
    assert ended(listening) == "hello\n"


def subscribed(iot_data, client_id: str) -> bool:
    try:
        return bool(iot_data.list_subscriptions(clientId=client_id)["subscriptions"])
    except iot_data.exceptions.ResourceNotFoundException:
        return False


def test_every_client_of_the_table_has_a_program():
    listed = re.findall(r"^\| \[(.*?)\]", PAGE, re.MULTILINE)
    assert set(listed) | {"Papers"} == {
        block.heading.replace("mosquitto_pub and mosquitto_sub", "mosquitto_pub, mosquitto_sub")
        for block in BLOCKS
    }
