"""Which configuration a host name has, and whose."""

from __future__ import annotations

import pytest

from sekisho.logic.domains import Domain
from sekisho.services.places import Authorization, Places

HERE, THERE = ("000000000000", "us-east-1"), ("111111111111", "us-east-1")


@pytest.fixture
def places():
    places = Places(HERE[0], [HERE[1]], "sekisho.localhost", "localhost", ["node.example.com"])
    places.add(THERE[0])
    return places


def domain(name, place=HERE, **settings):
    return Domain(name, *place, "mine", **settings)


def test_a_name_with_a_configuration_is_its_accounts(places):
    mine = places.domains["iot.example.com"] = domain("iot.example.com", THERE)
    assert places.resolve("IOT.example.com") == (*THERE, "data", True, mine)
    assert places.resolve("localhost") == (*HERE, "data", True, None)
    assert places.resolve("a.example.com") == (*HERE, "data", False, None)


def test_the_nodes_own_name_can_have_one(places):
    mine = places.domains["localhost"] = domain("localhost")
    assert places.resolve("localhost") == (*HERE, "data", True, mine)
    assert places.is_own("LOCALHOST") and places.is_own("node.example.com")
    assert not places.is_own("iot.example.com")


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, None),
        ({"authorizer": "mine"}, Authorization("mine", False)),
        ({"authorizer": "mine", "override": True}, Authorization("mine", True)),
        ({"override": True}, Authorization("", True)),
    ],
)
def test_a_domain_names_the_authorizer_of_its_own_clients(places, settings, found):
    places.domains["iot.example.com"] = domain("iot.example.com", **settings)
    assert places.default_authorizer(HERE, "iot.Example.com") == found
    assert places.default_authorizer(THERE, "iot.example.com") is None
    assert places.default_authorizer(HERE, "other.example.com") is None
