"""Certificates that go from one account to another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from api.authorities import Authority, self_signed
from api.conftest import OTHER_ACCOUNTS
from api.making import UNKNOWN_ID, arn, certificate, document, listed, refused

OTHER, THIRD = OTHER_ACCOUNTS
OURS = "000000000000"


@pytest.fixture
def accounts(other_accounts):
    """Clients of two other accounts."""
    return other_accounts[OTHER], other_accounts[THIRD]


@pytest.fixture
def other(accounts):
    return accounts[0]


@pytest.fixture
def cert(iot):
    return certificate(iot, active=False)


def described(client, id):
    return client.describe_certificate(certificateId=id)["certificateDescription"]


def outgoing(iot, id):
    found = listed(iot, "list_outgoing_certificates", "outgoingCertificates")
    return [one for one in found if one["certificateId"] == id]


def offer(iot, id, to=OTHER, **more):
    return iot.transfer_certificate(certificateId=id, targetAwsAccount=to, **more)


def test_an_offer(iot, other, cert):
    made = iot.transfer_certificate(
        certificateId=cert.id, targetAwsAccount=OTHER, transferMessage="for the new house"
    )
    theirs = arn(f"cert/{cert.id}", OTHER)
    assert made["transferredCertificateArn"] == theirs
    ours, offered = described(iot, cert.id), described(other, cert.id)
    assert ours["status"] == offered["status"] == "PENDING_TRANSFER"
    assert (ours["certificateArn"], offered["certificateArn"]) == (cert.arn, theirs)
    assert ours["ownedBy"] == offered["ownedBy"] == OURS
    for one in (ours, offered):
        assert one["transferData"]["transferMessage"] == "for the new house"
        assert one["transferData"]["transferDate"] <= datetime.now(UTC)
        assert one["certificatePem"] == cert.pem
    newest = iot.list_outgoing_certificates(pageSize=250)["outgoingCertificates"]
    [row] = [one for one in newest if one["certificateId"] == cert.id]
    assert row == {
        "certificateId": cert.id,
        "certificateArn": cert.arn,
        "transferredTo": OTHER,
        "transferDate": ours["transferData"]["transferDate"],
        "transferMessage": "for the new house",
        "creationDate": ours["creationDate"],
    }
    incoming = {one["certificateId"]: one for one in listed(other, "list_certificates", "certificates")}
    assert incoming[cert.id]["status"] == "PENDING_TRANSFER"


@pytest.mark.parametrize(
    ("active", "status"),
    [({}, "INACTIVE"), ({"setAsActive": False}, "INACTIVE"), ({"setAsActive": True}, "ACTIVE")],
)
def test_accepted(iot, other, cert, active, status):
    offer(iot, cert.id)
    other.accept_certificate_transfer(certificateId=cert.id, **active)
    found = described(other, cert.id)
    assert (found["status"], found["ownedBy"], found["previousOwnedBy"]) == (status, OTHER, OURS)
    assert found["transferData"]["acceptDate"] >= found["transferData"]["transferDate"]
    with refused("ResourceNotFoundException", 404, cert.id):
        iot.describe_certificate(certificateId=cert.id)
    assert outgoing(iot, cert.id) == []
    with refused("TransferAlreadyCompletedException", 410, cert.id):
        iot.cancel_certificate_transfer(certificateId=cert.id)
    for again in (other.accept_certificate_transfer, other.reject_certificate_transfer):
        with refused("TransferAlreadyCompletedException", 410, cert.id):
            again(certificateId=cert.id)


def test_rejected(iot, other, cert):
    offer(iot, cert.id)
    other.reject_certificate_transfer(certificateId=cert.id, rejectReason="not ours")
    found = described(iot, cert.id)
    assert (found["status"], found["ownedBy"]) == ("INACTIVE", OURS)
    assert found["transferData"]["rejectReason"] == "not ours"
    assert found["transferData"]["rejectDate"] >= found["transferData"]["transferDate"]
    assert outgoing(iot, cert.id) == []
    with refused("ResourceNotFoundException", 404, cert.id):
        other.describe_certificate(certificateId=cert.id)
    with refused("TransferAlreadyCompletedException", 410, cert.id):
        iot.cancel_certificate_transfer(certificateId=cert.id)
    iot.update_certificate(certificateId=cert.id, newStatus="ACTIVE")


def test_cancelled(iot, other, cert):
    offer(iot, cert.id)
    iot.cancel_certificate_transfer(certificateId=cert.id)
    assert described(iot, cert.id)["status"] == "INACTIVE"
    assert outgoing(iot, cert.id) == []
    with refused("ResourceNotFoundException", 404, cert.id):
        other.accept_certificate_transfer(certificateId=cert.id)
    offer(iot, cert.id)
    other.accept_certificate_transfer(certificateId=cert.id)


def test_there_and_back(iot, other, cert):
    offer(iot, cert.id)
    other.accept_certificate_transfer(certificateId=cert.id)
    offer(other, cert.id, OURS)
    assert [one["transferredTo"] for one in outgoing(other, cert.id)] == [OURS]
    iot.accept_certificate_transfer(certificateId=cert.id, setAsActive=True)
    found = described(iot, cert.id)
    assert (found["status"], found["ownedBy"], found["previousOwnedBy"]) == ("ACTIVE", OURS, OTHER)


def test_the_wrong_side(iot, accounts, cert):
    other, third = accounts
    offer(iot, cert.id)
    with refused("InvalidRequestException", 400, "not the one that receives"):
        iot.accept_certificate_transfer(certificateId=cert.id)
    with refused("InvalidRequestException", 400, "not the one that receives"):
        iot.reject_certificate_transfer(certificateId=cert.id)
    with refused("InvalidRequestException", 400, "not the one that offers"):
        other.cancel_certificate_transfer(certificateId=cert.id)
    for operation in (
        third.accept_certificate_transfer,
        third.reject_certificate_transfer,
        third.cancel_certificate_transfer,
    ):
        with refused("ResourceNotFoundException", 404, cert.id):
            operation(certificateId=cert.id)
    assert described(iot, cert.id)["status"] == "PENDING_TRANSFER"


def test_what_is_not_being_transferred(iot, cert):
    for operation in (
        iot.accept_certificate_transfer,
        iot.reject_certificate_transfer,
        iot.cancel_certificate_transfer,
    ):
        with refused("InvalidRequestException", 400, "not being transferred"):
            operation(certificateId=cert.id)
        with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
            operation(certificateId=UNKNOWN_ID)


# --- what cannot be offered ---


def test_one_that_is_active(iot, other):
    active = certificate(iot)
    with refused("CertificateStateException", 406, "ACTIVE", active.id):
        offer(iot, active.id)
    with refused("ResourceNotFoundException", 404):
        other.describe_certificate(certificateId=active.id)


def test_one_that_is_revoked(iot, cert):
    iot.update_certificate(certificateId=cert.id, newStatus="REVOKED")
    with refused("CertificateStateException", 406, "REVOKED"):
        offer(iot, cert.id)


def test_one_that_has_a_policy_or_a_thing(iot, cert, name):
    iot.create_policy(policyName=name, policyDocument=document())
    iot.attach_policy(policyName=name, target=cert.arn)
    with refused("TransferConflictException", 409, "policies must be detached", cert.arn):
        offer(iot, cert.id)
    iot.detach_policy(policyName=name, target=cert.arn)
    iot.create_thing(thingName=name)
    iot.attach_thing_principal(thingName=name, principal=cert.arn)
    with refused("TransferConflictException", 409, "things must be detached", cert.arn):
        offer(iot, cert.id)
    iot.detach_thing_principal(thingName=name, principal=cert.arn)
    offer(iot, cert.id)


def test_one_that_is_offered_already(iot, cert):
    offer(iot, cert.id)
    with refused("CertificateStateException", 406, "PENDING_TRANSFER"):
        offer(iot, cert.id, THIRD)


def test_one_that_the_other_has(iot, other, name):
    mine = self_signed(name)
    for client in (iot, other):
        client.register_certificate_without_ca(certificatePem=mine.pem)
    with refused("TransferConflictException", 409, OTHER):
        offer(iot, mine.id)
    assert described(iot, mine.id)["status"] == described(other, mine.id)["status"] == "INACTIVE"


def test_to_oneself(iot, cert):
    with refused("InvalidRequestException", 400, OURS):
        offer(iot, cert.id, OURS)


def test_to_what_is_no_account(iot, cert):
    with refused("InvalidRequestException", 400, "targetAwsAccount"):
        offer(iot, cert.id, "12345678901x")


def test_to_an_account_that_does_not_exist(iot, cert):
    with refused("InvalidRequestException", 400, "There is no account 999999999999"):
        offer(iot, cert.id, "999999999999")
    assert described(iot, cert.id)["status"] == "INACTIVE"
    assert outgoing(iot, cert.id) == []


def test_one_that_does_not_exist(iot):
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        offer(iot, UNKNOWN_ID)


def test_one_of_a_registered_ca(iot, other, name):
    """It is in the CA's list of the account that has it."""
    ca = Authority(name)
    ca.register(iot, mode="SNI_ONLY")
    leaf = ca.sign(name)
    iot.register_certificate(certificatePem=leaf.pem)

    def of_ca(client):
        found = client.list_certificates_by_ca(caCertificateId=ca.id)["certificates"]
        return [one["certificateId"] for one in found]

    offer(iot, leaf.id)
    assert of_ca(iot) == of_ca(other) == [leaf.id]
    other.accept_certificate_transfer(certificateId=leaf.id)
    assert (of_ca(iot), of_ca(other)) == ([], [leaf.id])
    other.delete_certificate(certificateId=leaf.id)
    assert of_ca(other) == []


