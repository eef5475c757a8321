"""``sekisho ca``: the node's own certificate authority, shown and changed for another."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from sekisho.cli.commands import DEFAULT_DATA, Data, app, fail
from sekisho.config import ConfigError, load_config
from sekisho.keyring import Keyring, KeyringError, finish_rotation, open_keyring, rotate_ca
from sekisho.tokens import FORM, TokenError, make_token_key

ca = typer.Typer(no_args_is_help=True, help="The node's own certificate authority.")
app.add_typer(ca, name="ca")

Settings = Annotated[Path | None, typer.Option("--config", help="The node's TOML file of settings.")]
NEXT_START = "Restart the node: it follows the keyring when it starts."


@ca.command()
def show(data: Data = DEFAULT_DATA, config: Settings = None) -> None:
    """List the CAs, the one that issues first."""
    try:
        _say(open_keyring(_url(data, config), _none))
    except KeyringError as error:
        raise fail(str(error)) from None


@ca.command()
def rotate(
    data: Data = DEFAULT_DATA,
    config: Settings = None,
    key: Annotated[str | None, typer.Option(help=f"Make the key in a token: {FORM}")] = None,
) -> None:
    """Make a new CA for new certificates; those of the old one go on, and so does the server's."""
    from sekisho.logic.certificates import CA_YEARS, make_ca

    url = _url(data, config)
    try:
        name = f"Sekisho {len(open_keyring(url, _none).authorities) + 1}"
        keyring = rotate_ca(
            url,
            lambda: make_ca(name, time.time(), CA_YEARS, make_token_key(key) if key is not None else None),
        )
    except (KeyringError, TokenError) as error:
        raise fail(str(error)) from None
    _say(keyring)
    typer.echo(f"{NEXT_START} Its ca.pem then has both CAs: give it to every client, then sekisho ca finish.")


@ca.command()
def finish(data: Data = DEFAULT_DATA, config: Settings = None) -> None:
    """Every client trusts the new CA: the server's certificate is to be from it, too."""
    try:
        keyring = finish_rotation(_url(data, config))
    except KeyringError as error:
        raise fail(str(error)) from None
    _say(keyring)
    typer.echo(NEXT_START)


def _url(data: Path, config: Path | None) -> str:
    try:
        url = load_config([f"data={data}"], file=config).keyring
    except ConfigError as error:
        raise fail(str(error)) from None
    path = Path(url.removeprefix("file:"))
    if url.startswith("file:") and not path.exists():
        raise fail(f"{path} is not there; a node makes it when it first starts")
    return url


def _none() -> NoReturn:
    raise KeyringError("the keyring is gone")


def _say(keyring: Keyring) -> None:
    for authority in keyring.authorities:
        roles = ["issues"] if authority.certificate is keyring.ca else []
        roles += ["signs the server's certificate"] if authority is keyring.server else []
        until = authority.certificate.not_valid_after_utc.date().isoformat()
        name = authority.certificate.subject.rfc4514_string()
        typer.echo(f"{name}, until {until}: {', '.join(roles) or 'former'}")
