"""Domain configurations whose clients are a custom authorizer's to judge, alone or beside a certificate."""

from __future__ import annotations

import json

import pytest

from interop.authorizing import SETTINGS, create, username
from interop.devices import ANYTHING, until
from interop.domains import code
from interop.domains import device as device
from interop.domains import domain as domain
from interop.domains import operator as operator
from interop.sockets import Frames, Refused
from interop.wire import Closed
from nodes import running


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with running(tmp_path_factory.mktemp("custom") / "node", *SETTINGS) as node:
        yield node


@pytest.fixture
def own(operator, domain, name):
    """The domain's authorizer, which no client has to name."""
    made = create(operator.iot, f"{name}-own", status="ACTIVE")
    domain.change(
        authenticationType="CUSTOM_AUTH",
        applicationProtocol="SECURE_MQTT",
        authorizerConfig={"defaultAuthorizerName": made, "allowAuthorizerOverride": False},
    )
    return made


def why(node):
    return node.client("sekisho").list_refusals(maxResults=1)["refusals"][0]["reason"]


def test_its_authorizer_judges_who_names_none(node, domain, own, name):
    until(lambda: code(domain, name, username="user") == 0)
    # A certificate says nothing here, and neither does its absence.
    assert code(domain, name, username=username(do="refuse")) != 0
    assert own in why(node)


def test_no_other_authorizer_is_named_unless_the_domain_lets_it_be(node, operator, domain, own, name):
    other = create(operator.iot, f"{name}-other", status="ACTIVE")
    until(lambda: code(domain, name, username="user") == 0)
    assert code(domain, name, username=username(name=other)) != 0
    assert "lets none be named" in why(node)
    domain.change(authorizerConfig={"defaultAuthorizerName": own, "allowAuthorizerOverride": True})
    until(lambda: code(domain, name, username=username(name=other)) == 0)


def test_beside_a_certificate_both_must_say_the_same_and_both_give_rights(node, domain, own, device, name):
    domain.change(authenticationType="CUSTOM_AUTH_X509")
    who = device("both", statements=ANYTHING)
    answer = json.dumps({"isAuthenticated": True, "principalId": who.certificate_id, "policyDocuments": []})
    until(lambda: code(domain, name, username=username(do=answer)) != 0)
    assert "it asks for a client certificate and a custom authorizer" in why(node)
    assert code(domain, name, who, username="user") != 0
    assert "principalId" in why(node)
    assert code(domain, name, who, username=username(do=answer)) == 0


def test_a_websocket_of_such_a_domain_is_judged_by_what_connect_says(node, domain, own, name):
    domain.change(authenticationType="CUSTOM_AUTH", applicationProtocol="MQTT_WSS")

    def comes(**connect):
        with domain.wire(address=node.address("https")) as wire:
            frames = Frames(wire.sock)
            try:
                frames.open(domain.host, "/mqtt", [], ["mqtt"])
            except Refused:
                return False
            wire.sock = frames
            try:
                return wire.connect(name, **connect).code == 0
            except Closed:
                return False

    until(lambda: comes(username="user"))
    assert not comes(username=username(do="refuse"))
    assert code(domain, name, username="user") != 0
    assert "and this is SECURE_MQTT" in why(node)


def test_an_authorizer_that_a_domain_rests_on_is_not_deleted(operator, domain, own):
    iot = operator.iot
    iot.update_authorizer(authorizerName=own, status="INACTIVE")
    with pytest.raises(iot.exceptions.DeleteConflictException, match=domain.name):
        iot.delete_authorizer(authorizerName=own)
    domain.change(removeAuthorizerConfig=True)
    iot.delete_authorizer(authorizerName=own)
    with pytest.raises(iot.exceptions.InvalidRequestException, match=own):
        domain.change(authorizerConfig={"defaultAuthorizerName": own})
