"""``sekisho up``, ``env``, ``account``, ``explain``, ``may``, ``logs``, ``clock``, ``settings``, ``demo``."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho import __version__
from sekisho.config import ConfigError, load_config, settings_table

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A self-hosted AWS IoT: the APIs, the MQTT behaviour, and every way a device gets its credentials.",
)

accounts = typer.Typer(no_args_is_help=True, help="Accounts of the node, beside the default one.")
app.add_typer(accounts, name="account")

Data = Annotated[Path, typer.Option("--data", help="The node's data folder.")]
DEFAULT_DATA = Path(".sekisho")


def fail(message: str) -> typer.Exit:
    """Say what is wrong on stderr; the caller raises what this returns."""
    typer.echo(f"sekisho: {message}", err=True)
    return typer.Exit(1)


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    mqtt_port: Annotated[int | None, typer.Option(help="MQTT over TLS; 0 picks a free one.")] = None,
    https_port: Annotated[int | None, typer.Option(help="HTTPS, and MQTT by ALPN.")] = None,
    api_port: Annotated[int | None, typer.Option(help="Plain HTTP API, loopback only.")] = None,
    host: Annotated[str | None, typer.Option(help="Address of the device listeners.")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, for any setting.")] = None,
) -> None:
    """Run a node until it is interrupted."""
    started = time.monotonic()
    overrides = [f"data={data}"]
    for name, value in (
        ("mqtt.port", mqtt_port),
        ("https.port", https_port),
        ("api.port", api_port),
        ("host", host),
    ):
        if value is not None:
            overrides.append(f"{name}={value}")
    try:
        settings = load_config([*overrides, *(set_ or [])], file=config)
    except ConfigError as error:
        raise fail(str(error)) from None

    from sekisho.cli.serve import serve

    code = serve(settings, started)
    raise typer.Exit(code)


@app.command()
def env(
    data: Data = DEFAULT_DATA,
    account: Annotated[str | None, typer.Option(help="One that `sekisho account create` has made.")] = None,
) -> None:
    """Print what makes boto3 and the AWS CLI use the node: eval "$(sekisho env)"."""
    endpoints = read_endpoints(data)
    key, secret = read_credentials(data, account)
    https = f"https://{endpoints['https']}"
    values = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": endpoints["region"],
        "AWS_DEFAULT_REGION": endpoints["region"],
        "AWS_CA_BUNDLE": str(Path(endpoints["ca"]).with_name("ca-bundle.pem")),
        "AWS_ENDPOINT_URL_IOT": https,
        "AWS_ENDPOINT_URL_IOT_DATA_PLANE": https,
        "AWS_ENDPOINT_URL_IOT_JOBS_DATA_PLANE": https,
        "AWS_ENDPOINT_URL_ACM": https,
        "AWS_ENDPOINT_URL_IAM": https,
        "AWS_ENDPOINT_URL_STS": https,
        "AWS_ENDPOINT_URL_SEKISHO": https,
        "AWS_DATA_PATH": str(models_path()),
        "SEKISHO_MQTT": endpoints["mqtt"],
        "SEKISHO_CA": endpoints["ca"],
    }
    for name, value in values.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    hosts = ",".join(dict.fromkeys(["localhost", "127.0.0.1", endpoints["https"].rpartition(":")[0]]))
    for name in ("no_proxy", "NO_PROXY"):
        typer.echo(f'export {name}="${{{name}:+${name},}}{hosts}"')
    typer.echo("unset AWS_SESSION_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE")


@accounts.command("create")
def account_create(
    id: Annotated[str | None, typer.Argument(help="Twelve digits; without it, random ones.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make an account; the key of its root goes to a file that only you can read."""
    from sekisho.cli.accounts import create

    typer.echo(create(data, id, name))


@accounts.command("list")
def account_list(data: Data = DEFAULT_DATA) -> None:
    """List the accounts with their endpoints."""
    from sekisho.cli.accounts import listed

    for line in listed(data):
        typer.echo(line)


