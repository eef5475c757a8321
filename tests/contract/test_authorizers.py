"""Which authorizer decides, by what the database has; and what a function that was asked may answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from contract.stores import opened
from contract.test_tables import run
from sekisho.logic.custom_auth import Certificate, Mqtt, Shown
from sekisho.logic.domains import Domain
from sekisho.services.authorizer_asking import Failed, WrongCredentials, ask
from sekisho.services.authorizer_records import Authorizer, AuthorizerRecords, Rule, rule_of
from sekisho.store import tables
from sekisho.store.changes import Change

PLACE = ("000000000000", "us-east-1")
ELSEWHERE = ("111111111111", "us-east-1")


def body(name: str, status: str = "ACTIVE") -> str:
    return json.dumps(
        {
            "authorizerName": name,
            "authorizerArn": f"arn:aws:iot:us-east-1:000000000000:authorizer/{name}",
            "authorizerFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "status": status,
            "signingDisabled": True,
            "enableCachingForHttp": False,
        }
    )


def test_what_is_kept_is_kept_until_a_change(database_url: str) -> None:
    async def check() -> None:
        async with opened(database_url) as store:
            records = AuthorizerRecords(store)
            assert not (await records.known(PLACE)).any_active
            await store.commit(
                [
                    tables.insert_resource(*PLACE, "authorizer", "a", body("a"), 1.0),
                    tables.insert_resource(*PLACE, "authorizer", "b", body("b", "INACTIVE"), 1.0),
                    tables.insert_resource(*PLACE, "defaultauthorizer", "", '{"authorizerName":"b"}', 1.0),
                ]
            )
            assert not (await records.known(PLACE)).any_active
            records.forget(Change(1, *PLACE, "authorizer", "a", "created", 1.0))
            known = await records.known(PLACE)
            assert {name: one.active for name, one in known.authorizers.items()} == {"a": True, "b": False}
            assert (known.default, known.any_active) == ("b", True)
            assert not (await records.known(ELSEWHERE)).authorizers

    run(check())


def test_what_a_domain_says_of_custom_authentication() -> None:
    domain = Domain("a.example", *PLACE, "d")
    assert rule_of(None) == rule_of(domain) == Rule("", override=True)
    own = replace(domain, authorizer="own")
    assert rule_of(own) == Rule("own", override=False)
    assert rule_of(replace(own, override=True)) == Rule("own", override=True)
    assert rule_of(replace(own, authentication="CUSTOM_AUTH")) == Rule("own", override=False, always=True)
    both = replace(own, authentication="CUSTOM_AUTH_X509")
    assert rule_of(both) == Rule("own", override=False, always=True, certificate=True)
    for other in ("AWS_X509", "AWS_SIGV4"):
        assert rule_of(replace(domain, authentication=other)).never


AUTHORIZER = Authorizer("a", "arn", "f", True, False, "", (), False)


def test_beside_a_certificate_the_function_must_name_it() -> None:
    """AWS IoT Developer Guide, Custom authentication with X.509 client certificates."""
    asked: list[dict[str, Any]] = []

    async def function(name: str, event: dict[str, Any]) -> dict[str, Any]:
        asked.append(event)
        return {"isAuthenticated": True, "principalId": event["protocolData"]["mqtt"]["username"]}

    async def check() -> None:
        certificate = Certificate("f" * 64, "PEM")
        shown = Shown("id", "", mqtt=Mqtt("f" * 64, None, ""), certificate=certificate)
        assert (await ask(AUTHORIZER, shown, function)).principal == "f" * 64
        shown = Shown("id", "", mqtt=Mqtt("e" * 64, None, ""), certificate=certificate)
        with pytest.raises(Failed, match="principalId"):
            await ask(AUTHORIZER, shown, function)

    run(check())
    wanted = {"x509CertificatePem": "PEM", "principalId": "f" * 64}
    assert [event["protocolData"]["tls"] for event in asked] == [wanted, wanted]


def test_without_a_token_a_signed_one_asks_nobody() -> None:
    async def function(name: str, event: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("it was called")

    async def check() -> None:
        with pytest.raises(WrongCredentials, match="there is no token"):
            await ask(AUTHORIZER._replace(signed=True, token="token"), Shown("id", ""), function)

    run(check())