def test_one_of_a_ca_that_is_proved_to_be_an_accounts(iot, other, name):
    """What it issued belongs to that account, and may only go there."""
    ca = Authority(name)
    leaf = ca.sign(name)
    other.register_certificate_without_ca(certificatePem=leaf.pem)
    ca.register(iot)
    with refused("TransferConflictException", 409, leaf.id, THIRD):
        offer(other, leaf.id, THIRD)
    assert described(other, leaf.id)["status"] == "INACTIVE"
    offer(other, leaf.id, OURS)
    iot.accept_certificate_transfer(certificateId=leaf.id)
    with refused("TransferConflictException", 409, leaf.id, OTHER):
        offer(iot, leaf.id)


# --- while it is under way ---


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
def test_nobody_changes_it(iot, other, cert, status):
    offer(iot, cert.id)
    for client in (iot, other):
        with refused("CertificateStateException", 406, "PENDING_TRANSFER"):
            client.update_certificate(certificateId=cert.id, newStatus=status)
        with refused("CertificateStateException", 406, "PENDING_TRANSFER"):
            client.delete_certificate(certificateId=cert.id)


def test_what_was_attached_meanwhile_goes(iot, other, cert, name):
    offer(iot, cert.id)
    iot.create_policy(policyName=name, policyDocument=document())
    iot.attach_policy(policyName=name, target=cert.arn)
    other.accept_certificate_transfer(certificateId=cert.id)
    assert iot.list_targets_for_policy(policyName=name)["targets"] == []
    iot.delete_policy(policyName=name)


