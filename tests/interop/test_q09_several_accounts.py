"""Q9: *With multi-account registration, must it be the same region?* The whole table, and devices connect.

A device has one certificate. It is registered in one place, an account in a region, and then in a second one:
another account of the same region, another region of the same account, or both. A CA that is registered by
proof belongs to one account in each region, and so does every certificate that it issued. A certificate that
is registered without its CA may be anywhere, each time with a status, policies and a thing of its own.
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from cryptography import x509

from api.authorities import Authority
from interop.accounts import HERE, THERE, Papers, Tenant, at, connects, papers, refused
from interop.devices import until
from interop.wire import Wire
from nodes import running
from sekisho.logic.certificates import certificate_id

ONE, TWO = "111111111111", "222222222222"
FIRST = (ONE, HERE)
SECOND = {
    "another-account": (TWO, HERE),
    "another-region": (ONE, THERE),
    "both": (TWO, THERE),
}
SAME_REGION = "another-account"


@pytest.fixture(scope="module", params=["data", "all"])
def rule(request):
    """The setting ``multi_account_certificates``: the rule of 2020, and today's."""
    return request.param


@pytest.fixture(scope="module")
def node(tmp_path_factory, rule):
    settings = (f"regions={HERE},{THERE}", f"multi_account_certificates={rule}")
    with running(tmp_path_factory.mktemp(f"q09-{rule}") / "node", *settings) as node:
        for account in (ONE, TWO):
            node.command("account", "create", account)
        yield node


@pytest.fixture(scope="module")
def tenants(node):
    return {place: Tenant(node, *place) for place in (FIRST, *SECOND.values())}


@pytest.fixture
def authority(name):
    """The certificate authority of the device's maker."""
    return Authority(name[-60:])


@pytest.fixture
def device(authority, tmp_path) -> Papers:
    issued = authority.sign("device")
    return papers(tmp_path, issued.pem, issued.key_pem)


def with_ca(tenant: Tenant, authority: Authority, device: Papers) -> None:
    """Register the CA, proving to have its key, then the certificate under it, with a policy."""
    authority.register(tenant.iot)
    made = tenant.iot.register_certificate(certificatePem=device.pem, status="ACTIVE")
    tenant.welcome(made["certificateArn"])


def without_ca(tenant: Tenant, device: Papers) -> str:
    """Register the certificate alone, with a policy."""
    made = tenant.iot.register_certificate_without_ca(certificatePem=device.pem, status="ACTIVE")
    tenant.welcome(made["certificateArn"])
    return str(made["certificateId"])


def conflict(error: pytest.ExceptionInfo[ClientError]) -> bool:
    response = error.value.response
    code, status = response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
    return (code, status) == ("ResourceAlreadyExistsException", 409)


@pytest.mark.parametrize("second", SECOND)
def test_q09_with_its_ca(tenants, authority, device, second, name):
    """The same account or the same region may not be shared by two accounts; another region may."""
    first, other = tenants[FIRST], tenants[SECOND[second]]
    with_ca(first, authority, device)
    assert connects(first.wire(device), name)
    if second == SAME_REGION:
        with pytest.raises(ClientError) as error:
            authority.register(other.iot)
        assert conflict(error)
        with pytest.raises(ClientError) as error:
            other.iot.register_certificate(certificatePem=device.pem, caCertificatePem=authority.pem)
        assert error.value.response["Error"]["Code"] == "CertificateValidationException"
        refused(other.wire(device), name)
    else:
        with_ca(other, authority, device)
        assert connects(other.wire(device), name)


@pytest.mark.parametrize("second", SECOND)
def test_q09_with_its_ca_in_one_place_and_without_it_in_another(
    tenants, authority, device, rule, second, name
):
    """What a registered CA issued is its account's, also when another registers it without a CA: 409.
    (Today's rule asks no CA there.)"""
    first, other = tenants[FIRST], tenants[SECOND[second]]
    with_ca(first, authority, device)
    if second == SAME_REGION and rule == "data":
        with pytest.raises(ClientError) as error:
            without_ca(other, device)
        assert conflict(error)
        refused(other.wire(device), name)
    else:
        without_ca(other, device)
        assert connects(other.wire(device), name)
    assert connects(first.wire(device), name)


