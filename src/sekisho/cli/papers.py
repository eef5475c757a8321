"""``sekisho validity``, ``shared-certificates``, ``renew``, ``renewals``: beyond AWS."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from sekisho.cli.commands import DEFAULT_DATA, Data, app, fail, own_client

ORIGINS = {
    "AWS": "AWS's own, as nothing else is set",
    "ACCOUNT": "set for the account and region",
    "TEMPLATE": "set for the template",
}


@app.command()
def validity(
    data: Data = DEFAULT_DATA,
    days: Annotated[int | None, typer.Option(help="Days from their issue.", min=1)] = None,
    until: Annotated[
        str | None, typer.Option(help="A date, such as 2060-01-01 or 2060-01-01T12:00Z.")
    ] = None,
    template: Annotated[str | None, typer.Option(help="Only for this provisioning template.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Take the setting back.")] = False,
) -> None:
    """Show or set how long certificates are valid that the node issues from now on."""
    if sum((days is not None, until is not None, reset)) > 1:
        raise fail("--days, --until and --reset exclude each other")
    about: dict[str, Any] = {"templateName": template} if template is not None else {}
    client = own_client(data)
    with told():
        if reset:
            client.delete_certificate_validity(**about)
        elif days is not None:
            client.put_certificate_validity(**about, days=days)
        elif until is not None:
            client.put_certificate_validity(**about, notAfter=moment(until))
        shown = client.get_certificate_validity(**about)
        if days is None and until is None and not reset and template is None:
            pages = client.get_paginator("list_certificate_validities").paginate()
            templates = [item for page in pages for item in page["validities"]]
        else:
            templates = []
    typer.echo(f"{length(shown)}; {ORIGINS[shown['origin']]}")
    if "whyNot" in shown:
        typer.echo(f"no certificate can be issued now: {shown['whyNot']}")
    for item in templates:
        typer.echo(f"template {item['templateName']}: {length(item)}")


@app.command()
def shared_certificates(
    data: Data = DEFAULT_DATA,
    hours: Annotated[float | None, typer.Option(help="Only the last so many hours.", min=0)] = None,
    certificate: Annotated[str | None, typer.Option(help="Only this certificate id.")] = None,
) -> None:
    """List the certificates that more than one device seems to use; the exit code is 3 if there are any."""
    client = own_client(data)
    about: dict[str, Any] = {"certificateId": certificate} if certificate is not None else {}
    found = 0
    with told():
        if hours is not None:
            about["since"] = client.describe_clock()["now"] - datetime.timedelta(hours=hours)
        for page in client.get_paginator("list_shared_certificates").paginate(**about):
            for item in page["sharedCertificates"]:
                found += 1
                typer.echo(f"certificate {item['certificateId']}: {', '.join(sorted(item['ways']))}")
                typer.echo(f"  seen {item['occurrences']} times, last by")
                for side in ("first", "second"):
                    typer.echo(f"    {_connection(item[side])}")
    if found:
        raise typer.Exit(3)
    typer.echo("No certificate was used by two devices.")


@app.command()
def renew(
    thing: Annotated[str, typer.Argument(help="The thing whose certificate is to be renewed.")],
    data: Data = DEFAULT_DATA,
    certificate: Annotated[str | None, typer.Option(help="Which, if it has several.")] = None,
    days: Annotated[int | None, typer.Option(help="Days that the new one is valid.", min=1)] = None,
    until: Annotated[str | None, typer.Option(help="Or a date on which it ends.")] = None,
    hours: Annotated[float, typer.Option(help="Time that the device has.", min=0.01)] = 168,
    cancel: Annotated[bool, typer.Option("--cancel", help="End a renewal that is under way.")] = False,
) -> None:
    """Have a device renew its certificate; the old one is retired once it has connected with the new one."""
    client = own_client(data)
    members = {
        "certificateId": certificate,
        "days": days,
        "notAfter": moment(until) if until is not None else None,
        "timeoutSeconds": round(hours * 3600),
    }
    given = {name: value for name, value in members.items() if value is not None}
    with told():
        if cancel:
            found = client.cancel_certificate_renewal(thingName=thing)
        else:
            found = client.start_certificate_renewal(thingName=thing, **given)
    typer.echo(_renewal(found))


@app.command()
def renewals(
    data: Data = DEFAULT_DATA,
    status: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
) -> None:
    """List the latest renewal of each thing."""
    about = {"status": status} if status is not None else {}
    with told():
        for page in own_client(data).get_paginator("list_certificate_renewals").paginate(**about):
            for item in page["renewals"]:
                typer.echo(_renewal(item))


def _renewal(item: dict[str, Any]) -> str:
    return f"{item['thingName']}: {item['status']}, until {item['deadline'].isoformat()}; {item['reason']}"


def _connection(use: dict[str, Any]) -> str:
    until = use["disconnectedAt"].isoformat() if "disconnectedAt" in use else "now"
    return f"{use['clientId']} from {use['sourceIp']}, {use['connectedAt'].isoformat()} until {until}"


def length(validity: dict[str, Any]) -> str:
    if "days" in validity:
        return f"{validity['days']} days from the issue"
    return f"until {validity['notAfter'].isoformat()}"


def moment(text: str) -> datetime.datetime:
    """A date or a date and time; without an offset it is UTC."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise fail(f"{text!r} is not a date, such as 2060-01-01 or 2060-01-01T12:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """An error of the node becomes a line on stderr."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise fail(error.response["Error"]["Message"]) from None
    except BotoCoreError as error:
        raise fail(str(error)) from None
