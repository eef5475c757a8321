"""What fleet provisioning rejects, and how it says so."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from interop.claiming import CSR, TEMPLATE, Newcomer, key_and_csr, provision, status_of
from interop.devices import allow, deny

GOOD = "a token that is good"
PARAMETERS = {"SerialNumber": "rejected"}


def register(token: str, **parameters: Any) -> dict[str, Any]:
    return {"certificateOwnershipToken": token, "parameters": parameters}


REJECTED = {
    "a template that is not there": (
        provision("nowhere"),
        register(GOOD, **PARAMETERS),
        404,
        "ResourceNotFound",
        "nowhere",
    ),
    "a disabled template": (provision("closed"), register(GOOD, **PARAMETERS), 403, "AccessDenied", "closed"),
    "a missing parameter": (
        provision(TEMPLATE),
        register(GOOD, Line="x"),
        400,
        "InvalidParameters",
        "SerialNumber",
    ),
    "a parameter that is no string": (
        provision(TEMPLATE),
        register(GOOD, SerialNumber=7),
        400,
        "InvalidParameters",
        "SerialNumber",
    ),
    "a thing name that cannot be": (
        provision(TEMPLATE),
        register(GOOD, SerialNumber="a b/c"),
        400,
        "InvalidParameters",
        "thingName",
    ),
    "no token": (
        provision(TEMPLATE),
        {"parameters": PARAMETERS},
        400,
        "InvalidCertificateOwnershipToken",
        "Certificate ownership token cannot be empty.",
    ),
    "an empty token": (
        provision(TEMPLATE),
        register("", **PARAMETERS),
        400,
        "InvalidCertificateOwnershipToken",
        "Certificate ownership token cannot be empty.",
    ),
    "an unknown token": (
        provision(TEMPLATE),
        register("x" * 80, **PARAMETERS),
        400,
        "InvalidCertificateOwnershipToken",
        "unknown",
    ),
    "not JSON": (provision(TEMPLATE), b"{", 400, "InvalidParameters", "not JSON"),
    "not an object": (provision(TEMPLATE), b"[1]", 400, "InvalidParameters", "object"),
    "not UTF-8": (CSR, b"\xff\xfe{}", 400, "InvalidParameters", "not JSON"),
    "nested without end": (CSR, b"[" * 100000, 400, "InvalidParameters", "not JSON"),
    "no CSR": (CSR, {}, 400, "", "certificateSigningRequest"),
    "an empty payload for a CSR": (CSR, b"", 400, "", "certificateSigningRequest"),
    "a CSR that is none": (CSR, {"certificateSigningRequest": "hello"}, 400, "", "PEM"),
    "a CSR that is a number": (CSR, {"certificateSigningRequest": 7}, 400, "", "certificateSigningRequest"),
    "a CSR that is too long": (CSR, {"certificateSigningRequest": "x" * 5000}, 400, "", "4096"),
}
"""What → topic, request, status, code (where the facts or the project say which), words."""


@pytest.mark.parametrize("what", REJECTED)
def test_rejected(newcomer, what):
    topic, request, status, code, words = REJECTED[what]
    if isinstance(request, dict) and request.get("certificateOwnershipToken") == GOOD:
        request = request | {"certificateOwnershipToken": newcomer.certificate()["certificateOwnershipToken"]}
    rejected = newcomer.rejected(topic, request)
    assert rejected["statusCode"] == status
    assert rejected["errorCode"] == code or not code
    assert re.fullmatch(r"[A-Za-z]+", rejected["errorCode"])
    assert words in rejected["errorMessage"]


def test_a_csr_with_a_broken_signature(newcomer):
    _, csr = key_and_csr()
    lines = csr.strip().splitlines()
    lines[-2] = lines[-2][:-8] + ("AAAA" if lines[-2][-8:-4] != "AAAA" else "BBBB") + lines[-2][-4:]
    rejected = newcomer.rejected(CSR, {"certificateSigningRequest": "\n".join(lines) + "\n"})
    assert rejected["statusCode"] == 400
    assert "signing request" in rejected["errorMessage"]


def test_a_claim_whose_policy_says_no(device, iot, templates):
    narrow = device(
        "narrow", thing=False, statements=[allow("*", "*"), deny("Publish", f"topic/{provision('factory')}")]
    )
    with narrow.online(version=5) as wire:
        newcomer = Newcomer(wire)
        token = newcomer.certificate()["certificateOwnershipToken"]
        request = {"certificateOwnershipToken": token, "parameters": {"SerialNumber": "narrow"}}
        assert wire.publish(provision("factory"), json.dumps(request).encode()) == 0x87
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName="made-narrow")


def test_an_inactive_claim_certificate_stops_provisioning(device, iot, templates):
    batch = device("batch", thing=False, statements=[allow("*", "*")])
    with batch.online(version=5) as wire:
        newcomer = Newcomer(wire)
        done = newcomer.certificate()
        newcomer.accepted(
            provision(TEMPLATE),
            certificateOwnershipToken=done["certificateOwnershipToken"],
            parameters={"SerialNumber": "of-the-batch"},
        )
        iot.update_certificate(certificateId=batch.certificate_id, newStatus="INACTIVE")
        assert wire.until_closed() == 0x87
    with batch.wire() as wire:
        assert wire.connect("late", 5).code == 0x87
    assert status_of(iot, done) == "ACTIVE"