def test_q09_what_a_registered_ca_issued_is_not_given_away(tenants, authority, device, rule, name):
    """It belongs to the CA's account, so that a transfer to another is a conflict: 409. (Under today's rule
    it goes, and is the other's with its mode.)"""
    first, other = tenants[FIRST], tenants[SECOND[SAME_REGION]]
    authority.register(first.iot)
    id = first.iot.register_certificate(certificatePem=device.pem)["certificateId"]
    offer = {"certificateId": id, "targetAwsAccount": other.account}
    if rule == "data":
        with pytest.raises(ClientError) as error:
            first.iot.transfer_certificate(**offer)
        assert error.value.response["Error"]["Code"] == "TransferConflictException"
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
        refused(other.wire(device), name)
    else:
        first.iot.transfer_certificate(**offer)
        other.iot.accept_certificate_transfer(certificateId=id, setAsActive=True)
        other.welcome(other.arn(f"cert/{id}"))
        assert connects(other.wire(device), name)
        refused(first.wire(device), name)


def test_q09_what_the_platform_issued_may_be_given_away(tenants, tmp_path, name):
    """No account has proved the platform's CA to be its own."""
    first, other = tenants[FIRST], tenants[SECOND[SAME_REGION]]
    device = first.issue(tmp_path)
    id = certificate_id(x509.load_pem_x509_certificate(device.pem.encode()))
    with first.online(device, name) as wire:
        first.iot.update_certificate(certificateId=id, newStatus="INACTIVE")
        wire.until_closed()
    for policy in first.iot.list_attached_policies(target=first.arn(f"cert/{id}"))["policies"]:
        first.iot.detach_policy(policyName=policy["policyName"], target=first.arn(f"cert/{id}"))
    first.iot.transfer_certificate(certificateId=id, targetAwsAccount=other.account)
    other.iot.accept_certificate_transfer(certificateId=id, setAsActive=True)
    other.welcome(other.arn(f"cert/{id}"))
    assert connects(other.wire(device), name)
    refused(first.wire(device), name)


@pytest.mark.parametrize("second", SECOND)
def test_q09_without_its_ca(tenants, device, second, name):
    """Any account, any region."""
    first, other = tenants[FIRST], tenants[SECOND[second]]
    for tenant in (first, other):
        without_ca(tenant, device)
        assert connects(tenant.wire(device), name)


@pytest.mark.parametrize("second", SECOND)
def test_q09_each_registration_has_a_status_a_policy_and_a_thing_of_its_own(tenants, device, second, name):
    first, other = tenants[FIRST], tenants[SECOND[second]]
    for tenant in (first, other):
        id = without_ca(tenant, device)
        tenant.iot.create_thing(thingName=name)
        tenant.iot.attach_thing_principal(thingName=name, principal=tenant.arn(f"cert/{id}"))
    with first.online(device, name) as here, other.online(device, name) as there:
        first.iot.update_certificate(certificateId=id, newStatus="INACTIVE")
        here.until_closed()  # where it was deactivated, the connection ends
        there.ping()
    refused(first.wire(device), name)
    assert first.refusal(name)["reason"].startswith("DEVICE_CERTIFICATE_INACTIVE")
    assert connects(other.wire(device), name)
    for policy in other.iot.list_attached_policies(target=other.arn(f"cert/{id}"))["policies"]:
        other.iot.detach_policy(policyName=policy["policyName"], target=other.arn(f"cert/{id}"))
    until(lambda: not connects(other.wire(device), name))
    assert len(first.iot.list_attached_policies(target=first.arn(f"cert/{id}"))["policies"]) == 1
    other.iot.detach_thing_principal(thingName=name, principal=other.arn(f"cert/{id}"))
    assert first.iot.list_thing_principals(thingName=name)["principals"] == [first.arn(f"cert/{id}")]


@pytest.mark.parametrize("server_name", [None, "elsewhere.example.com"])
def test_q09_without_its_ca_the_name_says_which_account_is_meant(node, tenants, device, name, server_name):
    """So without an endpoint's full name (SNI) it is refused, also where it is registered."""
    default = Tenant(node, "000000000000", HERE)
    for tenant in (default, tenants[FIRST]):
        without_ca(tenant, device)
    assert connects(at(node, device, "localhost"), name)
    refused(Wire(node.mqtt, node.ca, device.identity, server_name=server_name), name)
    assert default.refusal(name)["reason"].startswith("SNI_MISUSED")
