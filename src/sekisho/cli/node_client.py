"""The node as the commands see it: a client of its API, and what a device must know to reach it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from sekisho.cli.commands import DEFAULT_DATA, fail, read_credentials, read_endpoints

ATTEMPTS = 1
"""The client tries once: a request that may have been carried out is looked after by whoever sent it."""


class Reached(NamedTuple):
    """``endpoint`` is host:port of MQTT over TLS; ``ca`` the PEM that a device trusts."""

    iot: Any
    endpoint: str
    ca: str


def reach(data: Path | None, connections: int = 10) -> Reached:
    """The node of a data folder or, if none is given, the one in the environment (`sekisho env`).

    Raises `typer.Exit` with words. ``connections`` requests may be under way at once.
    """
    from botocore.config import Config as ClientConfig
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    more = ClientConfig(
        retries={"total_max_attempts": ATTEMPTS},
        max_pool_connections=connections,
        connect_timeout=10,
        read_timeout=60,
    )
    if data is None and "AWS_ENDPOINT_URL_IOT" in os.environ:
        try:
            endpoint, ca = os.environ["SEKISHO_MQTT"], Path(os.environ["SEKISHO_CA"])
        except KeyError as error:
            raise fail(f'{error.args[0]} is not set; use: eval "$(sekisho env)"') from None
        try:
            return _reached(Session().create_client("iot", config=more), endpoint, ca)
        except BotoCoreError as error:
            raise fail(str(error)) from None
    data = DEFAULT_DATA if data is None else data
    at = read_endpoints(data)
    key, secret = read_credentials(data)
    # The user's own profile and proxy are for AWS, not for this node.
    session = Session(session_vars={"profile": (None, None, None, None)})
    client = session.create_client(
        "iot",
        region_name=at["region"],
        endpoint_url=f"http://{at['api']}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=more.merge(ClientConfig(proxies={})),
    )
    return _reached(client, at["mqtt"], Path(at["ca"]))


def _reached(client: Any, listener: str, ca: Path) -> Reached:
    """The host is the account's and region's own: a device is told apart by the name that it asks for."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        host = client.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    except (BotoCoreError, ClientError) as error:
        raise fail(f"the node does not answer: {error}") from None
    try:
        return Reached(client, f"{host}:{listener.rpartition(':')[2]}", ca.read_text())
    except OSError as error:
        raise fail(f"{ca}: {error.strerror}") from None