@app.command()
def hosts(
    data: Data = DEFAULT_DATA,
    address: Annotated[str, typer.Option(help="The node's address as its clients see it.")] = "127.0.0.1",
    write: Annotated[bool, typer.Option("--write", help="Write them instead of printing them.")] = False,
    file: Annotated[Path, typer.Option(help="Where --write puts them.")] = Path("/etc/hosts"),
) -> None:
    """The lines of /etc/hosts that make the names of all endpoints known."""
    from sekisho.cli.hosts import host_lines, write_block

    lines = host_lines(data, address)
    if not write:
        typer.echo("\n".join(lines))
        return
    try:
        write_block(file, lines)
    except OSError as error:
        raise fail(f"{file}: {error.strerror}") from None
    typer.echo(f"{len(lines)} lines in {file}")


@app.command()
def explain(
    data: Data = DEFAULT_DATA,
    client: Annotated[str | None, typer.Option(help="Only this MQTT client id.")] = None,
    certificate: Annotated[str | None, typer.Option(help="Only this certificate id.")] = None,
    thing: Annotated[str | None, typer.Option(help="Only this thing.")] = None,
    last: Annotated[int, typer.Option(help="How many, newest last.", min=1, max=250)] = 5,
    account: Annotated[
        str | None, typer.Option(help="Those of another account than the default one.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Those of another region than the default one.")] = None,
) -> None:
    """Say in words why the last refusals were refused."""
    from sekisho.cli.words import explain_refusal

    filters = {"clientId": client, "certificateId": certificate, "thingName": thing}
    chosen = {name: value for name, value in filters.items() if value is not None}
    found = own_client(data, account, region).list_refusals(maxResults=last, **chosen)["refusals"]
    if not found:
        about = ", ".join(f"{name} {value}" for name, value in chosen.items())
        typer.echo(f"Nothing has been refused{' to ' + about if about else ''}.")
        return
    for index, refusal in enumerate(reversed(found)):
        if index:
            typer.echo()
        typer.echo(explain_refusal(refusal))