def test_the_pages_of_what_is_offered(iot, turned):
    made = []
    for _ in range(3):
        turned.set_clock(advanceSeconds=1)
        made.append(certificate(iot, active=False).id)
        offer(iot, made[-1], THIRD)

    def found(**order):
        pages = iot.get_paginator("list_outgoing_certificates").paginate(
            PaginationConfig={"PageSize": 1}, **order
        )
        everything = [one["certificateId"] for page in pages for one in page["outgoingCertificates"]]
        return [id for id in everything if id in made]

    assert found() == made[::-1]
    assert found(ascendingOrder=True) == made


def test_accepted_and_cancelled_at_once(iot, other):
    """One of the two has its way, and one account has the certificate."""
    for _ in range(8):
        id = certificate(iot, active=False).id
        offer(iot, id)
        with ThreadPoolExecutor(2) as pool:
            accepted = pool.submit(succeeds, other.accept_certificate_transfer, id)
            cancelled = pool.submit(succeeds, iot.cancel_certificate_transfer, id)
        assert accepted.result() != cancelled.result()
        owner, former = (other, iot) if accepted.result() else (iot, other)
        assert described(owner, id)["status"] == "INACTIVE"
        with refused("ResourceNotFoundException", 404):
            former.describe_certificate(certificateId=id)
        assert outgoing(iot, id) == []


def succeeds(operation, id) -> bool:
    try:
        operation(certificateId=id)
    except ClientError as error:
        assert error.response["Error"]["Code"] in (
            "ResourceNotFoundException",
            "TransferAlreadyCompletedException",
        )
        return False
    return True
