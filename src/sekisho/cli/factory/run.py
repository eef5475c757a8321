"""One run of the factory as its user sees it: progress, what came of it, how to go on."""

from __future__ import annotations

import resource
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sekisho.cli.commands import fail
from sekisho.cli.factory.handover import HandOverError, Seal
from sekisho.cli.factory.journal import NAME, Journal, JournalError
from sekisho.cli.factory.line import Job, Line, Pace, Place, Stopped

SHOWN = 20
"""How many failures are told one by one; the journal has them all."""


def work_through(
    job: Job,
    described: Mapping[str, Any],
    names: Iterable[str],
    count: int,
    place: Place,
    seal: Seal | None,
    pace: Pace,
) -> None:
    """Run the line with a progress bar, and say what came of it; raises `typer.Exit` unless all is well."""
    leave_no_core()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    # Not its port: a node may be started again on another one.
    described = {**described, "node": place.endpoint.rpartition(":")[0]}
    again = f"run the same command again to go on; {place.folder / NAME} knows what is done"
    try:
        place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            Journal(place.folder, described) as journal,
            Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        ):
            task = progress.add_task("devices", total=count, completed=len(journal.done))

            def told(done: int, failed: int) -> None:
                progress.advance(task, done + failed)

            try:
                Line(job, journal, place, seal, pace, told).run(names)
            finally:
                typer.echo(f"{len(journal.done)} devices done, {len(journal.failed)} failed: {place.folder}")
            for name, words in list(journal.failed.items())[:SHOWN]:
                typer.echo(f"  {name}: {words}", err=True)
            failed = len(journal.failed)
    except JournalError as error:
        raise fail(str(error)) from None
    except (Stopped, HandOverError) as error:
        raise fail(f"{error}; {again}") from None
    except OSError as error:
        raise fail(f"{error.filename or place.folder}: {error.strerror}; {again}") from None
    except KeyboardInterrupt:
        typer.echo(f"sekisho: interrupted; {again}", err=True)
        raise typer.Exit(130) from None
    if failed:
        raise fail(f"{failed} failed, the others are done; when what is wrong is mended, {again}")


def leave_no_core() -> None:
    """A core dump would hold the keys that this process has in memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def read_file(path: Path, limit: int = 1024 * 1024) -> bytes:
    """A file of at most ``limit`` bytes; raises `typer.Exit` with words."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise fail(f"{path}: {error.strerror}") from None
    if len(content) > limit:
        raise fail(f"{path} has more than {limit} bytes")
    return content
