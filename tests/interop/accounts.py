"""Accounts and regions of one node, and devices that come to their endpoints by SNI on loopback."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from interop.devices import new_csr, new_key
from interop.wire import Closed, Wire, tls_context
from nodes import Node

DEFAULT = "000000000000"
HERE, THERE = "us-east-1", "eu-west-1"
"""The regions of the node; the first is the default."""

NUMBERS = itertools.count(1)


class Papers(NamedTuple):
    """A certificate and its key, in files, and the certificate's text."""

    certificate: Path
    key: Path
    pem: str

    @property
    def identity(self) -> tuple[str, str]:
        return str(self.certificate), str(self.key)


class Tenant:
    """An account in a region: its clients, and the names of its endpoints."""

    def __init__(self, node: Node, account: str, region: str) -> None:
        self.node = node
        self.account = account
        self.region = region
        self.iot = self.client("iot")
        self.own = self.client("sekisho")

    def client(self, service: str) -> Any:
        account = None if self.account == DEFAULT else self.account
        return self.node.client(service, account=account, region_name=self.region)

    def host(self, endpoint_type: str = "iot:Data-ATS") -> str:
        answer = self.iot.describe_endpoint(endpointType=endpoint_type)
        return str(answer["endpointAddress"])

    def arn(self, resource: str) -> str:
        return f"arn:aws:iot:{self.region}:{self.account}:{resource}"

    def policy(self, condition: Mapping[str, Any] | None = None) -> str:
        """A policy that allows everything in this account and region, and nothing elsewhere."""
        statement: dict[str, Any] = {"Effect": "Allow", "Action": "iot:*", "Resource": self.arn("*")}
        if condition is not None:
            statement["Condition"] = condition
        name = f"policy-{next(NUMBERS)}"
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iot.create_policy(policyName=name, policyDocument=text)
        return name

    def welcome(self, certificate_arn: str, condition: Mapping[str, Any] | None = None) -> None:
        """Attach a policy that allows everything."""
        self.iot.attach_policy(policyName=self.policy(condition), target=certificate_arn)

    def issue(self, folder: Path, condition: Mapping[str, Any] | None = None) -> Papers:
        """A certificate that the platform issues, with a policy that allows everything here."""
        key, key_pem = new_key()
        made = self.iot.create_certificate_from_csr(
            certificateSigningRequest=new_csr(key, "device"), setAsActive=True
        )
        self.welcome(made["certificateArn"], condition)
        return papers(folder, made["certificatePem"], key_pem)

    def wire(self, who: Papers, endpoint_type: str = "iot:Data-ATS") -> Wire:
        """A TLS connection to an endpoint, whose certificate is checked for the name."""
        return at(self.node, who, self.host(endpoint_type))

    def refusal(self, client_id: str) -> Mapping[str, Any]:
        """The last one of a client, as this account's explain tells it."""
        found: Mapping[str, Any] = self.own.list_refusals(clientId=client_id, maxResults=1)["refusals"][0]
        return found

    @contextmanager
    def online(self, who: Papers, client_id: str, version: int = 4) -> Iterator[Wire]:
        with self.wire(who) as wire:
            assert wire.connect(client_id, version).code == 0
            yield wire


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]


def papers(folder: Path, pem: str, key_pem: bytes) -> Papers:
    number = next(NUMBERS)
    found = Papers(folder / f"{number}.crt", folder / f"{number}.key", pem)
    found.certificate.write_text(pem)
    found.key.write_bytes(key_pem)
    return found


def at(node: Node, who: Papers, name: str | None) -> Wire:
    """A TLS connection on loopback that asks for a name, or for none; the node's certificate must be valid
    for the name that it asks for."""
    return Wire(node.mqtt, node.ca, who.identity, server_name=name, check_name=name is not None)


def connects(wire: Wire, client_id: str) -> bool:
    """Whether a CONNECT is accepted."""
    with wire:
        try:
            return wire.connect(client_id).code == 0
        except Closed:
            return False


def request(node: Node, who: Papers, host: str, method: str, path: str, body: bytes = b"") -> Answer:
    """An HTTPS request with a client certificate to an endpoint, on loopback."""

    class Connection(http.client.HTTPSConnection):
        def connect(self) -> None:
            http.client.HTTPConnection.connect(self)
            self.sock = tls_context(node.ca, who.identity).wrap_socket(self.sock, server_hostname=host)

    connection = Connection(*node.address("https"), timeout=10)
    try:
        connection.request(method, path, body, {"host": host})
        answer = connection.getresponse()
        return Answer(answer.status, json.loads(answer.read()))
    finally:
        connection.close()


def refused(wire: Wire, client_id: str) -> None:
    """3.1.1: closed without a CONNACK."""
    with wire, pytest.raises(Closed):
        wire.connect(client_id)
