"""Trust policies: whom a document means, and what is no trust policy."""

from __future__ import annotations

import json

import pytest

from sekisho.logic.policy import MalformedPolicy
from sekisho.logic.trust import Asker, parse_trust

ACCOUNT, OTHER = "000000000000", "111111111111"
USER = f"arn:aws:iam::{ACCOUNT}:user/u"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"
ACTION = "sts:AssumeRole"


def document(*statements, version="2012-10-17"):
    return json.dumps({"Version": version, "Statement": list(statements)})


def statement(principal, effect="Allow", action=ACTION, **more):
    return {"Effect": effect, "Principal": principal, "Action": action, **more}


def user(*names, account=ACCOUNT):
    return Asker("AWS", account, names or (USER,))


def service(name):
    return Asker("Service", ACCOUNT, (name,))


def judge(asker, *statements, **context):
    found = parse_trust(document(*statements)).judge(asker, ACTION, context)
    return found.decision.allowed, found.direct


@pytest.mark.parametrize(
    ("principal", "asker", "expected"),
    [
        ({"AWS": USER}, user(), (True, True)),
        ({"AWS": [ROLE, USER]}, user(), (True, True)),
        ({"AWS": ROLE}, user(), (False, False)),
        ({"AWS": ROLE}, user(SESSION, ROLE), (True, True)),
        ({"AWS": SESSION}, user(SESSION, ROLE), (True, True)),
        ({"AWS": ACCOUNT}, user(), (True, False)),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, user(), (True, False)),
        ({"AWS": OTHER}, user(), (False, False)),
        ({"AWS": OTHER}, user(account=OTHER), (True, False)),
        ({"AWS": "*"}, user(), (True, False)),
        ("*", user(), (True, False)),
        ("*", service("credentials.iot.amazonaws.com"), (True, False)),
        (
            {"Service": "credentials.iot.amazonaws.com"},
            service("credentials.iot.amazonaws.com"),
            (True, True),
        ),
        ({"Service": "iot.amazonaws.com"}, service("credentials.iot.amazonaws.com"), (False, False)),
        ({"Service": "credentials.iot.amazonaws.com"}, user(), (False, False)),
        ({"AWS": ACCOUNT}, service("credentials.iot.amazonaws.com"), (False, False)),
    ],
)
def test_whom_a_principal_means(principal, asker, expected):
    assert judge(asker, statement(principal)) == expected


def test_a_deny_wins_and_what_nothing_allows_is_denied():
    everyone = statement({"AWS": ACCOUNT})
    assert judge(user(), everyone, statement({"AWS": USER}, "Deny")) == (False, False)
    assert judge(user(ROLE), everyone, statement({"AWS": USER}, "Deny")) == (True, False)
    assert judge(user(), statement({"AWS": USER}, action="sts:TagSession")) == (False, False)


def test_conditions():
    only = statement({"AWS": USER}, Condition={"StringEquals": {"sts:ExternalId": "secret"}})
    assert judge(user(), only) == (False, False)
    assert judge(user(), only, **{"sts:ExternalId": "secret"}) == (True, True)
    assert judge(user(), only, **{"sts:ExternalId": "other"}) == (False, False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "object"),
        ("{}", "Statement"),
        (document(), "empty list"),
        (document({"Effect": "Allow", "Action": ACTION}), "no Principal"),
        (document(statement({"AWS": "nobody"})), "invalid principal"),
        (document(statement({"AWS": f"arn:aws:iot:us-east-1:{ACCOUNT}:thing/t"})), "invalid principal"),
        (document(statement({"Robot": "x"})), "unknown key"),
        (document(statement({})), "empty"),
        (document(statement("someone")), '"*" or an object'),
        (document(statement({"AWS": []})), "empty list"),
        (document(statement({"AWS": [1]})), "list of names"),
        (document(statement({"AWS": USER}, Resource="*")), "has Resource"),
        (document(statement({"AWS": USER}, NotPrincipal="*")), "not implemented"),
        (document(statement({"AWS": USER}, action="iot:Publish")), "no action of sts"),
        (document(statement({"AWS": USER}, action="*")), "no action of sts"),
        (document(statement({"AWS": USER}, effect="Maybe")), "Allow or Deny"),
        (document(statement({"AWS": USER}), version="2020"), "Version"),
        (document("text"), "must be an object"),
    ],
)
def test_what_is_no_trust_policy_is_told_in_words(text, words):
    with pytest.raises(MalformedPolicy, match=words.replace("*", r"\*")):
        parse_trust(text)
