"""What a node leaves in its data folder for who uses it: the root's key, CAs to trust, and its endpoints."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

import botocore

from sekisho.config import Config
from sekisho.keyring import Keyring, write_private
from sekisho.services.access import create_root_key
from sekisho.store.store import Store


async def ensure_credentials(config: Config, store: Store, keyring: Keyring, now: float) -> None:
    """The default account's root key, in a file that only the node's user can read; ``now`` is real."""
    path = config.data / "credentials"
    if path.exists():
        return
    key = await create_root_key(store, keyring, config["account"], now)
    write_private(path, f"[default]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret}\n")


def publish_endpoints(
    config: Config, ca_pem: str, loopback: str, mqtt: int, https: int, api: int
) -> dict[str, Any]:
    """Write ``ca.pem``, ``ca-bundle.pem`` and, last, ``endpoints.json``; returns what is in that."""
    data = config.data
    ca = data / "ca.pem"
    _replace(ca, ca_pem)
    # Other AWS calls of the same shell must go on to verify: the bundle has the world's CAs as well.
    world = Path(botocore.__file__).with_name("cacert.pem").read_text()
    _replace(data / "ca-bundle.pem", ca_pem + world)
    name = config["endpoint"]
    endpoints = {
        "mqtt": f"{name}:{mqtt}",
        "https": f"{name}:{https}",
        "api": f"{loopback}:{api}",
        "ca": str(ca),
        "account": config["account"],
        "region": config["region"],
        "pid": os.getpid(),
    }
    _replace(data / "endpoints.json", json.dumps(endpoints, indent=1) + "\n")
    return endpoints


def _replace(path: Path, text: str) -> None:
    """Write a file whole: whoever looks sees the old one or the new one."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.write_text(text)
    draft.replace(path)
