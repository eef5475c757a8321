"""Accounts and regions, and which of them a host name means."""

from __future__ import annotations

import pytest

from sekisho.logic.endpoints import TYPES, host_name
from sekisho.services.places import Endpoint, Places

DEFAULT, OTHER = "000000000000", "111111111111"
REGIONS = ["us-east-1", "eu-west-1"]
DOMAIN = "iot.example.com"


@pytest.fixture
def places() -> Places:
    return Places(DEFAULT, REGIONS, DOMAIN, "localhost", ["127.0.0.1", "Node.example.com"])


def test_every_account_is_in_every_region(places):
    places.add(OTHER)
    places.add(OTHER)
    assert places.default == (DEFAULT, "us-east-1")
    assert places.all == [(account, region) for account in (DEFAULT, OTHER) for region in REGIONS]


def test_a_name_leads_to_its_account_once_that_is_there(places):
    for region in REGIONS:
        for endpoint_type in TYPES:
            name = host_name(OTHER, region, endpoint_type, DOMAIN)
            assert places.resolve(name) == Endpoint(DEFAULT, "us-east-1", "data", False)
    places.add(OTHER)
    for region in REGIONS:
        for endpoint_type, (_, kind) in TYPES.items():
            name = host_name(OTHER, region, endpoint_type, DOMAIN)
            assert places.resolve(name) == Endpoint(OTHER, region, kind, True)
            assert places.resolve(name.upper()) == Endpoint(OTHER, region, kind, True)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "node.example.com"])
def test_the_nodes_own_names_are_full_names_of_the_default_account(places, name):
    assert places.resolve(name) == Endpoint(DEFAULT, "us-east-1", "data", True)


@pytest.mark.parametrize(
    "name",
    ["", "elsewhere", DOMAIN, host_name(DEFAULT, "ap-northeast-1", "iot:Data", DOMAIN), "�.localhost"],
)
def test_no_name_and_an_unknown_one_mean_the_default_account(places, name):
    assert places.resolve(name) == Endpoint(DEFAULT, "us-east-1", "data", False)


def test_a_prefix_counts_in_its_own_region_alone(places):
    prefix = host_name(DEFAULT, "us-east-1", "iot:Data", DOMAIN).partition(".")[0]
    assert not places.resolve(f"{prefix}.iot.eu-west-1.{DOMAIN}").named


def test_what_describe_endpoint_answers(places):
    assert places.host(DEFAULT, "us-east-1", "iot:Data-ATS") == "localhost"
    assert places.host(DEFAULT, "us-east-1", "iot:Data") == "localhost"
    assert places.host(DEFAULT, "us-east-1", "iot:Jobs") == host_name(
        DEFAULT, "us-east-1", "iot:Jobs", DOMAIN
    )
    for account, region in ((DEFAULT, "eu-west-1"), (OTHER, "us-east-1")):
        for endpoint_type in TYPES:
            expected = host_name(account, region, endpoint_type, DOMAIN)
            assert places.host(account, region, endpoint_type) == expected
