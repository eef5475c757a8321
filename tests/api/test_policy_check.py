"""CheckPolicy, `sekisho policy check`, and what the node's log says of policies that are taken."""

from __future__ import annotations

import json
import re

import pytest

from api.making import arn, document, refused
from command import sekisho

MISSPELT = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": arn("client/${iot:ClientId}")},
        {"Sid": "up", "Effect": "Allow", "Action": "iot:Pubish", "Resource": arn("topic/${iot:ClentId}/#")},
    ],
}
SAID = [
    (
        "Action",
        "iot:Pubish",
        "UNKNOWN_ACTION",
        'no device is asked whether it may "iot:Pubish"; did you mean iot:Publish?',
    ),
    (
        "Resource",
        arn("topic/${iot:ClentId}/#"),
        "UNKNOWN_VARIABLE",
        'there is no variable "iot:ClentId"; did you mean iot:ClientId?',
    ),
    (
        "Resource",
        arn("topic/${iot:ClentId}/#"),
        "MISPLACED_WILDCARD",
        "+ and # in a policy stand for themselves, and no topic has them; write * for any run of "
        "characters (a topicfilter/ may name a filter with them)",
    ),
]
FOUND = [
    {"statement": 1, "sid": "up", "element": element, "value": value, "code": code, "message": message}
    for element, value, code, message in SAID
]


@pytest.fixture(scope="module")
def own(node):
    return node.client("sekisho")


@pytest.fixture
def policy(iot, name):
    iot.create_policy(policyName=name, policyDocument=document())
    iot.create_policy_version(policyName=name, policyDocument=json.dumps(MISSPELT))
    return name


def test_a_document(own):
    answer = own.check_policy(policyDocument=json.dumps(MISSPELT))
    assert answer["findings"] == FOUND
    assert "malformed" not in answer
    assert own.check_policy(policyDocument=document())["findings"] == []


def test_what_is_no_policy(own, iot, name):
    text = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Alow"}]})
    answer = own.check_policy(policyDocument=text)
    assert answer["findings"] == []
    with refused("MalformedPolicyException", 400, answer["malformed"]):
        iot.create_policy(policyName=name, policyDocument=text)


def test_the_versions_of_a_policy(own, policy):
    assert own.check_policy(policyName=policy)["findings"] == []
    assert own.check_policy(policyName=policy, policyVersionId="2")["findings"] == FOUND


def test_in_another_account_the_same_document_is_of_another_place(node, name):
    account = re.search(r"\d{12}", node.command("account", "create"))[0]
    iot, theirs = (node.client(service, account=account) for service in ("iot", "sekisho"))
    resource = arn("topic/a")
    statement = {"Effect": "Allow", "Action": "iot:Publish", "Resource": resource}
    iot.create_policy(
        policyName=name, policyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    (found,) = theirs.check_policy(policyName=name)["findings"]
    assert (found["code"], found["value"]) == ("OTHER_PLACE", resource)
    assert found["message"].endswith(f"not {account}")


@pytest.mark.parametrize(
    ("members", "code", "words"),
    [
        ({}, "InvalidRequestException", "either policyDocument or policyName"),
        ({"policyDocument": "{}", "policyName": "a"}, "InvalidRequestException", "either"),
        ({"policyDocument": "{}", "policyVersionId": "1"}, "InvalidRequestException", "policyVersionId"),
        ({"policyName": "no-such-policy"}, "ResourceNotFoundException", "no-such-policy"),
    ],
)
def test_errors(own, members, code, words):
    with refused(code, 404 if code.startswith("Resource") else 400, words):
        own.check_policy(**members)


def test_a_version_that_there_is_not(own, policy):
    with refused("ResourceNotFoundException", 404, "version 9"):
        own.check_policy(policyName=policy, policyVersionId="9")


def test_the_log_says_what_was_taken(node, iot, name):
    iot.create_policy(policyName=name, policyDocument=document())
    assert name not in node.log
    iot.create_policy_version(policyName=name, policyDocument=json.dumps(MISSPELT))
    (line,) = [line for line in node.log.splitlines() if name in line]
    assert "a policy says what nobody asks for" in line
    assert "did you mean iot:Publish?" in line


# --- the command --------------------------------------------------------------------------------------------


def test_the_command_with_a_file(tmp_path):
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(MISSPELT))
    answer = sekisho("policy", "check", path, ok=False)
    assert answer.returncode == 1
    assert answer.stdout.splitlines()[:2] == [
        'statement 1 up: Action "iot:Pubish"',
        '  UNKNOWN_ACTION: no device is asked whether it may "iot:Pubish"; did you mean iot:Publish?',
    ]
    assert sekisho("policy", "check", "-", input=document()).stdout == "nothing to say against it\n"
    path.write_text(json.dumps(MISSPELT).replace("iot:Pubish", "iot:Publish").replace("Clent", "Client")[:-4])
    answer = sekisho("policy", "check", path, ok=False)
    assert answer.returncode == 1
    assert answer.stderr.startswith("sekisho: this is no policy: the document is not JSON")


def test_the_command_with_an_account(tmp_path):
    path = tmp_path / "policy.json"
    statement = {"Effect": "Allow", "Action": "iot:Publish", "Resource": arn("topic/a")}
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statement}))
    there = ("--account", "999999999999", "--region", "us-east-1")
    assert sekisho("policy", "check", path).stdout == "nothing to say against it\n"
    answer = sekisho("policy", "check", path, *there, ok=False)
    assert (answer.returncode, "OTHER_PLACE" in answer.stdout) == (1, True)


def test_the_command_with_a_policy_of_the_node(node, policy):
    assert node.command("policy", "check", "--name", policy).strip() == "nothing to say against it"
    chosen = ("--name", policy, "--version", "2", "--data", node.data)
    answer = sekisho("policy", "check", *chosen, ok=False)
    assert answer.returncode == 1
    assert answer.stdout.count("statement 1 up") == len(FOUND)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "a file, or --name"),
        (("a", "--name", "b"), "a file, or --name"),
        (("no-such-file",), "no-such-file: No such file"),
        (("a", "--account", "123456789012"), "go together"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, words):
    answer = sekisho("policy", "check", *arguments, ok=False)
    assert answer.returncode == 1
    assert words in answer.stderr