@app.command()
def may(
    verb: Annotated[
        str,
        typer.Argument(
            help="connect, publish, retain, subscribe, receive; or an action: iot:GetThingShadow."
        ),
    ],
    name: Annotated[
        str, typer.Argument(help="Client id, topic or filter; of an action, kind/name or an ARN.")
    ],
    data: Data = DEFAULT_DATA,
    certificate: Annotated[str | None, typer.Option(help="The device's certificate id.")] = None,
    group: Annotated[str | None, typer.Option(help="Instead: what this thing group's policies say.")] = None,
    client: Annotated[str | None, typer.Option(help="With this MQTT client id.")] = None,
    address: Annotated[str | None, typer.Option("--from", help="From this address.")] = None,
    add: Annotated[list[str] | None, typer.Option(help="As if this policy were attached, too.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="As if this policy were not.")] = None,
    account: Annotated[str | None, typer.Option(help="Of another account than the default one.")] = None,
    region: Annotated[str | None, typer.Option(help="In another region than the default one.")] = None,
) -> None:
    """Say whether a device may do something, and which statement says so."""
    from sekisho.cli.may import Place, ask

    supposed = {"clientId": client, "sourceIp": address, "policyNamesToAdd": add, "policyNamesToSkip": skip}
    typer.echo(ask(Place(data, account, region), verb, name, certificate, group, **supposed))


@app.command()
def clock(
    data: Data = DEFAULT_DATA,
    advance: Annotated[float | None, typer.Option(help="Seconds to go forward.")] = None,
    freeze: Annotated[bool, typer.Option("--freeze", help="Stop civil time.")] = False,
    rate: Annotated[float | None, typer.Option(help="How fast civil time goes; 1 is real.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to real time.")] = False,
) -> None:
    """Show or turn civil time, for tests: tokens and certificates age with it, keep-alives do not."""
    members: dict[str, Any] = {"advanceSeconds": advance, "rate": rate}
    given = {name: value for name, value in members.items() if value is not None}
    if freeze:
        given["frozen"] = True
    if reset:
        given = {"reset": True}
    client = own_client(data)
    state = client.set_clock(**given) if given else client.describe_clock()
    speed = "frozen" if state["frozen"] else f"rate {state['rate']:g}"
    typer.echo(f"{state['now'].isoformat()}  {speed}")


@app.command()
def settings() -> None:
    """List every setting with its default and meaning (Markdown)."""
    typer.echo(settings_table())


@app.command()
def logs(
    account: Annotated[str | None, typer.Option(help="The default account without it.")] = None,
    region: Annotated[str | None, typer.Option(help="The default region without it.")] = None,
    group: Annotated[str | None, typer.Option(help="A log group; AWSIotLogsV2 without it.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Of the newest; 0 shows all.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show what was logged as the logging options say, a JSON object a line."""
    from sekisho.cli.logs import logged

    for line in logged(data, account, region, group, lines, follow):
        typer.echo(line)


@app.command()
def operations() -> None:
    """List the operations that are real (Markdown)."""
    from sekisho.cli.operations import operations_table

    typer.echo(operations_table())


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def demo(
    devices: Annotated[int, typer.Option(min=2, max=200, help="How many devices.")] = 8,
    data: Annotated[Path, typer.Option(help="Data folder of the demo's node.")] = DEFAULT_DATA / "demo",
) -> None:
    """Run the main job: factory-fresh devices get their own credentials and talk."""
    try:
        from sekisho.cli.demo import run_demo
    except ModuleNotFoundError as error:
        raise fail(f"the demo needs {error.name}: pip install 'sekisho[demo]'") from None
    raise typer.Exit(run_demo(devices, data))


# --- what the commands share -------------------------------------------------------------------------------


def read_endpoints(data: Path) -> dict[str, Any]:
    path = data / "endpoints.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise fail(f"{path} is not there; is a node running? Start one: sekisho up --data {data}") from None
    except (OSError, ValueError) as error:
        raise fail(f"{path}: {error}") from None
    return content


def credentials_path(data: Path, account: str | None = None) -> Path:
    """Where the key of an account's root is; of the default account without one."""
    return data / (f"credentials-{account}" if account else "credentials")


def read_credentials(data: Path, account: str | None = None) -> tuple[str, str]:
    """The access key and secret of an account's root."""
    path = credentials_path(data, account)
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        made = isinstance(error, FileNotFoundError) and account
        hint = f"; `sekisho account create {account}` makes the account, and this file" if made else ""
        raise fail(f"{path}: {error.strerror}{hint}") from None
    values = dict(line.split(" = ", 1) for line in lines if " = " in line)
    return values["aws_access_key_id"], values["aws_secret_access_key"]


def models_path() -> Path:
    """Where botocore finds the models of the project's own services."""
    return Path(__file__).resolve().parent.parent / "aws" / "models"


def own_client(data: Path, account: str | None = None, region: str | None = None) -> Any:
    """A botocore client of the ``sekisho`` service of the node in ``data``."""
    endpoints = read_endpoints(data)
    key, secret = read_credentials(data, account)
    from botocore.config import Config as ClientConfig
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import Session

    # The user's own profile and proxy are for AWS, not for this node.
    session = Session(session_vars={"profile": (None, None, None, None)})
    session.get_component("data_loader").search_paths.append(str(models_path()))
    client = session.create_client(
        "sekisho",
        region_name=region or endpoints["region"],
        endpoint_url=f"http://{endpoints['api']}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=ClientConfig(retries={"max_attempts": 1}, proxies={}),
    )
    try:
        client.describe_clock()
    except (BotoCoreError, ClientError) as error:
        raise fail(f"the node of {data} does not answer at {endpoints['api']}: {error}") from None
    return client
