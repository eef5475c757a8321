"""``sekisho policy check``: what a policy says and surely does not mean."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from sekisho.cli.commands import DEFAULT_DATA, Data, app, fail, own_client
from sekisho.logic.json_text import shown
from sekisho.logic.lint import Place, lint
from sekisho.logic.policy import MalformedPolicy, parse_policy

policy = typer.Typer(no_args_is_help=True, help="Policies of devices.")
app.add_typer(policy, name="policy")

LONGEST = 1 << 20
"""Bytes of a file; no policy has so many."""


@policy.callback()
def policies() -> None:
    """Policies of devices."""


@policy.command()
def check(
    file: Annotated[str | None, typer.Argument(help="A policy document; - reads it from the input.")] = None,
    name: Annotated[str | None, typer.Option(help="Instead: a policy of the node.")] = None,
    version: Annotated[str | None, typer.Option(help="Another version of it than the default one.")] = None,
    account: Annotated[str | None, typer.Option(help="The account that its ARNs are to be of.")] = None,
    region: Annotated[str | None, typer.Option(help="The region that its ARNs are to be of.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Find misspelt words in a policy, and what no device can ever be asked for; needs no node for a file."""
    if (file is None) == (name is None):
        raise fail("say which: a file, or --name")
    if file is not None and (account is None) != (region is None):
        raise fail("--account and --region go together")
    if name is None:
        place = Place(region, account) if region is not None and account is not None else None
        malformed, found = _of_text(_read(file or ""), place)
    else:
        malformed, found = _of_node(data, account, region, policyName=name, policyVersionId=version)
    if malformed:
        raise fail(f"this is no policy: {malformed}")
    lines = list(_lines(found))
    typer.echo("\n".join(lines) if lines else "nothing to say against it")
    if lines:
        raise typer.Exit(1)


def _read(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read(LONGEST) if file == "-" else Path(file).read_bytes()[:LONGEST]
        return raw.decode()
    except OSError as error:
        raise fail(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise fail(f"{file} is not UTF-8") from None


def _of_text(text: str, place: Place | None) -> tuple[str, list[Mapping[str, Any]]]:
    try:
        return "", [finding._asdict() for finding in lint(parse_policy(text), place)]
    except MalformedPolicy as error:
        return str(error), []


def _of_node(
    data: Path, account: str | None, region: str | None, **asked: str | None
) -> tuple[str, list[Mapping[str, Any]]]:
    members = {name: value for name, value in asked.items() if value is not None}
    try:
        answer = own_client(data, account, region).check_policy(**members)
    except ClientError as error:
        raise fail(error.response["Error"]["Message"]) from None
    return answer.get("malformed", ""), answer["findings"]


def _lines(found: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for one in found:
        sid = f" {one['sid']}" if one.get("sid") else ""
        yield f"statement {one['statement']}{sid}: {one['element']} {shown(one['value'])}"
        yield f"  {one['code']}: {one['message']}"
