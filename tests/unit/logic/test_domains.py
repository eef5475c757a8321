"""What a domain configuration lets in, by protocol and by how a client has said who it is."""

from __future__ import annotations

import itertools

import pytest
from OpenSSL import SSL

from sekisho.logic.domains import (
    BUILT_IN,
    POLICIES,
    TOGETHER,
    Domain,
    domain_arn,
    managed_name,
    why_not_together,
    why_refused,
)
from sekisho.logic.endpoints import parse_host, wildcards
from sekisho.logic.server_certificates import covers

SPOKEN = ("SECURE_MQTT", "MQTT_WSS", "HTTPS")
PROOFS = ("AWS_X509", "AWS_SIGV4", "")


def lets_in(authentication, protocol):
    domain = Domain(
        "iot.example.com", "1", "us-east-1", "mine", authentication=authentication, protocol=protocol
    )
    return {pair for pair in itertools.product(SPOKEN, PROOFS) if why_refused(domain, *pair) is None}


def test_without_settings_everything_goes_on_to_be_judged():
    assert lets_in("DEFAULT", "DEFAULT") == set(itertools.product(SPOKEN, PROOFS))


@pytest.mark.parametrize("protocol", SPOKEN)
@pytest.mark.parametrize("authentication", TOGETHER)
def test_a_protocol_shuts_the_others_out_and_an_authentication_what_is_not_it(authentication, protocol):
    wanted = {"AWS_X509": PROOFS[:1], "CUSTOM_AUTH_X509": PROOFS[:1], "AWS_SIGV4": PROOFS[1:2]}
    wanted["CUSTOM_AUTH"] = tuple(proof for proof in PROOFS if proof != "AWS_SIGV4")
    assert lets_in(authentication, protocol) == {
        (protocol, proof) for proof in wanted.get(authentication, PROOFS)
    }


def test_one_that_is_disabled_lets_nobody_in():
    domain = Domain("iot.example.com", "1", "us-east-1", "mine", enabled=False)
    for pair in itertools.product(SPOKEN, PROOFS):
        assert "mine of iot.example.com is DISABLED" in (why_refused(domain, *pair) or "")


def test_what_goes_together_is_told():
    assert why_not_together("AWS_X509", "HTTPS") is None
    told = why_not_together("AWS_X509", "MQTT_WSS") or ""
    assert "AWS_X509: SECURE_MQTT, HTTPS, not MQTT_WSS" in told


def test_an_arn_has_a_part_of_its_own_and_those_of_every_account_have_none():
    mine = domain_arn("us-east-1", "1", "mine")
    assert mine == domain_arn("us-east-1", "1", "mine")
    assert mine.startswith("arn:aws:iot:us-east-1:1:domainconfiguration/mine/")
    assert len(mine.rpartition("/")[2]) == 5
    assert mine != domain_arn("us-east-1", "2", "mine")
    for name in BUILT_IN:
        assert domain_arn("us-east-1", "1", name).endswith(f"domainconfiguration/{name}")


def test_a_managed_name_is_under_the_nodes_own_certificate():
    name = managed_name("us-east-1", "1", "mine", "sekisho.localhost")
    assert covers(wildcards("us-east-1", "sekisho.localhost"), name)
    assert parse_host(name, "sekisho.localhost") is not None
    assert name != managed_name("us-east-1", "1", "other", "sekisho.localhost")


def test_every_cipher_suite_of_the_policies_is_one_that_openssl_knows():
    for policy in POLICIES.values():
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_cipher_list(policy.ciphers.encode())
        known = SSL.Connection(context, None).get_cipher_list()
        assert set(policy.ciphers.split(":")) <= set(known)
