"""Claims of trusted users: a certificate for five minutes, good for provisioning by its template alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from api.making import ROLE, refused
from api.newcomer import CREATE, PROVISION, Newcomer
from api.test_provisioning_hooks import BODY
from interop.devices import until
from interop.wire import Wire


@pytest.fixture
def made(iot, name):
    iot.create_provisioning_template(
        templateName=name, templateBody=BODY, provisioningRoleArn=ROLE, enabled=True
    )
    return name


@pytest.fixture
def claim(node, iot, made, tmp_path):
    """The claim as the installer's app hands it to the device."""
    answer = iot.create_provisioning_claim(templateName=made)
    files = tmp_path / "crt", tmp_path / "key"
    files[0].write_text(answer["certificatePem"])
    files[1].write_text(answer["keyPair"]["PrivateKey"])

    def online(client_id, version=5):
        wire = Wire(node.mqtt, node.ca, (str(files[0]), str(files[1])))
        code = wire.connect(client_id, version).code
        if code:
            wire.close()
        return code, wire

    return SimpleNamespace(answer=answer, online=online)


def test_the_answer(claim):
    answer = claim.answer
    certificate = x509.load_pem_x509_certificate(answer["certificatePem"].encode())
    key = load_pem_private_key(answer["keyPair"]["PrivateKey"].encode(), None)
    assert key.public_key() == certificate.public_key()
    assert answer["keyPair"]["PublicKey"].startswith("-----BEGIN PUBLIC KEY-----")
    assert answer["expiration"] == certificate.not_valid_after_utc
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)


def test_it_provisions_a_device(iot, claim, made):
    code, wire = claim.online("installer")
    assert code == 0
    with wire:
        newcomer = Newcomer(wire, made)
        answer = newcomer.provision(Name=f"{made}-1", Line="x")
        assert answer.accepted, answer.body
        keys = newcomer.keys().body
        answer = newcomer.register(keys["certificateOwnershipToken"], Name=f"{made}-2", Line="x")
        assert answer.accepted, answer.body
    (principal,) = iot.list_thing_principals(thingName=f"{made}-1")["principals"]
    assert claim.answer["certificateId"] not in principal


def test_it_may_nothing_else(claim, made, own):
    for topic in ("devices/x", PROVISION.format("another", "json"), "$aws/things/x/shadow/update"):
        code, wire = claim.online("curious")
        assert code == 0
        with wire:
            assert wire.publish(topic, b"{}") == 0x87
            assert wire.subscribe(topic, "#") == [0x87, 0x87]
            assert wire.publish(CREATE.format("json"), b"") == 0
    refusal = own.list_refusals(clientId="curious", maxResults=1)["refusals"][0]
    assert refusal["policies"][0]["policyName"] == f"(claim of template {made})"


def test_it_is_no_certificate_of_the_registry(iot, claim):
    id = claim.answer["certificateId"]
    assert id not in {c["certificateId"] for c in iot.list_certificates(pageSize=250)["certificates"]}
    with refused("ResourceNotFoundException", 404, id):
        iot.describe_certificate(certificateId=id)
    with refused("ResourceNotFoundException", 404, id):
        iot.update_certificate(certificateId=id, newStatus="INACTIVE")


def test_after_five_minutes_it_is_gone_and_whoever_uses_it_is_cut_off(claim, made, sql, own):
    code, wire = claim.online("slow")
    assert code == 0
    id = claim.answer["certificateId"]

    def row():
        return sql(f"SELECT kind FROM resource WHERE id = '{id}'")

    try:
        own.set_clock(advanceSeconds=290)
        with wire:
            assert Newcomer(wire, made).csr().accepted
            assert row() == [("claim",)]
            own.set_clock(advanceSeconds=11)
            assert wire.until_closed() == 0x87
        until(lambda: not row())
        assert claim.online("late")[0] == 0x87
        assert "not registered" in own.list_refusals(clientId="late")["refusals"][0]["reason"]
    finally:
        own.set_clock(reset=True)


def test_templates_for_which_there_is_none(iot, name):
    with refused("ResourceNotFoundException", 404, name):
        iot.create_provisioning_claim(templateName=name)
    iot.create_provisioning_template(
        templateName=name, templateBody='{"Resources": {}}', provisioningRoleArn=ROLE, type="JITP"
    )
    with refused("InvalidRequestException", 400, name):
        iot.create_provisioning_claim(templateName=name)


def test_expiring_one_early_does_nothing(own, claim):
    id = claim.answer["certificateId"]
    assert own.expire_provisioning_claim(certificateId=id)["expired"] is False
    assert own.expire_provisioning_claim(certificateId="0" * 64)["expired"] is True


def test_q12_the_claims_private_key_is_nowhere_afterwards(claim, node, sql):
    body = "".join(claim.answer["keyPair"]["PrivateKey"].splitlines()[1:-1])
    everything = [node.log]
    everything += [file.read_text("latin-1") for file in node.data.rglob("*") if file.is_file()]
    everything += [row[0] for row in sql("SELECT body FROM resource")]
    everything += [row[0] for row in sql("SELECT detail FROM audit")]
    flat = "".join(everything).replace("\\n", "").replace("\n", "")
    assert claim.answer["certificateId"] in "".join(row[0] for row in sql("SELECT id FROM resource"))
    for start in range(0, len(body) - 40, 40):
        assert body[start : start + 40] not in flat
