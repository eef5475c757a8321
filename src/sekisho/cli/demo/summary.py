"""What happened, what was refused and why, where everything is, and what to try next."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from sekisho.cli.demo.steps import STEPS, Progress
from sekisho.config import SETTINGS

FAILURES = 8
"""How many failed devices are told one by one."""


@dataclass
class Outcome:
    """What the story leaves behind; filled while it happens."""

    data: Path
    progress: Progress
    endpoints: dict[str, Any] = field(default_factory=dict)
    explanation: str = ""
    intruder: str = ""
    dropped: str = ""
    troubles: list[str] = field(default_factory=list)
    """What went wrong besides the steps of single devices."""

    @property
    def complete(self) -> bool:
        return not (self.troubles or self.progress.failures or self.progress.missing)


def print_summary(console: Console, outcome: Outcome) -> None:
    def say(text: str = "") -> None:
        # Lines stay whole, so that ARNs and commands can be copied.
        console.print(text, markup=False, soft_wrap=True)

    say()
    console.print(_steps(outcome.progress))
    messages = outcome.progress.messages
    say(f"\nMessages delivered: {messages['telemetry']} telemetry, {messages['commands']} commands")
    if outcome.explanation:
        say("\nWhy the publish was refused, as the node explains it:")
        say(outcome.explanation)
    if outcome.dropped:
        say(f"\n{outcome.dropped}")
    if outcome.complete:
        _print_places(console, outcome)
        say("\nTry next:")
        for command, meaning in next_commands(outcome.data, outcome.intruder):
            say(f"  # {meaning}\n  {command}")
        return
    say("\nNot everything happened:")
    for step in outcome.progress.missing:
        count, wanted = len(outcome.progress.seconds(step)), outcome.progress.wanted(step)
        say(f"  {STEPS[step].words}: {count} of {wanted}")
    failures = outcome.progress.failures
    for failure in failures[:FAILURES]:
        say(f"  {failure.device} did not {STEPS[failure.step].words}: {failure.why}")
    if len(failures) > FAILURES:
        say(f"  and {len(failures) - FAILURES} more")
    for trouble in outcome.troubles:
        say(f"  {trouble}")


def _steps(progress: Progress) -> Table:
    table = Table("step", title="What the devices did", title_justify="left", box=None, pad_edge=False)
    for column in ("devices", "median", "slowest"):
        table.add_column(column, justify="right")
    for name, step in STEPS.items():
        seconds = progress.seconds(name)
        times = (_milliseconds(median(seconds)), _milliseconds(max(seconds))) if seconds else ("-", "-")
        table.add_row(step.words, f"{len(seconds)} of {progress.wanted(name)}", *times)
    return table


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _print_places(console: Console, outcome: Outcome) -> None:
    at = outcome.endpoints
    host = SETTINGS["endpoint"].default
    mqtt, https, api = (SETTINGS[f"{name}.port"].default for name in ("mqtt", "https", "api"))
    table = Table("", "in this run", "after the first command below", box=None, pad_edge=False)
    for words, then, next_time in (
        ("MQTT endpoint", at["mqtt"], f"{host}:{mqtt}"),
        ("API", f"https://{at['https']}", f"https://{host}:{https}"),
        ("API, plain", f"http://{at['api']}", f"http://127.0.0.1:{api}"),
    ):
        table.add_row(words, then, next_time)
    console.print()
    console.print(table)
    console.print(f"CA file        {at['ca']}", markup=False, soft_wrap=True)


def next_commands(data: Path, client: str) -> list[tuple[str, str]]:
    """(command, what it is for), three of them, for a shell in the current folder."""
    sekisho = _command()
    folder = shlex.quote(str(data))
    things = "aws iot list-things"
    if shutil.which("aws") is None:
        python = _shorter(Path(sys.executable))
        things = f"""{python} -c 'import boto3; print(boto3.client("iot").list_things()["things"])'"""
    return [
        (f"{sekisho} up --data {folder}", "the same node again, with these devices in its registry"),
        (f'eval "$({sekisho} env --data {folder})" && {things}', "in a second terminal: look at it"),
        (f"{sekisho} explain --data {folder} --client {client}", "ask again why that was refused"),
    ]


def _command() -> str:
    """How this program is started from here."""
    this = Path(sys.argv[0])
    found = shutil.which("sekisho")
    if this.name != "sekisho" or (found is not None and Path(found).resolve() == this.resolve()):
        return "sekisho"
    return _shorter(this)


def _shorter(path: Path) -> str:
    """Relative when it lies below the current folder."""
    absolute, here = path.absolute(), Path.cwd()
    return shlex.quote(str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))
