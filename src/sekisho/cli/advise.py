"""``sekisho advise``: which way is mine?"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sekisho.cli.commands import app, fail
from sekisho.logic.advice import QUESTIONS, Situation, advise, check_answer
from sekisho.logic.advice_commands import Place, commands_for, files_for


def _option(name: str) -> typer.models.OptionInfo:
    question, answers = QUESTIONS[name]
    option: typer.models.OptionInfo = typer.Option(
        f"--{name}", help=f"{question} {', '.join(answers)}.", show_default=False
    )
    return option


@app.command("advise")
def advise_command(
    keys: Annotated[str | None, _option("keys")] = None,
    reach: Annotated[str | None, _option("reach")] = None,
    listed: Annotated[str | None, _option("listed")] = None,
    installer: Annotated[str | None, _option("installer")] = None,
    element: Annotated[str | None, _option("element")] = None,
    ca: Annotated[str | None, _option("ca")] = None,
    places: Annotated[str | None, _option("places")] = None,
    account: Annotated[str, typer.Option(help="The account of the commands and files.")] = "000000000000",
    region: Annotated[str, typer.Option(help="The region of the commands and files.")] = "us-east-1",
    write: Annotated[Path | None, typer.Option(help="Write the files that the commands name here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Ask who may know what, and answer with a way for devices to get their credentials."""
    given = (keys, reach, listed, installer, element, ca, places)
    try:
        # Before anything is asked: who has mistyped an option should not answer six questions first.
        for name, value in zip(QUESTIONS, given, strict=True):
            if value is not None:
                check_answer(name, value)
    except ValueError as error:
        raise fail(f"--{error}") from None
    answers = {n: v if v is not None else _ask(n) for n, v in zip(QUESTIONS, given, strict=True)}
    situation = Situation(**answers)
    advice = advise(situation)
    place = Place(account, region)
    commands, files = commands_for(situation, advice, place), files_for(advice, place)
    if write is not None:
        _write(write, dict(files))
    if as_json:
        found = {
            "situation": asdict(situation),
            "method": advice.method,
            "title": advice.title,
            "needs": sorted(advice.needs),
            "certificateMode": advice.mode,
            "reasons": advice.reasons,
            "risks": advice.risks,
            "alternatives": advice.others,
            "commands": commands,
            "files": files,
            "questions": advice.questions,
        }
        typer.echo(json.dumps(found, indent=2))
        return
    lines = [f"{advice.method}: {advice.title}", "", "Why"]
    lines += [f"  - {reason}" for reason in advice.reasons]
    lines += ["", "What to look out for", *(f"  - {risk}" for risk in advice.risks)]
    lines += ["", "Otherwise", *(f"  - {other}" for other in advice.others)]
    lines += ["", f'Commands, after eval "$(sekisho env)"; {", ".join(files)} by --write FOLDER', ""]
    lines += [f"    {command}" for command in commands]
    typer.echo("\n".join(lines))


def _ask(name: str) -> str:
    """Ask on stderr, so that stdout has the answer alone."""
    question, answers = QUESTIONS[name]
    typer.echo(question, err=True)
    words = list(answers)
    for number, word in enumerate(words, start=1):
        typer.echo(f"  {number}  {word:<9} {answers[word]}", err=True)
    while True:
        typer.echo(f"1 to {len(words)}: ", err=True, nl=False)
        line = sys.stdin.readline(1024)
        if not line:
            raise fail(f"no answer; give it as --{name} {'|'.join(words)}")
        answer = line.strip()
        if answer in answers:
            return answer
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(words):
            return words[int(answer) - 1]
        typer.echo(f"{answer!r} is none of them", err=True)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("x") as file:
                file.write(text)
        except FileExistsError:
            raise fail(f"{path} is there already; it is left as it is") from None
        except OSError as error:
            raise fail(f"{path}: {error.strerror}") from None
