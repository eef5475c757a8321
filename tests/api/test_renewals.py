"""Renewing a device's certificate: every state, and what each of the two certificates is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from typer.testing import CliRunner

from api.making import KEY, arn, certificate, csr, listed, refused
from interop.devices import ANYTHING, Device, allow, new_csr, new_key, until
from interop.wire import Closed, Wire
from sekisho.cli import papers

PAST_2049 = datetime(2077, 5, 4, 3, 2, 1, tzinfo=UTC)


def mine(name: str) -> list[dict[str, Any]]:
    """What a device needs for renewals, and its own topics."""
    topics = (f"$sekisho/renewals/{name}/*", f"devices/{name}/*")
    return [
        allow("Connect", "client/${iot:Connection.Thing.ThingName}"),
        allow("Publish", *(f"topic/{topic}" for topic in topics)),
        allow("Receive", *(f"topic/{topic}" for topic in topics)),
        allow("Subscribe", *(f"topicfilter/{topic}" for topic in topics)),
    ]


class Talk:
    """A device that is connected and hears everything about its renewals."""

    def __init__(self, device: Device, wire: Wire, base: str) -> None:
        self.device, self.wire, self.base = device, wire, base
        topics = ["request", "status", "get/accepted", "get/rejected", "csr/accepted", "csr/rejected"]
        for topic in topics:
            assert wire.subscribe(f"{base}/{topic}") == [1]

    def hears(self, what: str) -> dict[str, Any]:
        message = self.wire.message()
        assert message.topic == f"{self.base}/{what}", (message.topic, message.payload)
        return json.loads(message.payload)

    def asks(self, what: str, answer: str, **members: Any) -> dict[str, Any]:
        assert self.wire.publish(f"{self.base}/{what}", json.dumps(members).encode()) == 0
        return self.hears(f"{what}/{answer}")

    def sends(self, renewal: dict[str, Any], key: Any = KEY, answer: str = "accepted") -> dict[str, Any]:
        request = new_csr(key, self.device.name)
        return self.asks("csr", answer, renewalId=renewal["renewalId"], certificateSigningRequest=request)


@pytest.fixture
def device(factory, iot):
    made = factory("renews", statements=[])
    iot.create_policy(
        policyName=made.name,
        policyDocument=json.dumps({"Version": "2012-10-17", "Statement": mine(made.name)}),
    )
    iot.attach_policy(policyName=made.name, target=made.arn)
    return made


@pytest.fixture
def talk(device):
    with device.online() as wire:
        yield Talk(device, wire, f"$sekisho/renewals/{device.name}")


def renewed(device: Device, issued: dict[str, Any], key_pem: bytes, folder) -> Device:
    """The device with its new identity."""
    certificate, key = folder / "new.crt", folder / "new.key"
    certificate.write_text(issued["certificatePem"])
    key.write_bytes(key_pem)
    id = issued["certificateId"]
    return Device(device.node, device.name, certificate, key, id, arn(f"cert/{id}"), device.policy)


def state(iot, id: str) -> str:
    return iot.describe_certificate(certificateId=id)["certificateDescription"]["status"]


def attached(iot, id: str) -> tuple[list[str], list[str]]:
    target = arn(f"cert/{id}")
    policies = iot.list_attached_policies(target=target)["policies"]
    return [p["policyName"] for p in policies], iot.list_principal_things(principal=target)["things"]


def becomes(own, device: Device, status: str) -> dict[str, Any]:
    """The renewal once the node has brought it there by itself."""
    until(lambda: own.describe_certificate_renewal(thingName=device.name)["status"] == status)
    return own.describe_certificate_renewal(thingName=device.name)


# --- the way it should go -----------------------------------------------------------------------------------


def test_a_renewal_from_request_to_deletion(own, iot, device, talk, tmp_path, turned, sql):
    started = own.start_certificate_renewal(
        thingName=device.name, notAfter=PAST_2049, timeoutSeconds=3600, deleteAfterSeconds=86400
    )
    assert (started["status"], started["certificateId"]) == ("REQUESTED", device.certificate_id)
    assert started["deadline"] - started["requestedAt"] == timedelta(hours=1)
    heard = talk.hears("request")
    assert heard["renewalId"] == started["renewalId"]
    assert heard["deadline"] == pytest.approx(started["deadline"].timestamp(), abs=0.01)

    key, key_pem = new_key()
    issued = talk.sends(heard, key)
    assert set(issued) == {"renewalId", "certificateId", "certificatePem", "deadline"}
    made = x509.load_pem_x509_certificate(issued["certificatePem"].encode())
    assert made.public_key() == key.public_key()
    assert made.not_valid_after_utc == PAST_2049
    # Both are valid now, and may the same.
    assert own.describe_certificate_renewal(thingName=device.name)["status"] == "ISSUED"
    for id in (device.certificate_id, issued["certificateId"]):
        assert state(iot, id) == "ACTIVE"
        assert attached(iot, id) == ([device.name], [device.name])

    with renewed(device, issued, key_pem, tmp_path).online() as wire:
        talk.wire.until_closed()  # the same client id
        again = Talk(device, wire, talk.base)
        assert again.hears("status")["status"] == "SUCCEEDED"
    done = becomes(own, device, "SUCCEEDED")
    assert done["newCertificateId"] == issued["certificateId"]
    assert state(iot, device.certificate_id) == "INACTIVE"
    assert attached(iot, device.certificate_id) == ([], [])
    assert state(iot, issued["certificateId"]) == "ACTIVE"

    turned.set_clock(advanceSeconds=86401)
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        until(lambda: state(iot, device.certificate_id) is None)
    wanted = ("StartCertificateRenewal", "RenewCertificate", "AdvanceCertificateRenewal")
    audit = sql(f"SELECT operation, principal FROM audit WHERE resource = '{arn(f'thing/{device.name}')}'")
    assert set(wanted) <= {operation for operation, _ in audit}
    assert ("RenewCertificate", device.arn) in audit


def test_a_device_that_was_away_asks_when_it_is_back(own, device):
    started = own.start_certificate_renewal(thingName=device.name)
    with device.online() as wire:
        talk = Talk(device, wire, f"$sekisho/renewals/{device.name}")
        found = talk.asks("get", "accepted")
        assert (found["renewalId"], found["status"]) == (started["renewalId"], "REQUESTED")


def test_starting_again_asks_again(own, device, talk):
    started = own.start_certificate_renewal(thingName=device.name, days=30)
    again = own.start_certificate_renewal(certificateId=device.certificate_id, days=30)
    assert again["renewalId"] == started["renewalId"]
    assert talk.hears("request") == talk.hears("request")
    with refused("ConflictException", 409, "cancel it first"):
        own.start_certificate_renewal(thingName=device.name, days=31)


def test_a_lost_answer_is_given_again_for_the_same_key(own, iot, device, talk):
    heard = own.start_certificate_renewal(thingName=device.name)
    talk.hears("request")
    first = talk.sends(heard)
    assert talk.sends(heard) == first
    another = talk.sends(heard, new_key()[0])
    assert another["certificateId"] != first["certificateId"]
    with refused("ResourceNotFoundException", 404):
        iot.describe_certificate(certificateId=first["certificateId"])
    for _ in range(3):
        talk.sends(heard, new_key()[0])
    answer = talk.sends(heard, new_key()[0], "rejected")
    assert answer["statusCode"] == 409
    assert "the most that it can have" in answer["errorMessage"]


# --- the ways it may end ------------------------------------------------------------------------------------


def test_who_does_not_connect_in_time_is_rolled_back(own, iot, device, talk, turned, tmp_path):
    heard = own.start_certificate_renewal(thingName=device.name, timeoutSeconds=3600)
    talk.hears("request")
    key, key_pem = new_key()
    issued = talk.sends(heard, key)
    turned.set_clock(advanceSeconds=3601)
    assert talk.hears("status")["status"] == "ROLLED_BACK"
    assert "did not connect with its new certificate" in becomes(own, device, "ROLLED_BACK")["reason"]
    assert (state(iot, device.certificate_id), state(iot, issued["certificateId"])) == ("ACTIVE", "INACTIVE")
    assert attached(iot, device.certificate_id) == ([device.name], [device.name])
    assert attached(iot, issued["certificateId"]) == ([], [])
    talk.wire.ping()  # the old connection lasts
    with renewed(device, issued, key_pem, tmp_path).wire() as wire, pytest.raises(Closed):
        wire.connect(device.name)
    [refusal] = [
        one
        for one in own.list_refusals(thingName=device.name)["refusals"]
        if one["action"] == "sekisho:RenewCertificate"
    ]
    assert "did not connect" in refusal["reason"]
    # And it may be tried anew.
    assert own.start_certificate_renewal(thingName=device.name)["status"] == "REQUESTED"


def test_who_does_not_answer_in_time_keeps_its_certificate(own, iot, device, turned):
    own.start_certificate_renewal(thingName=device.name, timeoutSeconds=60)
    turned.set_clock(advanceSeconds=61)
    assert "no signing request" in becomes(own, device, "TIMED_OUT")["reason"]
    assert state(iot, device.certificate_id) == "ACTIVE"


@pytest.mark.parametrize("issued", [False, True])
def test_cancel(own, iot, device, talk, issued):
    heard = own.start_certificate_renewal(thingName=device.name)
    talk.hears("request")
    new = talk.sends(heard)["certificateId"] if issued else None
    assert own.cancel_certificate_renewal(thingName=device.name)["status"] == "CANCELED"
    assert talk.hears("status")["status"] == "CANCELED"
    assert state(iot, device.certificate_id) == "ACTIVE"
    if new is not None:
        assert (state(iot, new), attached(iot, new)) == ("INACTIVE", ([], []))
    with refused("ConflictException", 409, "CANCELED"):
        own.cancel_certificate_renewal(thingName=device.name)
    assert talk.sends(heard, answer="rejected")["errorCode"] == "ConflictException"


def test_what_was_revoked_meanwhile_stays_revoked(own, iot, device, talk, tmp_path):
    heard = own.start_certificate_renewal(thingName=device.name)
    talk.hears("request")
    key, key_pem = new_key()
    issued = talk.sends(heard, key)
    iot.update_certificate(certificateId=device.certificate_id, newStatus="REVOKED")
    with renewed(device, issued, key_pem, tmp_path).online():
        becomes(own, device, "SUCCEEDED")
    assert state(iot, device.certificate_id) == "REVOKED"


# --- who may ------------------------------------------------------------------------------------------------


def test_another_device_cannot_take_the_certificate(own, factory, device):
    thief = factory("thief", statements=ANYTHING)
    heard = own.start_certificate_renewal(thingName=device.name)
    with thief.online() as wire:
        talk = Talk(thief, wire, f"$sekisho/renewals/{device.name}")
        assert talk.sends(heard, answer="rejected")["statusCode"] == 403
        assert talk.asks("get", "rejected")["errorCode"] == "AccessDeniedException"
    [refusal] = own.list_refusals(certificateId=thief.certificate_id)["refusals"]
    assert (refusal["action"], "is not the one" in refusal["reason"]) == ("sekisho:RenewCertificate", True)
    assert own.describe_certificate_renewal(thingName=device.name)["status"] == "REQUESTED"


def test_nobody_gets_it_over_http(own, device):
    started = own.start_certificate_renewal(thingName=device.name)
    with refused("AccessDeniedException", 403, "only the device itself"):
        own.renew_certificate(
            thingName=device.name, renewalId=started["renewalId"], certificateSigningRequest=csr()
        )


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"renewalId":"ab"}', "certificateSigningRequest is missing"),
        (b'{"renewalId":1,"certificateSigningRequest":"x"}', "renewalId is missing, or not text"),
        (b'{"renewalId":"ab","certificateSigningRequest":"x"}', "is not under way"),
    ],
)
def test_bad_requests_are_rejected_in_words(own, device, talk, payload, words):
    own.start_certificate_renewal(thingName=device.name)
    talk.hears("request")
    assert talk.wire.publish(f"{talk.base}/csr", payload) == 0
    assert words in talk.hears("csr/rejected")["errorMessage"]


def test_a_bad_signing_request(own, device, talk):
    heard = own.start_certificate_renewal(thingName=device.name)
    talk.hears("request")
    answer = talk.asks("csr", "rejected", renewalId=heard["renewalId"], certificateSigningRequest="no CSR")
    assert answer["statusCode"] == 400
    assert "signing request is not usable" in answer["errorMessage"]


# --- starting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"days": 1, "notAfter": PAST_2049}, "either days or notAfter"),
        ({"days": 2_000_000}, "must not outlive its issuer"),
        ({"deadline": datetime(2001, 1, 1, tzinfo=UTC)}, "the deadline is over"),
        ({"deadline": PAST_2049, "timeoutSeconds": 1}, "exclude each other"),
    ],
)
def test_what_cannot_be_asked_for(own, device, members, words):
    with refused("InvalidRequestException", 400, words):
        own.start_certificate_renewal(thingName=device.name, **members)


def test_whose_certificate_must_be_clear(own, iot, device, name):
    with refused("InvalidRequestException", 400, "give thingName or certificateId"):
        own.start_certificate_renewal()
    with refused("ResourceNotFoundException", 404):
        own.start_certificate_renewal(thingName=name)
    iot.create_thing(thingName=name)
    with refused("InvalidRequestException", 400, "has 0 active certificates"):
        own.start_certificate_renewal(thingName=name)
    lonely = certificate(iot)
    with refused("InvalidRequestException", 400, "has 0 things", "attach one"):
        own.start_certificate_renewal(certificateId=lonely.id)
    with refused("InvalidRequestException", 400, "is not attached to thing"):
        own.start_certificate_renewal(thingName=device.name, certificateId=lonely.id)
    iot.attach_thing_principal(thingName=device.name, principal=lonely.arn)
    with refused("InvalidRequestException", 400, "has 2 active certificates", "name one"):
        own.start_certificate_renewal(thingName=device.name)
    iot.update_certificate(certificateId=lonely.id, newStatus="INACTIVE")
    with refused("ConflictException", 409, "INACTIVE"):
        own.start_certificate_renewal(thingName=device.name, certificateId=lonely.id)
    assert own.start_certificate_renewal(thingName=device.name)["certificateId"] == device.certificate_id


def test_a_thing_without_a_renewal(own, device):
    for ask in (
        own.describe_certificate_renewal,
        own.cancel_certificate_renewal,
        own.advance_certificate_renewal,
    ):
        with refused("ResourceNotFoundException", 404, device.name):
            ask(thingName=device.name)


def test_they_are_listed_by_state(own, device):
    own.start_certificate_renewal(thingName=device.name)
    assert own.advance_certificate_renewal(thingName=device.name)["status"] == "REQUESTED"

    def names(**wanted):
        found = listed(own, "list_certificate_renewals", "renewals", **wanted)
        return [renewal["thingName"] for renewal in found]

    assert device.name in names()
    assert device.name in names(status="REQUESTED")
    assert device.name not in names(status="SUCCEEDED")
    assert own.list_certificate_renewals(maxResults=1)["renewals"]


def test_what_has_not_been_retired_is_not_deleted(own):
    with refused("ResourceNotFoundException", 404):
        own.delete_retired_certificate(retirementId="0000000000000001-ab")


def test_the_commands(node, own, device):
    def run(*arguments: str):
        return CliRunner().invoke(papers.app, [*arguments, "--data", str(node.data)])

    answer = run("renew", device.name, "--days", "30", "--hours", "2")
    assert answer.stdout.startswith(f"{device.name}: REQUESTED")
    renewal = own.describe_certificate_renewal(thingName=device.name)
    assert renewal["days"] == 30
    assert renewal["deadline"] - renewal["requestedAt"] == timedelta(hours=2)
    assert f"{device.name}: REQUESTED" in run("renewals", "--status", "REQUESTED").stdout
    assert run("renew", device.name, "--cancel").stdout.startswith(f"{device.name}: CANCELED")
    answer = run("renew", "nobody")
    assert (answer.exit_code, "does not exist" in answer.stderr) == (1, True)
