"""Following the documents: a shell in which ``sekisho`` and ``aws`` are commands, beside a node."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from command import sekisho
from interop.wire import Wire

ROOT = Path(__file__).parents[2]
ANSWERS = ["keys", "reach", "listed", "installer", "element", "ca", "places"]


def flags(words: str) -> list[str]:
    return [part for name, word in zip(ANSWERS, words.split(), strict=True) for part in (f"--{name}", word)]


class Bench:
    """A folder with a node beside it, and a shell in which ``sekisho`` and ``aws`` are commands."""

    def __init__(self, node: Any, folder: Path) -> None:
        self.node, self.folder = node, folder
        commands = folder / "bin"
        commands.mkdir(parents=True)
        script = f'#!/bin/sh\nexec {sys.executable} -c "from sekisho.cli import main; main()" "$@"\n'
        (commands / "sekisho").write_text(script)
        (commands / "sekisho").chmod(0o700)
        found = node.environment() | {
            "HOME": str(folder),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }
        self.environment = found | {"PATH": f"{commands}:{ROOT / '.venv-awscli/bin'}:{found['PATH']}"}

    def follow(self, words: str) -> dict[str, Any]:
        """Ask for advice, write its files, and do what it says."""
        said = sekisho("advise", *flags(words), "--json", "--write", self.folder, cwd=self.folder).stdout
        advice = json.loads(said)
        self.sh("\n".join(advice["commands"]))
        return advice

    def sh(self, script: str) -> str:
        run = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def wire(self, certificate: str, key: str) -> Wire:
        identity = (str(self.folder / certificate), str(self.folder / key))
        return Wire(self.node.mqtt, self.node.ca, identity)

    def connects(self, name: str, certificate: str, key: str) -> None:
        """A device connects as itself, and speaks on its own topics."""
        with self.wire(certificate, key) as wire:
            assert wire.connect(name, 4).code == 0
            wire.subscribe(f"devices/{name}/in")
            wire.publish(f"devices/{name}/in", b"mine")
            assert wire.message().payload == b"mine"
