"""Certificates and CAs in several accounts and regions: who may register what where another has it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from api.authorities import Authority, self_signed
from api.conftest import placed
from api.making import arn, refused

HERE, THERE = "us-east-1", "eu-west-1"
FIRST, SECOND = "111111111111", "222222222222"
EXISTS = "ResourceAlreadyExistsException"


def houses(request, tmp_path_factory, rule):
    folder = tmp_path_factory.mktemp("multi") / "node"
    settings = (f"regions={HERE},{THERE}", f"multi_account_certificates={rule}")
    with placed(request, folder, *settings) as house:
        for account in (FIRST, SECOND):
            house.node.command("account", "create", account)
        yield {
            (account, region): house.node.client("iot", account=account, region_name=region)
            for account in (FIRST, SECOND)
            for region in (HERE, THERE)
        }


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def places(request, tmp_path_factory):
    """(account, region) → its ``iot`` client, under the rule of 2020."""
    yield from houses(request, tmp_path_factory, "data")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def open_places(request, tmp_path_factory):
    """The same under today's rule."""
    yield from houses(request, tmp_path_factory, "all")


@pytest.fixture
def authority(name) -> Authority:
    return Authority(name)


def drop(iot, authority: Authority) -> None:
    iot.update_ca_certificate(certificateId=authority.id, newStatus="INACTIVE")
    iot.delete_ca_certificate(certificateId=authority.id)


def test_a_proved_ca_belongs_to_one_account_of_a_region(places, authority):
    authority.register(places[FIRST, HERE])
    with refused(EXISTS, 409, authority.id, HERE):
        authority.register(places[SECOND, HERE])
    with refused(EXISTS, 409, authority.id):
        authority.register(places[SECOND, HERE], mode="SNI_ONLY")
    authority.register(places[FIRST, THERE])
    with refused(EXISTS, 409, authority.id, THERE):
        authority.register(places[SECOND, THERE])


def test_another_region_may_be_another_accounts(places, authority):
    authority.register(places[FIRST, HERE])
    authority.register(places[SECOND, THERE])
    issued = authority.sign("device")
    for place in ((FIRST, HERE), (SECOND, THERE)):
        places[place].register_certificate(certificatePem=issued.pem, status="ACTIVE")
        found = places[place].describe_certificate(certificateId=issued.id)["certificateDescription"]
        assert (found["caCertificateId"], found["ownedBy"]) == (authority.id, place[0])


def test_a_ca_that_nobody_proved_may_be_anyones(places, authority):
    for place, iot in places.items():
        authority.register(iot, mode="SNI_ONLY")
        issued = authority.sign(f"{place}")
        iot.register_certificate(certificatePem=issued.pem, status="ACTIVE")
        found = iot.describe_certificate(certificateId=issued.id)["certificateDescription"]
        assert (found["certificateMode"], found["ownedBy"]) == ("SNI_ONLY", place[0])


def test_what_a_proved_ca_issued_is_its_accounts(places, authority):
    """Registered or not, with its CA or without, and whatever the CA's status is."""
    authority.register(places[FIRST, HERE], active=False)
    issued = authority.sign("device")
    with refused(EXISTS, 409, issued.id, HERE):
        places[SECOND, HERE].register_certificate_without_ca(certificatePem=issued.pem)
    places[FIRST, HERE].register_certificate_without_ca(certificatePem=issued.pem)
    places[SECOND, THERE].register_certificate_without_ca(certificatePem=issued.pem)


def test_the_error_names_the_resource(places, authority):
    authority.register(places[FIRST, HERE])
    issued = authority.sign("device")
    with pytest.raises(ClientError) as caught:
        places[SECOND, HERE].register_certificate_without_ca(certificatePem=issued.pem)
    response = caught.value.response
    assert response["resourceId"] == issued.id
    assert response["resourceArn"] == arn(f"cert/{issued.id}", SECOND, HERE)
    assert FIRST not in str(response)


def test_a_ca_of_the_same_name_with_another_key_claims_nothing(places, authority, name):
    authority.register(places[FIRST, HERE])
    namesake = Authority(name)
    namesake.register(places[SECOND, HERE])
    issued = namesake.sign("device")
    places[SECOND, HERE].register_certificate_without_ca(certificatePem=issued.pem)
    with refused(EXISTS, 409):
        places[FIRST, HERE].register_certificate_without_ca(certificatePem=issued.pem)
    drop(places[FIRST, HERE], authority)
    with refused(EXISTS, 409):
        places[FIRST, HERE].register_certificate_without_ca(certificatePem=namesake.sign("other").pem)


def test_a_ca_that_is_deleted_is_free(places, authority):
    first, second = places[FIRST, HERE], places[SECOND, HERE]
    issued = authority.sign("device")
    authority.register(first)
    drop(first, authority)
    second.register_certificate_without_ca(certificatePem=issued.pem)
    authority.register(second)
    with refused(EXISTS, 409):
        authority.register(first)


def test_what_is_registered_before_the_proof_stays(places, authority):
    issued = authority.sign("device")
    places[SECOND, HERE].register_certificate_without_ca(certificatePem=issued.pem, status="ACTIVE")
    authority.register(places[FIRST, HERE])
    places[FIRST, HERE].register_certificate(certificatePem=issued.pem, status="ACTIVE")
    for account in (FIRST, SECOND):
        found = places[account, HERE].describe_certificate(certificateId=issued.id)
        assert found["certificateDescription"]["status"] == "ACTIVE"


def test_a_certificate_without_a_ca_may_be_everywhere(places, name):
    """Each time with a status of its own."""
    issued = self_signed(name)
    for (account, region), iot in places.items():
        made = iot.register_certificate_without_ca(certificatePem=issued.pem, status="ACTIVE")
        assert made["certificateArn"] == arn(f"cert/{issued.id}", account, region)
    places[FIRST, HERE].update_certificate(certificateId=issued.id, newStatus="REVOKED")
    for place, iot in places.items():
        found = iot.describe_certificate(certificateId=issued.id)["certificateDescription"]
        assert found["certificateMode"] == "SNI_ONLY"
        assert found["status"] == ("REVOKED" if place == (FIRST, HERE) else "ACTIVE")


def test_of_two_accounts_that_claim_a_ca_at_once_one_is_told(places, name):
    """The claim is in the same transaction as the CA."""
    for number in range(5):
        authority = Authority(f"{name}-{number}")
        proofs = {
            account: authority.proof(places[account, HERE].get_registration_code()["registrationCode"])
            for account in (FIRST, SECOND)
        }

        def claim(account, authority=authority, proofs=proofs):
            try:
                places[account, HERE].register_ca_certificate(
                    caCertificate=authority.pem, verificationCertificate=proofs[account]
                )
            except ClientError as error:
                return error.response["Error"]["Code"]
            return "claimed"

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(claim, (FIRST, SECOND))) == [EXISTS, "claimed"]


def test_todays_rule(open_places, authority):
    """``multi_account_certificates = all``: a proof is one account's, and shuts nobody else out."""
    places = open_places
    authority.register(places[FIRST, HERE])
    issued = authority.sign("device")
    places[FIRST, HERE].register_certificate(certificatePem=issued.pem)
    places[SECOND, HERE].register_certificate_without_ca(certificatePem=issued.pem)
    with refused(EXISTS, 409):
        authority.register(places[SECOND, HERE])
    authority.register(places[SECOND, HERE], mode="SNI_ONLY")
