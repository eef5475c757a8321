"""``sekisho manifest import``: the chips that a vendor of secure elements says it has delivered."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.cli.commands import app, fail
from sekisho.cli.factory.commands import Batch, Data, Policy, Type, Workers
from sekisho.cli.factory.jobs import Manifest
from sekisho.cli.factory.line import Pace, Place
from sekisho.cli.factory.run import read_file, work_through
from sekisho.cli.node_client import reach
from sekisho.logic.manifest import (
    MAX_MANIFEST,
    BadEntry,
    BadManifest,
    Chip,
    read_entry,
    read_manifest,
    vendor_keys,
)

manifest = typer.Typer(no_args_is_help=True, help="Manifests of secure elements' vendors.")
app.add_typer(manifest, name="manifest")


@manifest.callback()
def _several() -> None:
    """Manifests of secure elements' vendors."""


@manifest.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="JSON array of signed entries, one per chip.")],
    ca: Annotated[Path, typer.Option("--ca", help="PEM of the vendor's certificates that sign entries.")],
    policy: Policy = None,
    thing_type: Type = None,
    name: Annotated[str, typer.Option(help="Thing names, with the chip's unique id as {id}.")] = "{id}",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the journal; FILE.imported if not given.")
    ] = None,
    batch: Batch = 50,
    concurrency: Workers = 8,
    data: Data = None,
) -> None:
    """Verify each entry's signature, register its certificate without CA, and make its thing."""
    from cryptography import x509

    if "{id}" not in name:
        raise fail(f"--name {name!r} must have the unique id in it, as {{id}}")
    try:
        keys = vendor_keys(x509.load_pem_x509_certificates(read_file(ca)))
        found = read_manifest(read_file(file, MAX_MANIFEST))
    except BadManifest as error:
        raise fail(f"{file}: {error}") from None
    except ValueError:
        raise fail(f"{ca} is not PEM of certificates") from None
    entries = by_name(found, keys, name)
    reached = reach(data, concurrency)
    signer = hashlib.sha256(read_file(ca)).hexdigest()[:16]
    job = {"command": "manifest", "ca": signer, "name": name, "policy": policy, "thing type": thing_type}
    folder = file.with_name(f"{file.name}.imported") if out is None else out
    work_through(
        Manifest(reached.iot, policy, thing_type, entries),
        job,
        list(entries),
        len(entries),
        Place(folder, reached.endpoint, reached.ca),
        None,
        Pace(concurrency, batch, False),
    )


def by_name(found: list[Any], keys: list[Any], pattern: str) -> dict[str, Chip | str]:
    """Chips by the name that their thing is to have; words by ``entry N`` for those that cannot be used."""
    entries: dict[str, Chip | str] = {}
    for number, entry in enumerate(found, start=1):
        try:
            chip = read_entry(entry, keys)
            name = pattern.replace("{id}", chip.unique_id)
            if entries.setdefault(name, chip) != chip:
                raise BadEntry(f"{chip.unique_id} is in the manifest before, with another certificate")
        except BadEntry as error:
            entries[f"entry {number}"] = str(error)
    return entries
