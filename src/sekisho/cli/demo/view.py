"""The demo while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sekisho.cli.demo.steps import STEPS, Progress, StepName

BAR = 30


class View:
    """Shows ``progress`` for as long as the ``with`` block lasts."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._started = time.monotonic()
        self._stage = ""
        self._lock = threading.Lock()
        self._told: set[tuple[StepName, int]] = set()
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(console=console, get_renderable=self._render, refresh_per_second=10)
        else:
            progress.changed = self._tell

    def __enter__(self) -> View:
        if self._live is not None:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def stage(self, words: str) -> None:
        """What is being done now."""
        self._stage = words
        if self._live is None:
            self._line(words)

    def _tell(self, step: StepName) -> None:
        """A plain line for the first and for the last device of each step."""
        wanted = self._progress.wanted(step)
        count = len(self._progress.seconds(step))
        with self._lock:
            if count not in (1, wanted) or (step, count) in self._told:
                return
            self._told.add((step, count))
        self._line(f"{STEPS[step].words}: {count} of {wanted}")

    def _line(self, words: str) -> None:
        # Whoever reads a pipe wants it now.
        line = f"{time.monotonic() - self._started:6.1f} s  {words}"
        print(line, file=self._console.file, flush=True)

    def _render(self) -> Group:
        progress = self._progress
        table = Table.grid(padding=(0, 2))
        for name, step in STEPS.items():
            count, wanted = len(progress.seconds(name)), progress.wanted(name)
            table.add_row(
                Text("✓" if count == wanted else " ", style="green"),
                step.words,
                ProgressBar(total=wanted, completed=count, width=BAR),
                f"{count} of {wanted}",
            )
        messages = progress.messages
        status = (
            f"{time.monotonic() - self._started:5.1f} s   {self._stage}\n"
            f"devices connected {progress.connected}   telemetry {messages['telemetry']}   "
            f"commands {messages['commands']}   failed {len(progress.failures)}"
        )
        return Group(table, Text(status, style="dim"))
