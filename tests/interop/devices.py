"""Devices for tests: a key made here, a certificate for its CSR, a thing, a policy of its own."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from interop.wire import PATIENCE, Wire

T = TypeVar("T")

WITHIN = 1.0
"""Seconds in which a change must have reached live sessions (the project's promise)."""

NUMBERS = itertools.count(1)


def until(found: Callable[[], T], within: float = PATIENCE) -> T:
    """What ``found`` returns as soon as it is true."""
    end = time.monotonic() + within
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < end, f"not within {within} s"
        time.sleep(0.01)


def allow(action: str, *resources: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    """A statement: ``allow("Publish", "topic/a/*")``."""
    return {
        "Effect": effect,
        "Action": f"iot:{action}",
        "Resource": [f"arn:aws:iot:us-east-1:000000000000:{resource}" for resource in resources],
        **more,
    }


def deny(action: str, *resources: str, **more: Any) -> dict[str, Any]:
    return allow(action, *resources, effect="Deny", **more)


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def least_privilege(name: str) -> list[dict[str, Any]]:
    """A device's own topics, and nothing else."""
    return [
        allow("Connect", "client/${iot:Connection.Thing.ThingName}"),
        allow("Publish", f"topic/devices/{name}/*"),
        allow("Subscribe", f"topicfilter/devices/{name}/*"),
        allow("Receive", f"topic/devices/{name}/*"),
    ]


ANYTHING = [allow("*", "*")]


def new_key() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def new_csr(key: ec.EllipticCurvePrivateKey, common_name: str, **names: str) -> str:
    """A CSR; ``names`` are further attributes of the subject, by their ``NameOID`` names."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    attributes += [x509.NameAttribute(getattr(NameOID, oid), value) for oid, value in names.items()]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@dataclass
class Device:
    """A registered device, and the files that it would have been given."""

    node: Any
    name: str
    certificate: Path
    key: Path
    certificate_id: str
    arn: str
    policy: str

    @property
    def identity(self) -> tuple[str, str]:
        return str(self.certificate), str(self.key)

    def wire(self, **more: Any) -> Wire:
        """A TLS connection on the MQTT port, no CONNECT sent."""
        return Wire(more.pop("address", self.node.mqtt), self.node.ca, self.identity, **more)

    def online(self, client_id: str | None = None, version: int = 4, **more: Any) -> Wire:
        """A connection that has been accepted."""
        wire = self.wire()
        try:
            answer = wire.connect(self.name if client_id is None else client_id, version, **more)
            assert answer.code == 0, f"CONNACK {answer.code:#x}"
        except BaseException:
            wire.close()
            raise
        return wire


class Factory:
    """Makes devices on one node. ``iot`` is a boto3 client of it."""

    def __init__(self, node: Any, iot: Any, folder: Path) -> None:
        self.node = node
        self.iot = iot
        self.folder = folder

    def __call__(
        self,
        prefix: str = "device",
        *,
        statements: list[dict[str, Any]] | None = None,
        thing: bool = True,
        active: bool = True,
        attributes: Mapping[str, str] = {},
        subject: Mapping[str, str] = {},
        exclusive: bool = False,
    ) -> Device:
        """``statements`` instead of the least that a device needs; an empty list is no policy at all."""
        name = f"{prefix}-{next(NUMBERS)}"
        iot = self.iot
        key, key_pem = new_key()
        made = iot.create_certificate_from_csr(
            certificateSigningRequest=new_csr(key, name, **subject), setAsActive=active
        )
        arn = made["certificateArn"]
        certificate_file, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        certificate_file.write_text(made["certificatePem"])
        key_file.write_bytes(key_pem)
        if statements is None:
            statements = least_privilege(name)
        if statements:
            iot.create_policy(policyName=name, policyDocument=document(*statements))
            iot.attach_policy(policyName=name, target=arn)
        if thing:
            iot.create_thing(thingName=name, attributePayload={"attributes": dict(attributes)})
            how = {"thingPrincipalType": "EXCLUSIVE_THING"} if exclusive else {}
            iot.attach_thing_principal(thingName=name, principal=arn, **how)
        return Device(self.node, name, certificate_file, key_file, made["certificateId"], arn, name)
