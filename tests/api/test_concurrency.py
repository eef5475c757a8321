"""Several callers at once: limits hold, versions are not lost, and one of two contradictory changes wins."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from api.making import certificate, document


def at_once(*calls) -> Counter[str]:
    """Runs the calls in threads of their own; how often each error came, or "" for success."""

    def outcome(call) -> str:
        try:
            call()
        except ClientError as error:
            return error.response["Error"]["Code"]
        return ""

    with ThreadPoolExecutor(len(calls)) as pool:
        return Counter(pool.map(outcome, calls))


def test_the_same_thing(iot, name):
    found = at_once(*[lambda: iot.create_thing(thingName=name)] * 8)
    assert found == {"": 8}
    assert iot.describe_thing(thingName=name)["version"] == 1


def test_the_same_policy(iot, name):
    found = at_once(*[lambda: iot.create_policy(policyName=name, policyDocument=document())] * 8)
    assert found == {"": 1, "ResourceAlreadyExistsException": 7}


def test_updates_are_not_lost(iot, name):
    iot.create_thing_type(thingTypeName=name)
    iot.create_thing(thingName=name, thingTypeName=name)

    def merge(number: int):
        attributes = {"attributes": {f"a{number}": "1"}, "merge": True}
        return lambda: iot.update_thing(thingName=name, attributePayload=attributes)

    assert at_once(*map(merge, range(8))) == {"": 8}
    found = iot.describe_thing(thingName=name)
    assert (len(found["attributes"]), found["version"]) == (8, 9)


def test_one_of_those_who_expect_the_same_version(iot, name):
    iot.create_thing(thingName=name)
    found = at_once(*[lambda: iot.update_thing(thingName=name, expectedVersion=1)] * 8)
    assert found == {"": 1, "VersionConflictException": 7}


def test_no_eleventh_policy(iot, name):
    cert = certificate(iot)
    for number in range(14):
        iot.create_policy(policyName=f"{name}-{number}", policyDocument=document())

    def attach(number: int):
        return lambda: iot.attach_policy(policyName=f"{name}-{number}", target=cert.arn)

    assert at_once(*map(attach, range(14))) == {"": 10, "LimitExceededException": 4}
    assert len(iot.list_attached_policies(target=cert.arn)["policies"]) == 10


def test_no_sixth_version(iot, name):
    iot.create_policy(policyName=name, policyDocument=document())
    found = at_once(*[lambda: iot.create_policy_version(policyName=name, policyDocument=document())] * 8)
    assert found == {"": 4, "VersionsLimitExceededException": 4}
    versions = iot.list_policy_versions(policyName=name)["policyVersions"]
    assert sorted(version["versionId"] for version in versions) == list("12345")


def test_attach_against_delete(iot, name):
    """Never a policy attached that is not there."""
    for number in range(5):
        policy, cert = f"{name}-{number}", certificate(iot, active=False)
        iot.create_policy(policyName=policy, policyDocument=document())
        at_once(
            lambda policy=policy, cert=cert: iot.attach_policy(policyName=policy, target=cert.arn),
            lambda policy=policy: iot.delete_policy(policyName=policy),
        )
        attached = iot.list_attached_policies(target=cert.arn)["policies"]
        try:
            assert iot.get_policy(policyName=policy)
            assert len(attached) == 1
        except iot.exceptions.ResourceNotFoundException:
            assert attached == []


def test_what_is_there_already_is_told_before_anything_else(iot, name):
    """An operation that takes for granted that there is nothing of the name is not believed when there is:
    neither what it would have made, nor why it would have refused."""
    iot.create_thing(thingName=name, attributePayload={"attributes": {"a": "1"}})
    other = {"thingName": name, "thingTypeName": f"no-type-{name}"}
    found = at_once(*[lambda: iot.create_thing(**other)] * 12)
    assert found == {"ResourceAlreadyExistsException": 12}
    assert at_once(lambda: iot.create_thing(**other | {"thingName": f"{name}-2"})) == {
        "ResourceNotFoundException": 1
    }
    assert iot.describe_thing(thingName=name)["attributes"] == {"a": "1"}
