"""The node of the demo: a process of its own, on embedded defaults and free ports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from sekisho.cli.demo.waiting import DidNotHappen, Patience

START = 30.0
STOP = 10.0
LOOK = 0.02
LOG = "node.log"
SHOWN = 20
"""Lines of the node's log that are shown when it dies."""


class DemoNode:
    """``sekisho up`` while the ``with`` block lasts; the block begins when the node is ready.

    Should the node die within the block, ``patience`` ends.

    :raises DidNotHappen: it did not start, or did not stop; the text has the last lines that it wrote
    """

    def __init__(self, data: Path, patience: Patience) -> None:
        self.endpoints: dict[str, Any] = {}
        self._data = data
        self._patience = patience
        self._process: subprocess.Popen[bytes]
        self._stopping = False
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> DemoNode:
        ports = [argument for name in ("mqtt", "https", "api") for argument in (f"--{name}-port", "0")]
        # The user's settings are for the user's node: this one is to run on the defaults.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SEKISHO_")}
        with (self._data / LOG).open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", "from sekisho.cli import main; main()"),
                    *("up", "--data", str(self._data), *ports),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                # Ctrl-C is for the demo, which then stops the node in its own time.
                start_new_session=True,
            )
        try:
            self._await_endpoints()
        except BaseException:
            self._stop()
            raise
        self._watcher = threading.Thread(target=self._watch, name="node", daemon=True)
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        if self._watcher is not None:
            self._watcher.join()
        code = self._process.returncode
        if code and error is None and self._patience.ended is None:
            raise DidNotHappen(f"the node did not stop as asked: {_ended(code)}\n{self.last_words()}")

    @property
    def died(self) -> bool:
        """Whether it ended before it was asked to."""
        return not self._stopping and self._process.poll() is not None

    def last_words(self) -> str:
        """The end of what the node wrote."""
        try:
            lines = (self._data / LOG).read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"  | {line}" for line in lines[-SHOWN:])

    def _await_endpoints(self) -> None:
        path = self._data / "endpoints.json"
        give_up = time.monotonic() + START
        while time.monotonic() < give_up:
            self._patience.check()
            try:
                found = json.loads(path.read_text())
            except FileNotFoundError:
                found = {}
            if found.get("pid") == self._process.pid:
                self.endpoints = found
                return
            try:
                code = self._process.wait(LOOK)
            except subprocess.TimeoutExpired:
                continue
            raise DidNotHappen(f"the node ended with {_ended(code)} instead of starting\n{self.last_words()}")
        raise DidNotHappen(f"the node was not ready within {START:g} s\n{self.last_words()}")

    def _watch(self) -> None:
        code = self._process.wait()
        if not self._stopping:
            self._patience.end(f"the node ended with {_ended(code)}")

    def _stop(self) -> None:
        if self._process.poll() is not None:
            return
        self._stopping = True
        self._process.terminate()
        try:
            self._process.wait(STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _ended(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
