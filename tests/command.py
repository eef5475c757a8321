"""The program's commands as a user runs them: in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SEKISHO = [sys.executable, "-c", "from sekisho.cli import main; main()"]


def sekisho(*words: str | Path, ok: bool = True, env: Mapping[str, str] | None = None, **more: Any):
    """Run a command; its output is text. With ``ok`` it must succeed."""
    run = subprocess.run([*SEKISHO, *map(str, words)], capture_output=True, text=True, env=env, **more)
    assert not ok or run.returncode == 0, f"{run.returncode}\n{run.stdout}\n{run.stderr}"
    assert "Traceback" not in run.stderr, run.stderr
    return run
