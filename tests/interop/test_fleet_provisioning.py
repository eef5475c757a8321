"""Fleet provisioning by claim over MQTT, as a device without the SDK would do it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from interop.claiming import CREATE, CSR, TEMPLATE, Newcomer, key_and_csr, provision, status_of
from interop.devices import until
from interop.packets import PUBACK, publish_packet
from interop.wire import Wire

# --- the way it should go ----------------------------------------------------------------------------------


def test_by_csr(node, iot, claim, tmp_path, version):
    serial = f"csr-{version}"
    key_pem, csr = key_and_csr("its own name")
    with claim.online("new", version=version) as wire:
        newcomer = Newcomer(wire)
        made = newcomer.accepted(CSR, certificateSigningRequest=csr)
        assert set(made) == {"certificateId", "certificatePem", "certificateOwnershipToken"}
        assert status_of(iot, made) == "PENDING_ACTIVATION"
        certificate = x509.load_pem_x509_certificate(made["certificatePem"].encode())
        assert certificate.subject.rfc4514_string() == "CN=its own name"
        (tmp_path / "crt").write_text(made["certificatePem"])
        (tmp_path / "key").write_bytes(key_pem)
        identity = str(tmp_path / "crt"), str(tmp_path / "key")
        with Wire(node.mqtt, node.ca, identity) as early:
            assert early.connect(f"made-{serial}", 5).code == 0x87
        registered = newcomer.accepted(
            provision(TEMPLATE),
            certificateOwnershipToken=made["certificateOwnershipToken"],
            parameters={"SerialNumber": serial},
        )
    assert registered == {
        "thingName": f"made-{serial}",
        "deviceConfiguration": {"topic": f"devices/{serial}"},
    }
    assert status_of(iot, made) == "ACTIVE"
    assert iot.describe_thing(thingName=f"made-{serial}")["attributes"] == {"serial": serial, "line": "one"}
    (principal,) = iot.list_thing_principals(thingName=f"made-{serial}")["principals"]
    assert principal.endswith(f":cert/{made['certificateId']}")
    with Wire(node.mqtt, node.ca, identity) as itself:
        assert itself.connect(f"made-{serial}").code == 0


@pytest.mark.parametrize("payload", [b"", b"{}"])
def test_by_keys(iot, newcomer, payload):
    answer = newcomer.ask(CREATE, payload)
    assert answer.accepted
    made = answer.body
    assert set(made) == {"certificateId", "certificatePem", "privateKey", "certificateOwnershipToken"}
    certificate = x509.load_pem_x509_certificate(made["certificatePem"].encode())
    key = load_pem_private_key(made["privateKey"].encode(), None)
    assert key.key_size == 2048
    assert key.public_key() == certificate.public_key()
    assert made["privateKey"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    registered = newcomer.accepted(
        provision(TEMPLATE),
        certificateOwnershipToken=made["certificateOwnershipToken"],
        parameters={"SerialNumber": f"keys-{len(payload)}", "Line": "two"},
    )
    assert iot.describe_thing(thingName=registered["thingName"])["attributes"]["line"] == "two"


def test_the_same_device_again_gets_a_second_certificate(iot, newcomer):
    """A device that was reset: the thing is there and equal, so it is registered again."""
    for _ in range(2):
        token = newcomer.certificate()["certificateOwnershipToken"]
        newcomer.accepted(
            provision(TEMPLATE), certificateOwnershipToken=token, parameters={"SerialNumber": "twice"}
        )
    assert len(iot.list_thing_principals(thingName="made-twice")["principals"]) == 2


# --- who hears what ----------------------------------------------------------------------------------------


def test_answers_go_only_to_the_connection_that_asked(claim, newcomer, observer):
    observer.subscribe(f"{CREATE}/accepted", "$aws/certificates/#", "$aws/provisioning-templates/#", "#")
    with claim.online("eavesdropper") as other:
        Newcomer(other)
        made = newcomer.accepted(CREATE)
        newcomer.accepted(
            provision(TEMPLATE),
            certificateOwnershipToken=made["certificateOwnershipToken"],
            parameters={"SerialNumber": "private"},
        )
        newcomer.rejected(CSR, b"nonsense")
        assert other.messages() == []
        assert observer.messages() == []


def test_requests_are_seen_by_nobody(newcomer, observer):
    """They hold ownership tokens."""
    observer.subscribe("$aws/provisioning-templates/#", "$aws/certificates/#")
    newcomer.rejected(provision(TEMPLATE), {"certificateOwnershipToken": "secret"})
    assert observer.messages() == []


def test_an_answer_that_nobody_subscribed_to_is_lost(claim, iot):
    with claim.online("deaf") as wire:
        known = newest_certificate(iot)
        assert wire.publish(CSR, json.dumps({"certificateSigningRequest": key_and_csr()[1]}).encode()) == 0
        until(lambda: newest_certificate(iot) != known)
        newcomer = Newcomer(wire)
        assert wire.messages() == []
        assert newcomer.rejected(CSR, b"[]")["statusCode"] == 400


def newest_certificate(iot):
    return iot.list_certificates(pageSize=1)["certificates"][0]["certificateId"]


def test_the_successor_of_a_client_id_does_not_get_the_answer(claim):
    """Two connections with one client id: what the first asked for is not told to the second."""
    with claim.online("same") as first:
        Newcomer(first)
        first.send(publish_packet(CREATE, b"", qos=1, packet_id=77))
        first.take(PUBACK)
        with claim.online("same") as second:
            newcomer = Newcomer(second)
            first.until_closed()
            made = newcomer.accepted(CREATE)
            assert "privateKey" in made
            assert second.messages() == []


# --- tokens ------------------------------------------------------------------------------------------------


def test_a_token_is_used_once(newcomer):
    token = newcomer.certificate()["certificateOwnershipToken"]
    request = {"certificateOwnershipToken": token, "parameters": {"SerialNumber": "once"}}
    newcomer.accepted(provision(TEMPLATE), **request)
    rejected = newcomer.rejected(provision(TEMPLATE), request)
    assert (rejected["statusCode"], rejected["errorCode"]) == (400, "InvalidCertificateOwnershipToken")


def test_a_failed_registration_leaves_the_token_and_nothing_else(iot, newcomer):
    made = newcomer.certificate()
    request = {
        "certificateOwnershipToken": made["certificateOwnershipToken"],
        "parameters": {"SerialNumber": "half"},
    }
    rejected = newcomer.rejected(provision("broken"), request)
    assert "does-not-exist" in rejected["errorMessage"]
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName="made-half")
    assert status_of(iot, made) == "PENDING_ACTIVATION"
    newcomer.accepted(provision(TEMPLATE), **request)


def test_a_token_is_for_its_own_certificate(iot, claim, newcomer):
    """Whoever brings it, and whatever the parameters claim: the token says which certificate is meant."""
    with claim.online("another") as other:
        theirs = Newcomer(other).certificate()
    mine = newcomer.certificate()
    parameters = {"SerialNumber": "theirs", "AWS::IoT::Certificate::Id": mine["certificateId"]}
    newcomer.accepted(
        provision(TEMPLATE),
        certificateOwnershipToken=theirs["certificateOwnershipToken"],
        parameters=parameters,
    )
    assert status_of(iot, theirs) == "ACTIVE"
    assert status_of(iot, mine) == "PENDING_ACTIVATION"


def test_a_token_does_not_open_another_certificate(iot, claim, newcomer):
    """Not even through a template that takes the certificate's id from the device."""
    with claim.online("another") as other:
        theirs = Newcomer(other).certificate()
    request = {
        "certificateOwnershipToken": newcomer.certificate()["certificateOwnershipToken"],
        "parameters": {"SerialNumber": "taken", "Line": theirs["certificateId"]},
    }
    rejected = newcomer.rejected(provision("careless"), request)
    assert (rejected["statusCode"], rejected["errorCode"]) == (403, "AccessDenied")
    assert status_of(iot, theirs) == "PENDING_ACTIVATION"


