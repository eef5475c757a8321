"""Policies and their versions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from api.making import UNCHECKED, arn, document, listed, refused


@pytest.fixture
def policy(iot, name):
    iot.create_policy(policyName=name, policyDocument=document("v1"))
    return name


def versions(iot, policy):
    found = iot.list_policy_versions(policyName=policy)["policyVersions"]
    return {one["versionId"]: one["isDefaultVersion"] for one in found}


def test_create_then_get(iot, name):
    text = document("some", "topics")
    before = datetime.now(UTC) - timedelta(seconds=1)
    made = iot.create_policy(policyName=name, policyDocument=text)
    assert made["policyName"] == name
    assert made["policyArn"] == arn(f"policy/{name}")
    assert made["policyDocument"] == text
    assert made["policyVersionId"] == "1"
    found = iot.get_policy(policyName=name)
    assert found["policyName"] == name
    assert found["policyArn"] == made["policyArn"]
    assert found["policyDocument"] == text
    assert found["defaultVersionId"] == "1"
    assert before < found["creationDate"] <= datetime.now(UTC)
    assert found["lastModifiedDate"] == found["creationDate"]
    assert found["generationId"]


def test_a_document_comes_back_as_it_was_written(iot, name):
    text = json.dumps(json.loads(document("ü/𝄞")), indent=3, ensure_ascii=False)
    iot.create_policy(policyName=name, policyDocument=text)
    assert iot.get_policy(policyName=name)["policyDocument"] == text


def test_a_name_takes_every_character_that_aws_allows(iot, name):
    odd = f"{name}_+=,.@-9"
    iot.create_policy(policyName=odd, policyDocument=document())
    assert iot.get_policy(policyName=odd)["policyArn"] == arn(f"policy/{odd}")


def test_a_name_of_forbidden_form(iot, name):
    with refused("InvalidRequestException", 400, "policyName"):
        iot.create_policy(policyName=f"{name}/x", policyDocument=document())


def test_create_again_is_refused_even_with_the_same_document(iot, policy):
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException) as caught:
        iot.create_policy(policyName=policy, policyDocument=document("v1"))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert caught.value.response["resourceArn"] == arn(f"policy/{policy}")


def test_get_an_unknown_policy(iot, name):
    with refused("ResourceNotFoundException", 404, name):
        iot.get_policy(policyName=name)


def test_2048_characters_without_counting_white_space(iot, name):
    bare = json.dumps(json.loads(document("x")), separators=(",", ":"))
    largest = document("x" * (2048 - len(bare) + 1))
    assert len("".join(largest.split())) == 2048
    iot.create_policy(policyName=name, policyDocument=largest.replace(":", ":" + " " * 5000, 1))
    too_large = largest.replace("xxx", "xxxx", 1)
    with refused("MalformedPolicyException", 400, "2049", "2048"):
        iot.create_policy(policyName=f"{name}-2", policyDocument=too_large)
    with refused("MalformedPolicyException", 400, "2049", "2048"):
        iot.create_policy_version(policyName=name, policyDocument=too_large)


def test_new_versions_are_not_the_default_unless_asked(iot, policy):
    made = iot.create_policy_version(policyName=policy, policyDocument=document("v2"))
    assert made["policyArn"] == arn(f"policy/{policy}")
    assert made["policyDocument"] == document("v2")
    assert (made["policyVersionId"], made["isDefaultVersion"]) == ("2", False)
    assert iot.get_policy(policyName=policy)["policyDocument"] == document("v1")
    made = iot.create_policy_version(policyName=policy, policyDocument=document("v3"), setAsDefault=True)
    assert (made["policyVersionId"], made["isDefaultVersion"]) == ("3", True)
    found = iot.get_policy(policyName=policy)
    assert (found["defaultVersionId"], found["policyDocument"]) == ("3", document("v3"))
    assert versions(iot, policy) == {"1": False, "2": False, "3": True}


def test_get_a_version(iot, policy):
    iot.create_policy_version(policyName=policy, policyDocument=document("v2"))
    found = iot.get_policy_version(policyName=policy, policyVersionId="2")
    assert found["policyName"] == policy
    assert found["policyArn"] == arn(f"policy/{policy}")
    assert found["policyDocument"] == document("v2")
    assert (found["policyVersionId"], found["isDefaultVersion"]) == ("2", False)
    assert found["creationDate"] <= found["lastModifiedDate"]
    assert found["generationId"]


def test_set_the_default_version(iot, policy):
    iot.create_policy_version(policyName=policy, policyDocument=document("v2"))
    iot.set_default_policy_version(policyName=policy, policyVersionId="2")
    assert iot.get_policy(policyName=policy)["policyDocument"] == document("v2")
    assert versions(iot, policy) == {"1": False, "2": True}


def test_five_versions_and_not_one_more(iot, policy):
    for number in range(2, 6):
        iot.create_policy_version(policyName=policy, policyDocument=document(f"v{number}"))
    with refused("VersionsLimitExceededException", 409, policy, "5"):
        iot.create_policy_version(policyName=policy, policyDocument=document("v6"))
    found = iot.list_policy_versions(policyName=policy)["policyVersions"]
    assert [one["versionId"] for one in found] == ["5", "4", "3", "2", "1"]
    assert [one["isDefaultVersion"] for one in found] == [False] * 4 + [True]
    assert all(one["createDate"] for one in found)


def test_numbers_of_deleted_versions_are_not_used_again(iot, policy):
    iot.create_policy_version(policyName=policy, policyDocument=document("v2"))
    iot.delete_policy_version(policyName=policy, policyVersionId="2")
    made = iot.create_policy_version(policyName=policy, policyDocument=document("v3"))
    assert made["policyVersionId"] == "3"
    assert versions(iot, policy) == {"1": True, "3": False}


def test_the_default_version_cannot_be_deleted(iot, policy):
    with refused("DeleteConflictException", 409, policy):
        iot.delete_policy_version(policyName=policy, policyVersionId="1")


def test_unknown_versions(iot, policy):
    for call in (iot.get_policy_version, iot.delete_policy_version, iot.set_default_policy_version):
        with refused("ResourceNotFoundException", 404, policy, "7"):
            call(policyName=policy, policyVersionId="7")
        with refused("InvalidRequestException", 400, "policyVersionId"):
            call(policyName=policy, policyVersionId="first")


def test_versions_of_an_unknown_policy(iot, name):
    for call in (iot.list_policy_versions, iot.delete_policy):
        with refused("ResourceNotFoundException", 404, name):
            call(policyName=name)
    for call in (iot.get_policy_version, iot.delete_policy_version, iot.set_default_policy_version):
        with refused("ResourceNotFoundException", 404, name):
            call(policyName=name, policyVersionId="1")
    with refused("ResourceNotFoundException", 404, name):
        iot.create_policy_version(policyName=name, policyDocument=document())


def test_delete(iot, policy):
    iot.delete_policy(policyName=policy)
    with refused("ResourceNotFoundException", 404, policy):
        iot.get_policy(policyName=policy)


def test_delete_while_other_versions_exist(iot, policy):
    iot.create_policy_version(policyName=policy, policyDocument=document("v2"))
    with refused("DeleteConflictException", 409, policy):
        iot.delete_policy(policyName=policy)
    iot.delete_policy_version(policyName=policy, policyVersionId="2")
    iot.delete_policy(policyName=policy)


def test_delete_while_it_is_attached(iot, policy, cert):
    iot.attach_policy(policyName=policy, target=cert.arn)
    words = (
        f"The policy cannot be deleted as the policy is attached to one or more principals (name={policy})"
    )
    with refused("DeleteConflictException", 409, words):
        iot.delete_policy(policyName=policy)
    iot.detach_policy(policyName=policy, target=cert.arn)
    iot.delete_policy(policyName=policy)


def test_list(iot, policy):
    found = listed(iot, "list_policies", "policies")
    assert {"policyName": policy, "policyArn": arn(f"policy/{policy}")} in found


def test_list_in_the_order_of_creation(iot, name, turned):
    made = [f"{name}-{letter}" for letter in "cab"]
    for one in made:
        turned.set_clock(advanceSeconds=1)
        iot.create_policy(policyName=one, policyDocument=document())

    def found(**order):
        policies = listed(iot, "list_policies", "policies", **order)
        return [one["policyName"] for one in policies if one["policyName"] in made]

    assert found(ascendingOrder=True) == made
    assert found(ascendingOrder=False) == made[::-1]


STATEMENT = {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"}


@pytest.mark.parametrize(
    "text, word",
    [
        ("", "not JSON"),
        ("not json", "not JSON"),
        ('{"Version": "2012-10-17", "Statement": [', "not JSON"),
        ("[]", "list"),
        ('"text"', "string"),
        (json.dumps({"Version": "2012-10-17"}), "Statement"),
        (json.dumps({"Version": "2012-10-17", "Statement": []}), "Statement"),
        (json.dumps({"Version": "2020-01-01", "Statement": [STATEMENT]}), "2020-01-01"),
        (json.dumps({"Version": "2012-10-17", "Statements": [STATEMENT]}), "Statements"),
        (json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT | {"Effect": "Maybe"}]}), "Maybe"),
        (json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT | {"Action": "Publish"}]}), "Publish"),
        (json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT | {"Resource": "a/b"}]}), "a/b"),
        (json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT | {"Resource": 7}]}), "Resource"),
        (json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT | {"Where": "x"}]}), "Where"),
        (
            json.dumps(
                {"Version": "2012-10-17", "Statement": [STATEMENT | {"Condition": {"Like": {"a": "b"}}}]}
            ),
            "Like",
        ),
        ('{"Statement": ' + "[" * 2000 + "]" * 2000 + "}", "characters"),
        ('{"Statement": ' + "[" * 900 + "]" * 900 + "}", "statement 0"),
        ('{"Version": "2012-10-17", "Version": "2012-10-17"}', "twice"),
        ("\x00", "not JSON"),
    ],
)
def test_a_malformed_document_is_named(iot, name, policy, text, word):
    with refused("MalformedPolicyException", 400, word):
        iot.create_policy(policyName=f"{name}-2", policyDocument=text)
    with refused("MalformedPolicyException", 400, word):
        iot.create_policy_version(policyName=policy, policyDocument=text)
    assert list(versions(iot, policy)) == ["1"]


def test_a_document_beyond_the_raw_limit(node, name):
    iot = node.client("iot", config=UNCHECKED)
    with refused("InvalidRequestException", 400, "policyDocument", "404600"):
        iot.create_policy(policyName=name, policyDocument=document() + " " * 404_600)
