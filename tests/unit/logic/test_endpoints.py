"""Host names of endpoints: built, taken apart, and what a certificate may be used for at one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.logic.endpoints import (
    CREDENTIALS,
    DATA,
    JOBS,
    TYPES,
    Name,
    host_name,
    parse_host,
    prefix,
    why_not_here,
    wildcards,
)

DOMAIN = "sekisho.localhost"
ACCOUNT = "123456789012"
REGION = "eu-west-1"


def test_a_prefix_is_14_letters_and_digits_and_always_the_same():
    assert prefix("000000000000", "us-east-1") == "abh5rmhpsb4q5o"
    assert re.fullmatch("a[a-z2-7]{13}", prefix(ACCOUNT, REGION))
    assert len({prefix(a, r) for a in (ACCOUNT, "000000000000") for r in (REGION, "us-east-1")}) == 4


@pytest.mark.parametrize(
    ("endpoint_type", "form"),
    [
        ("iot:Data", "{}.iot.eu-west-1.sekisho.localhost"),
        ("iot:Data-ATS", "{}-ats.iot.eu-west-1.sekisho.localhost"),
        ("iot:Jobs", "{}.jobs.iot.eu-west-1.sekisho.localhost"),
        ("iot:CredentialProvider", "{}.credentials.iot.eu-west-1.sekisho.localhost"),
    ],
)
def test_the_names_of_an_account_in_a_region(endpoint_type, form):
    name = host_name(ACCOUNT, REGION, endpoint_type, DOMAIN)
    assert name == form.format(prefix(ACCOUNT, REGION))
    assert parse_host(name, DOMAIN) == Name(prefix(ACCOUNT, REGION), REGION, TYPES[endpoint_type][1])
    assert parse_host(name.upper(), DOMAIN) == parse_host(name, DOMAIN)


@given(st.from_regex("[0-9]{12}", fullmatch=True), st.sampled_from(sorted(TYPES)))
def test_a_name_leads_back_to_what_it_is_of(account, endpoint_type):
    name = parse_host(host_name(account, REGION, endpoint_type, DOMAIN), DOMAIN)
    assert name == Name(prefix(account, REGION), REGION, TYPES[endpoint_type][1])


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        DOMAIN,
        f".{DOMAIN}",
        f"iot.{REGION}.{DOMAIN}",
        f"a.iot.{REGION}.example.com",
        f"a.iot.{REGION}.{DOMAIN}.example.com",
        f"a.iot.{REGION}.{DOMAIN}.{DOMAIN}x",
        f"a.shadows.iot.{REGION}.{DOMAIN}",
        f"a.b.jobs.iot.{REGION}.{DOMAIN}",
        f"a.iot.{REGION}x{DOMAIN}",
    ],
)
def test_a_name_of_another_form_is_nobodys(host):
    assert parse_host(host, DOMAIN) is None


@given(
    st.text(max_size=300) | st.from_regex(r"[a-z.-]*(\.(jobs|credentials))?\.iot\.[a-z-]*", fullmatch=True)
)
def test_any_name_is_read_and_what_is_read_is_in_it(host):
    for name in (host, f"{host}.{DOMAIN}"):
        found = parse_host(name, DOMAIN)
        if found is not None:
            assert name.lower().startswith(found.prefix)
            assert name.lower().endswith(f".iot.{found.region}.{DOMAIN}")
            assert (found.kind == DATA) is (name.lower().count(".") == 2 + DOMAIN.count(".") + 1)


def test_wildcards_cover_every_kind_of_every_account():
    for endpoint_type in TYPES:
        _, _, parent = host_name(ACCOUNT, REGION, endpoint_type, DOMAIN).partition(".")
        assert f"*.{parent}" in wildcards(REGION, DOMAIN)


@pytest.mark.parametrize("rule", ["data", "all"])
@pytest.mark.parametrize("kind", [DATA, JOBS, CREDENTIALS])
@pytest.mark.parametrize("named", [True, False])
def test_a_certificate_of_a_proved_ca_may_be_used_anywhere(kind, named, rule):
    assert why_not_here("DEFAULT", kind, named, rule) is None


@pytest.mark.parametrize(
    ("kind", "named", "rule", "reason"),
    [
        (DATA, True, "data", None),
        (DATA, True, "all", None),
        (DATA, False, "data", "SNI_MISUSED"),
        (DATA, False, "all", "SNI_MISUSED"),
        (JOBS, True, "data", "MULTI_ACCOUNT_CERTIFICATE"),
        (CREDENTIALS, True, "data", "MULTI_ACCOUNT_CERTIFICATE"),
        (JOBS, True, "all", None),
        (CREDENTIALS, True, "all", None),
    ],
)
def test_where_a_certificate_without_its_ca_may_be_used(kind, named, rule, reason):
    """Q7, Q15 and SNI."""
    answer = why_not_here("SNI_ONLY", kind, named, rule)
    assert (answer[0] if answer else None) == reason
    if reason == "MULTI_ACCOUNT_CERTIFICATE":
        assert kind in answer[1]
        assert "multi_account_certificates = data" in answer[1]
