"""Functions as users write them. They run in processes of their own; what they are to do is in the event."""

from __future__ import annotations

import datetime
import json
import os
import time
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of one's own")])


def record(path: str, event: dict[str, Any]) -> None:
    with Path(path).open("a") as file:
        file.write(json.dumps(event) + "\n")


def hook(event: dict[str, Any]) -> Any:
    parameters = event["parameters"]
    if "Record" in parameters:
        record(parameters["Record"], event)
    match parameters.get("Do", "allow"):
        case "allow":
            return {"allowProvisioning": True}
        case "allow in words":
            return {"allowProvisioning": "true", "parameterOverrides": {}}
        case "override":
            return {"allowProvisioning": True, "parameterOverrides": {"Line": "from-the-hook", "New": "x"}}
        case "wait":
            while not Path(parameters["For"]).exists():
                time.sleep(0.01)
            return {"allowProvisioning": True}
        case "raise":
            raise ValueError("not that one")
        case "die":
            os._exit(1)
        case "hang":
            time.sleep(60)
    return json.loads(parameters["Do"])


def sign(event: dict[str, Any]) -> Any:
    """A certificate provider with an authority of its own; the request's organization says what to do."""
    csr = x509.load_pem_x509_csr(event["certificateSigningRequest"].encode())
    wishes = csr.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    wish = str(wishes[0].value) if wishes else ""
    what, _, path = wish.partition(" ")
    if what == "record":
        record(path, event)
    if what == "keep":
        pem = Path(path).read_text() if Path(path).exists() else signed(csr.subject, csr.public_key())
        Path(path).write_text(pem)
        return {"certificatePem": pem}
    match wish:
        case "no pem":
            return {}
        case "a number":
            return {"certificatePem": 7}
        case "not pem":
            return {"certificatePem": "hello"}
        case "raise":
            raise ValueError("not that one")
        case "other key":
            return {"certificatePem": signed(csr.subject, CA_KEY.public_key())}
        case "other subject":
            return {"certificatePem": signed(CA_NAME, csr.public_key())}
    return {"certificatePem": signed(csr.subject, csr.public_key())}


def signed(subject: x509.Name, key: Any) -> str:
    now = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().issuer_name(CA_NAME).subject_name(subject).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=20_000))
    return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def authorize(event: dict[str, Any]) -> Any:
    """An authorizer: the token says what to do, else it answers what it was asked."""
    match event.get("token"):
        case "refuse":
            return {"isAuthenticated": False, "principalId": "nobody"}
        case "raise":
            raise ValueError("not that one")
        case str(token) if token.startswith("{"):
            return json.loads(token)
    statement = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}
    document = {"Version": "2012-10-17", "Id": json.dumps(event), "Statement": [statement]}
    answer = {"isAuthenticated": True, "principalId": "somebody", "policyDocuments": [document]}
    return answer | {"refreshAfterInSeconds": 300, "disconnectAfterInSeconds": 3600}


def answer(event: dict[str, Any]) -> Any:
    """A topic trigger's function: it answers what the message tells it to."""
    payload = event.get("payload")
    if not isinstance(payload, dict):
        return {"publish": [{"topic": event["topic"].replace("/in", "/out"), "payload": event}]}
    if payload.get("hang"):
        time.sleep(60)
    if payload.get("raise"):
        raise ValueError("not that one")
    if payload.get("eventType") == "connected":
        return {"publish": [{"topic": f"hello/{payload['clientId']}", "payload": "hello"}]}
    if payload.get("loop"):
        return {"publish": [{"topic": event["topic"], "payload": payload}]}
    if payload.get("echo"):
        return {"publish": [{"topic": payload["echo"], "payload": event, "qos": 1}]}
    return payload.get("answer")
