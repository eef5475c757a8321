"""Domains of one's own on a node, and clients that come by their names."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api.authorities import Authority
from api.servers import brought, server
from interop.devices import ANYTHING, Device, Factory, until
from interop.wire import Closed, Wire

NUMBERS = itertools.count(1)


class Operator:
    """Who brings names and certificates along: an authority, and clients of an account."""

    def __init__(self, node: Any, folder: Path, **how: Any) -> None:
        self.node = node
        self.iot = node.client("iot", **how)
        self.acm = node.client("acm", **how)
        self.authority = Authority("The Operator's Authority")
        self.ca = str(folder / f"operator-{next(NUMBERS)}.pem")
        Path(self.ca).write_text(self.authority.pem)

    def domain(self, *, ocsp: str = "", **settings: Any) -> Domain:
        return Domain(self, f"d{next(NUMBERS)}", ocsp, **settings)


class Domain:
    """A domain configuration of a host name of its own, with a certificate that was brought along."""

    def __init__(self, operator: Operator, name: str, ocsp: str, **settings: Any) -> None:
        self.operator = operator
        self.name = name
        self.host = f"{name}.example.com"
        acm, iot = operator.acm, operator.iot
        self.papers = server(operator.authority, self.host, ocsp=ocsp)
        self.certificate = acm.import_certificate(**brought(self.papers, operator.authority))[
            "CertificateArn"
        ]
        self.proof = acm.request_certificate(DomainName=self.host)["CertificateArn"]
        iot.create_domain_configuration(
            domainConfigurationName=name,
            domainName=self.host,
            serverCertificateArns=[self.certificate],
            validationCertificateArn=self.proof,
            **settings,
        )
        # As on AWS, a name is served a little after it was made.
        until(lambda: served(operator.node, self.host) == self.papers.pem)

    def change(self, **settings: Any) -> None:
        self.operator.iot.update_domain_configuration(domainConfigurationName=self.name, **settings)

    def bring(self, *names: str, ocsp: str = "") -> Any:
        """A new certificate under the same ARN."""
        papers = server(self.operator.authority, *(names or (self.host,)), ocsp=ocsp)
        chain = brought(papers, self.operator.authority)
        self.operator.acm.import_certificate(CertificateArn=self.certificate, **chain)
        return papers

    def delete(self) -> None:
        self.change(domainConfigurationStatus="DISABLED")
        self.operator.iot.delete_domain_configuration(domainConfigurationName=self.name)

    def wire(self, who: Device | None = None, **more: Any) -> Wire:
        """A TLS connection by its name, whose certificate is checked."""
        more = {"server_name": self.host, "check_name": True, "address": self.operator.node.mqtt} | more
        identity = who.identity if who is not None else None
        return Wire(more.pop("address"), self.operator.ca, identity, **more)


@pytest.fixture(scope="module")
def operator(node, tmp_path_factory):
    """Of the module's node."""
    return Operator(node, tmp_path_factory.mktemp("operator"))


@pytest.fixture
def domain(operator):
    """One of the test's own; there may be ten at a time."""
    domain = operator.domain()
    yield domain
    domain.delete()


@pytest.fixture(scope="module")
def device(node, tmp_path_factory):
    """Makes a device of the module's node."""
    return Factory(node, node.client("iot"), tmp_path_factory.mktemp("devices"))


@pytest.fixture(scope="module")
def who(device):
    """A device that may do anything."""
    return device("anything", statements=ANYTHING)


def code(
    domain: Domain, name: str, who: Device | None = None, *, at: Any = None, **connect: Any
) -> int | None:
    """How a CONNECT is answered, at the node or another address; None if it is not."""
    with domain.wire(who, **({"address": at} if at is not None else {})) as wire:
        try:
            return wire.connect(name, **connect).code
        except Closed:
            return None


def s_client(node: Any, name: str, *options: str) -> str:
    """What ``openssl s_client`` tells of a handshake."""
    host, port = node.mqtt
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", name, "-showcerts"]
    done = subprocess.run(
        [*command, *options], input="", capture_output=True, text=True, timeout=20, check=False
    )
    return done.stdout + done.stderr


def certificates_in(told: str) -> list[str]:
    """The certificates that ``s_client`` showed, in PEM."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n"
    return [begin + part.partition(end)[0] + end for part in told.split(begin)[1:]]


def served(node: Any, name: str) -> str:
    """The first certificate that is served for a name, in PEM."""
    return certificates_in(s_client(node, name))[0]
