"""Q15: *Can a device with a multi-account certificate use jobs?* Over MQTT, like every other device. The
endpoint ``iot:Jobs``, the HTTPS address of jobs, refuses such a certificate, and says why."""

from __future__ import annotations

import pytest

from api.authorities import Authority
from interop.accounts import DEFAULT, HERE, Papers, Tenant, connects, papers, refused, request
from nodes import running

PENDING = "/things/kettle/jobs"


def tenant_of(tmp_path_factory, rule):
    setting = f"multi_account_certificates={rule}"
    with running(tmp_path_factory.mktemp(f"q15-{rule}") / "node", setting) as node:
        yield Tenant(node, DEFAULT, HERE)


@pytest.fixture(scope="module")
def tenant(tmp_path_factory):
    """A node with the rule of 2020, which is the default."""
    yield from tenant_of(tmp_path_factory, "data")


@pytest.fixture(scope="module")
def today(tmp_path_factory):
    yield from tenant_of(tmp_path_factory, "all")


def multi_account(tenant: Tenant, folder, name: str) -> Papers:
    """A device whose certificate is registered without its CA."""
    issued = Authority(name[-60:]).sign("device")
    made = tenant.iot.register_certificate_without_ca(certificatePem=issued.pem, status="ACTIVE")
    tenant.welcome(made["certificateArn"])
    return papers(folder, issued.pem, issued.key_pem)


def of_registered_ca(tenant: Tenant, folder, name: str) -> Papers:
    authority = Authority(name[-60:])
    authority.register(tenant.iot)
    issued = authority.sign("device")
    made = tenant.iot.register_certificate(certificatePem=issued.pem, status="ACTIVE")
    tenant.welcome(made["certificateArn"])
    return papers(folder, issued.pem, issued.key_pem)


def test_q15_the_jobs_endpoint_refuses_a_multi_account_certificate(tenant, tmp_path, name):
    who = multi_account(tenant, tmp_path, name)
    answer = request(tenant.node, who, tenant.host("iot:Jobs"), "GET", PENDING)
    assert answer.status == 403
    for words in ("MULTI_ACCOUNT_CERTIFICATE", "not for jobs", "multi_account_certificates = data"):
        assert words in answer.body["message"]
    [refusal] = tenant.own.list_refusals(maxResults=1)["refusals"]
    assert refusal["reason"] == answer.body["message"]
    assert refusal["action"] == "iotjobsdata:GetPendingJobExecutions"
    assert "MULTI_ACCOUNT_CERTIFICATE" in tenant.node.command("explain", "--last", "1")


def test_q15_nor_does_it_take_one_over_mqtt(tenant, tmp_path, name):
    who = multi_account(tenant, tmp_path, name)
    refused(tenant.wire(who, "iot:Jobs"), name)
    assert tenant.refusal(name)["reason"].startswith("MULTI_ACCOUNT_CERTIFICATE")


def test_q15_over_mqtt_it_works_on_the_topics_of_jobs(tenant, tmp_path, name):
    """At the data endpoint it may do what its policies allow, the topics of jobs among it."""
    who = multi_account(tenant, tmp_path, name)
    with tenant.online(who, name) as wire:
        assert wire.subscribe(f"$aws/things/{name}/jobs/notify") == [1]
        assert wire.subscribe(f"{name}/commands") == [1]
        wire.publish(f"{name}/commands", b"go")
        assert wire.message().payload == b"go"


@pytest.mark.parametrize("make", [of_registered_ca, lambda tenant, folder, name: tenant.issue(folder)])
def test_q15_any_other_certificate_is_taken_there(tenant, tmp_path, name, make):
    """It gets as far as the operation, which says by name that this node does not have it yet."""
    who = make(tenant, tmp_path, name)
    answer = request(tenant.node, who, tenant.host("iot:Jobs"), "GET", PENDING)
    assert answer.status == 501
    assert "GetPendingJobExecutions" in answer.body["message"]


def test_q15_at_the_credentials_endpoint_it_is_the_same(tenant, tmp_path, name):
    """Q7 of the same kind of certificate, seen from MQTT."""
    who = multi_account(tenant, tmp_path, name)
    refused(tenant.wire(who, "iot:CredentialProvider"), name)
    reason = tenant.refusal(name)["reason"]
    assert reason.startswith("MULTI_ACCOUNT_CERTIFICATE")
    assert "not for credentials" in reason


def test_q15_todays_rule_takes_it(today, tmp_path, name):
    who = multi_account(today, tmp_path, name)
    answer = request(today.node, who, today.host("iot:Jobs"), "GET", PENDING)
    assert answer.status == 501
    assert connects(today.wire(who, "iot:Jobs"), name)