def test_after_an_hour_the_token_and_the_pending_certificate_are_gone(iot, own, newcomer):
    used = newcomer.certificate()
    newcomer.accepted(
        provision(TEMPLATE),
        certificateOwnershipToken=used["certificateOwnershipToken"],
        parameters={"SerialNumber": "in-time"},
    )
    late = newcomer.certificate()
    try:
        own.set_clock(advanceSeconds=3590)
        assert status_of(iot, late) == "PENDING_ACTIVATION"
        own.set_clock(advanceSeconds=11)
        rejected = newcomer.rejected(
            provision(TEMPLATE),
            {
                "certificateOwnershipToken": late["certificateOwnershipToken"],
                "parameters": {"SerialNumber": "late"},
            },
        )
        assert rejected["errorCode"] == "InvalidCertificateOwnershipToken"

        until(lambda: status_of(iot, late) is None)
        assert status_of(iot, used) == "ACTIVE"
    finally:
        own.set_clock(reset=True)


# --- secrets -----------------------------------------------------------------------------------------------


def test_no_token_and_no_key_is_kept(node, newcomer):
    made = newcomer.accepted(CREATE)
    pending = newcomer.certificate()
    newcomer.accepted(
        provision(TEMPLATE),
        certificateOwnershipToken=made["certificateOwnershipToken"],
        parameters={"SerialNumber": "secret"},
    )
    newcomer.rejected(
        provision("closed"), {"certificateOwnershipToken": pending["certificateOwnershipToken"]}
    )
    files = {path.name: path.read_bytes() for path in node.data.rglob("*") if path.is_file()}
    explained = subprocess.run(
        [sys.executable, "-c", "from sekisho.cli import main; main()", "explain", "--data", node.data],
        check=True,
        capture_output=True,
    ).stdout
    everything = {**files, "log": node.log.encode(), "explain": explained}
    secrets = [made["certificateOwnershipToken"], pending["certificateOwnershipToken"]]
    secrets += made["privateKey"].splitlines()[1:-1]
    for secret in secrets:
        assert [name for name, content in everything.items() if secret.encode() in content] == []
    # The search can find what is there.
    line = made["certificatePem"].splitlines()[5].encode()
    assert [name for name, content in everything.items() if line in content]
