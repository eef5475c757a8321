"""``sekisho factory make``, ``sign``, ``import``, ``open``."""

from __future__ import annotations

import hashlib
import os
import string
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.cli.commands import app, fail
from sekisho.cli.factory.handover import (
    MAX_FILE,
    ForRecipients,
    HandOverError,
    Plain,
    Seal,
    WithPassphrases,
    open_envelope,
    open_pkcs12,
    read_passphrases,
)
from sekisho.cli.factory.jobs import KEYS, Import, Make, Sign, check_name, plain_template
from sekisho.cli.factory.line import Pace, Place, Refused
from sekisho.cli.factory.run import leave_no_core, read_file, work_through
from sekisho.cli.node_client import reach

factory = typer.Typer(
    no_args_is_help=True, help="Identities in bulk: made, signed or imported, and handed over encrypted."
)
app.add_typer(factory, name="factory")

Out = Annotated[Path, typer.Option("--out", help="Folder of the journal and the hand-over files.")]
To = Annotated[
    list[Path] | None, typer.Option("--recipient", help="PEM certificate (RSA) that opens the hand-overs.")
]
Phrases = Annotated[
    Path | None, typer.Option("--passphrases", help="Lines name,passphrase: a PKCS #12 file per device.")
]
Policy = Annotated[str | None, typer.Option(help="An IoT policy that exists, for each certificate.")]
Type = Annotated[str | None, typer.Option(help="A thing type that exists.")]
Template = Annotated[
    Path | None,
    typer.Option(
        help="A RegisterThing template; it gets ThingName, SerialNumber and CSR, as it declares them."
    ),
]
More = Annotated[list[str] | None, typer.Option("--parameter", help="name=value for the template.")]
Together = Annotated[bool, typer.Option("--per-batch", help="One hand-over file per batch, not per device.")]
Batch = Annotated[int, typer.Option(min=1, max=1000, help="Devices between two writes of the journal.")]
Workers = Annotated[int, typer.Option("--concurrency", min=1, max=64, help="Requests under way at once.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="The node's data folder; or else what `sekisho env` has set, or .sekisho."),
]


@factory.command("make")
def make(
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many devices there are to be.")],
    name: Annotated[str, typer.Option(help="Thing names, with the number as {n}: 'press-{n:05}'.")],
    out: Out,
    recipient: To = None,
    passphrases: Phrases = None,
    policy: Policy = None,
    thing_type: Type = None,
    template: Template = None,
    parameter: More = None,
    key: Annotated[str, typer.Option(help=f"The kind of key: {', '.join(KEYS)}.")] = KEYS[0],
    first: Annotated[int, typer.Option(min=0, help="The first number.")] = 1,
    per_batch: Together = False,
    batch: Batch = 50,
    concurrency: Workers = 8,
    data: Data = None,
) -> None:
    """Make keys here, have them certified, and hand both over; no key is ever on a disk in plain."""
    if key not in KEYS:
        raise fail(f"--key {key} is none of {', '.join(KEYS)}")
    if not recipient and passphrases is None:
        raise fail("say who may have the keys: --recipient CERTIFICATE or --passphrases FILE")
    _check_pattern(name, first)
    seal = _seal(recipient, passphrases, per_batch)
    body = _template(template, policy, thing_type)
    given = _parameters(parameter)
    job = {"command": "make", "name": name, "first": first, "key": key} | _same(body, given, recipient)
    names = (name.format(n=number) for number in range(first, first + count))
    reached = reach(data, concurrency)
    work_through(
        _built(lambda: Make(reached.iot, body, given, key)),
        job,
        names,
        count,
        Place(out, reached.endpoint, reached.ca),
        seal,
        Pace(concurrency, batch, per_batch),
    )


@factory.command("sign")
def sign(
    csrs: Annotated[Path, typer.Option(help="Folder of NAME.csr or NAME.pem, one request per device.")],
    out: Out,
    recipient: To = None,
    policy: Policy = None,
    thing_type: Type = None,
    template: Template = None,
    parameter: More = None,
    per_batch: Together = False,
    batch: Batch = 50,
    concurrency: Workers = 8,
    data: Data = None,
) -> None:
    """Certify the requests of devices that made their own keys."""
    files = _files(csrs, (".csr", ".pem"))
    body = _template(template, policy, thing_type)
    given = _parameters(parameter)
    reached = reach(data, concurrency)
    work_through(
        _built(lambda: Sign(reached.iot, body, given, files)),
        {"command": "sign"} | _same(body, given, recipient),
        sorted(files),
        len(files),
        Place(out, reached.endpoint, reached.ca),
        _seal(recipient, None, per_batch),
        Pace(concurrency, batch, per_batch),
    )


@factory.command("import")
def import_(
    certificates: Annotated[Path, typer.Option(help="Folder of NAME.pem or NAME.crt, one certificate each.")],
    out: Out,
    recipient: To = None,
    policy: Policy = None,
    thing_type: Type = None,
    per_batch: Together = False,
    batch: Batch = 50,
    concurrency: Workers = 8,
    data: Data = None,
) -> None:
    """Register certificates of others, such as a chip's vendor, without their CA."""
    files = _files(certificates, (".pem", ".crt"))
    reached = reach(data, concurrency)
    job = {"command": "import", "policy": policy, "thing type": thing_type} | _same("", {}, recipient)
    work_through(
        Import(reached.iot, policy, thing_type, files),
        job,
        sorted(files),
        len(files),
        Place(out, reached.endpoint, reached.ca),
        _seal(recipient, None, per_batch),
        Pace(concurrency, batch, per_batch),
    )


@factory.command("open")
def open_(
    file: Annotated[Path, typer.Argument(help="A hand-over file.")],
    certificate: Annotated[Path | None, typer.Option(help="The recipient's certificate.")] = None,
    key: Annotated[Path | None, typer.Option(help="The recipient's private key.")] = None,
    passphrase_file: Annotated[Path | None, typer.Option(help="The passphrase of the key or file.")] = None,
) -> None:
    """Print what is in a hand-over file as JSON. Nothing is written to a disk."""
    leave_no_core()
    content = read_file(file, MAX_FILE)
    passphrase = read_file(passphrase_file, 4096).rstrip(b"\r\n") if passphrase_file else None
    try:
        if file.suffix == Plain.suffix:
            opened = content
        elif file.suffix == WithPassphrases.suffix:
            opened = open_pkcs12(content, passphrase or typer.prompt("Passphrase", hide_input=True).encode())
        elif certificate is None or key is None:
            raise fail("say for whom it is: --certificate and --key of the recipient")
        else:
            opened = open_envelope(content, read_file(certificate), read_file(key), passphrase)
    except HandOverError as error:
        raise fail(f"{file}: {error}") from None
    sys.stdout.write(opened.decode())


# --- what the commands share -------------------------------------------------------------------------------


def _built(build: Any) -> Any:
    try:
        return build()
    except Refused as error:
        raise fail(str(error)) from None


def _check_pattern(pattern: str, first: int) -> None:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(pattern) if field is not None]
        if set(fields) != {"n"} or pattern.format(n=1) == pattern.format(n=2):
            raise fail(
                f"--name {pattern!r} must have the number in it, as {{n}} or {{n:05}}, and nothing else"
            )
        check_name(pattern.format(n=first))
    except (ValueError, KeyError, IndexError, AttributeError, MemoryError) as error:
        raise fail(f"--name {pattern!r}: {error}") from None
    except Refused as error:
        raise fail(f"--name: {error}") from None


def _seal(recipients: list[Path] | None, passphrases: Path | None, together: bool) -> Seal:
    from cryptography import x509

    try:
        if passphrases is not None:
            if recipients or together:
                raise fail("--passphrases is for one file per device and no recipient")
            return WithPassphrases(
                read_passphrases(read_file(passphrases, MAX_FILE).decode(errors="replace"))
            )
        if not recipients:
            return Plain()
        found = []
        for path in recipients:
            try:
                found.append(x509.load_pem_x509_certificate(read_file(path)))
            except ValueError:
                raise fail(f"{path} is not PEM of a certificate") from None
        return ForRecipients(found, time.time())
    except HandOverError as error:
        raise fail(str(error)) from None


def _template(path: Path | None, policy: str | None, thing_type: str | None) -> str:
    if path is None:
        return plain_template(policy, thing_type)
    if policy is not None or thing_type is not None:
        raise fail("--policy and --thing-type are for runs without --template; put them into the template")
    return read_file(path).decode(errors="replace")


def _parameters(given: list[str] | None) -> dict[str, str]:
    found = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not equals:
            raise fail(f"--parameter {one} is not name=value")
        found[name] = value
    return found


def _same(template: str, parameters: Mapping[str, str], recipients: list[Path] | None) -> dict[str, Any]:
    """What a run must have in common with the one that it goes on with."""
    return {
        "template": hashlib.sha256(template.encode()).hexdigest()[:16],
        "parameters": dict(parameters),
        "recipients": [hashlib.sha256(read_file(path)).hexdigest()[:16] for path in recipients or ()],
    }


def _files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The folder's files by device name."""
    found: dict[str, Path] = {}
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise fail(f"{folder}: {error.strerror}") from None
    for entry in entries:
        path = Path(entry.path)
        if path.suffix in suffixes and entry.is_file():
            if path.stem in found:
                raise fail(f"{found[path.stem]} and {path} are of the same device")
            found[path.stem] = path
    if not found:
        raise fail(f"{folder} has no file that ends in {' or '.join(suffixes)}")
    return found
