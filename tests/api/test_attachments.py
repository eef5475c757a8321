"""Policies on certificates, certificates on things: attach, detach, and listings in both directions."""

from __future__ import annotations

import pytest

from api.making import UNKNOWN_ID, arn, certificate, document, listed, not_implemented, refused

EXCLUSIVE, PLAIN = "EXCLUSIVE_THING", "NON_EXCLUSIVE_THING"


@pytest.fixture
def policy(iot, name):
    iot.create_policy(policyName=name, policyDocument=document())
    return name


@pytest.fixture
def thing(iot, name):
    iot.create_thing(thingName=name)
    return name


def policies_on(iot, target):
    return [one["policyName"] for one in iot.list_attached_policies(target=target)["policies"]]


# --- policies on certificates ---


def test_attach_and_list_both_ways(iot, policy, cert):
    iot.attach_policy(policyName=policy, target=cert.arn)
    expected = [{"policyName": policy, "policyArn": arn(f"policy/{policy}")}]
    assert iot.list_attached_policies(target=cert.arn)["policies"] == expected
    assert iot.list_targets_for_policy(policyName=policy)["targets"] == [cert.arn]


def test_attach_is_idempotent(iot, policy, cert):
    for _ in range(2):
        iot.attach_policy(policyName=policy, target=cert.arn)
    assert policies_on(iot, cert.arn) == [policy]


def test_detach(iot, policy, cert):
    iot.attach_policy(policyName=policy, target=cert.arn)
    iot.detach_policy(policyName=policy, target=cert.arn)
    assert policies_on(iot, cert.arn) == []
    assert iot.list_targets_for_policy(policyName=policy)["targets"] == []


def test_detach_what_is_not_attached(iot, policy, cert):
    iot.detach_policy(policyName=policy, target=cert.arn)
    assert policies_on(iot, cert.arn) == []


def test_detach_leaves_the_others(iot, policy, cert):
    other = certificate(iot)
    for one in (cert, other):
        iot.attach_policy(policyName=policy, target=one.arn)
    iot.detach_policy(policyName=policy, target=cert.arn)
    assert iot.list_targets_for_policy(policyName=policy)["targets"] == [other.arn]


def test_ten_policies_and_not_one_more(iot, name, cert):
    names = [f"{name}-{number:02}" for number in range(11)]
    for one in names:
        iot.create_policy(policyName=one, policyDocument=document())
    for one in names[:10]:
        iot.attach_policy(policyName=one, target=cert.arn)
    with refused("LimitExceededException", 410, "10"):
        iot.attach_policy(policyName=names[10], target=cert.arn)
    iot.attach_policy(policyName=names[0], target=cert.arn)
    assert policies_on(iot, cert.arn) == names[:10]
    iot.detach_policy(policyName=names[0], target=cert.arn)
    iot.attach_policy(policyName=names[10], target=cert.arn)
    assert policies_on(iot, cert.arn) == names[1:]


def test_the_older_names_are_the_same_thing(iot, policy, cert):
    iot.attach_principal_policy(policyName=policy, principal=cert.arn)
    assert policies_on(iot, cert.arn) == [policy]
    found = iot.list_principal_policies(principal=cert.arn)["policies"]
    assert found == [{"policyName": policy, "policyArn": arn(f"policy/{policy}")}]
    assert iot.list_policy_principals(policyName=policy)["principals"] == [cert.arn]
    iot.detach_principal_policy(policyName=policy, principal=cert.arn)
    assert policies_on(iot, cert.arn) == []


def test_recursive_adds_nothing_to_a_certificate(iot, policy, cert):
    iot.attach_policy(policyName=policy, target=cert.arn)
    found = iot.list_attached_policies(target=cert.arn, recursive=True)["policies"]
    assert [one["policyName"] for one in found] == [policy]


def test_an_unknown_policy(iot, name, cert):
    iot.detach_policy(policyName=name, target=cert.arn)  # on AWS, too
    with refused("ResourceNotFoundException", 404, name):
        iot.attach_policy(policyName=name, target=cert.arn)
    with refused("ResourceNotFoundException", 404, name):
        iot.detach_principal_policy(policyName=name, principal=cert.arn)
    with refused("ResourceNotFoundException", 404, name):
        iot.list_targets_for_policy(policyName=name)


def test_an_unknown_certificate(iot, policy, thing):
    unknown = arn(f"cert/{UNKNOWN_ID}")
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        iot.attach_policy(policyName=policy, target=unknown)
    with refused(
        "InvalidRequestException", 400, "Invalid Target", UNKNOWN_ID
    ):  # infrastructure tools read it
        iot.detach_policy(policyName=policy, target=unknown)
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        iot.detach_principal_policy(policyName=policy, principal=unknown)
    for call in (iot.attach_thing_principal, iot.detach_thing_principal):
        with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
            call(thingName=thing, principal=unknown)
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        iot.list_attached_policies(target=unknown)
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        iot.list_principal_things(principal=unknown)


@pytest.mark.parametrize(
    "target",
    [
        "nonsense",
        "arn:aws:iot",
        arn("policy/x"),
        "arn:aws:iam::000000000000:role/x",
        arn(f"cert/{UNKNOWN_ID}", account="111111111111"),
        arn(f"cert/{UNKNOWN_ID}", region="eu-west-1"),
        arn(f"cert/{UNKNOWN_ID}").replace("arn:aws:", "arn:aws-cn:"),
        arn("cert/\x00"),
        "x" * 100_000,
    ],
)
def test_a_target_that_is_none(iot, policy, target):
    with pytest.raises(
        (iot.exceptions.InvalidRequestException, iot.exceptions.ResourceNotFoundException)
    ) as caught:
        iot.attach_policy(policyName=policy, target=target)
    assert len(str(caught.value)) < 1000


def test_targets_that_are_not_built(iot, policy):
    with not_implemented("Cognito"):
        iot.attach_policy(policyName=policy, target="us-east-1:00000000-1111-2222-3333-444444444444")


# --- certificates on things ---


def test_attach_a_principal_and_list_both_ways(iot, thing, cert):
    iot.attach_thing_principal(thingName=thing, principal=cert.arn)
    assert iot.list_thing_principals(thingName=thing)["principals"] == [cert.arn]
    assert iot.list_principal_things(principal=cert.arn)["things"] == [thing]


def test_version_2_of_the_listings_tells_the_type(iot, thing, cert):
    iot.attach_thing_principal(thingName=thing, principal=cert.arn)
    found = iot.list_thing_principals_v2(thingName=thing)["thingPrincipalObjects"]
    assert found == [{"principal": cert.arn, "thingPrincipalType": PLAIN}]
    found = iot.list_principal_things_v2(principal=cert.arn)["principalThingObjects"]
    assert found == [{"thingName": thing, "thingPrincipalType": PLAIN}]


def test_version_2_of_the_listings_filters_by_type(iot, thing, cert):
    iot.attach_thing_principal(thingName=thing, principal=cert.arn, thingPrincipalType=EXCLUSIVE)
    for kind, count in ((EXCLUSIVE, 1), (PLAIN, 0)):
        found = iot.list_thing_principals_v2(thingName=thing, thingPrincipalType=kind)
        assert len(found["thingPrincipalObjects"]) == count
        found = iot.list_principal_things_v2(principal=cert.arn, thingPrincipalType=kind)
        assert len(found["principalThingObjects"]) == count


def test_attach_a_principal_again(iot, thing, cert):
    for _ in range(2):
        iot.attach_thing_principal(thingName=thing, principal=cert.arn)
    assert iot.list_thing_principals(thingName=thing)["principals"] == [cert.arn]


def test_detach_a_principal(iot, thing, cert):
    iot.attach_thing_principal(thingName=thing, principal=cert.arn)
    iot.detach_thing_principal(thingName=thing, principal=cert.arn)
    assert iot.list_thing_principals(thingName=thing)["principals"] == []
    assert iot.list_principal_things(principal=cert.arn)["things"] == []


def test_many_to_many(iot, name):
    certs = [certificate(iot) for _ in range(2)]
    things = [f"{name}-{number}" for number in range(2)]
    for thing in things:
        iot.create_thing(thingName=thing)
        for cert in certs:
            iot.attach_thing_principal(thingName=thing, principal=cert.arn)
    arns = sorted(cert.arn for cert in certs)
    for thing in things:
        assert sorted(iot.list_thing_principals(thingName=thing)["principals"]) == arns
    for cert in certs:
        assert iot.list_principal_things(principal=cert.arn)["things"] == things


def test_an_exclusive_certificate_has_one_thing(iot, name, thing, cert):
    iot.create_thing(thingName=f"{name}-2")
    iot.attach_thing_principal(thingName=thing, principal=cert.arn, thingPrincipalType=EXCLUSIVE)
    for kind in (EXCLUSIVE, PLAIN):
        with refused("InvalidRequestException", 400, thing):
            iot.attach_thing_principal(thingName=f"{name}-2", principal=cert.arn, thingPrincipalType=kind)
    iot.detach_thing_principal(thingName=thing, principal=cert.arn)
    iot.attach_thing_principal(thingName=f"{name}-2", principal=cert.arn, thingPrincipalType=EXCLUSIVE)


def test_a_certificate_of_another_thing_cannot_become_exclusive(iot, name, thing, cert):
    iot.create_thing(thingName=f"{name}-2")
    iot.attach_thing_principal(thingName=thing, principal=cert.arn)
    with refused("InvalidRequestException", 400, thing):
        iot.attach_thing_principal(thingName=f"{name}-2", principal=cert.arn, thingPrincipalType=EXCLUSIVE)


def test_a_thing_may_have_several_exclusive_certificates(iot, thing):
    certs = [certificate(iot) for _ in range(2)]
    for cert in certs:
        iot.attach_thing_principal(thingName=thing, principal=cert.arn, thingPrincipalType=EXCLUSIVE)
    assert len(iot.list_thing_principals(thingName=thing)["principals"]) == 2


def test_attaching_again_changes_the_type(iot, thing, cert):
    iot.attach_thing_principal(thingName=thing, principal=cert.arn, thingPrincipalType=EXCLUSIVE)
    iot.attach_thing_principal(thingName=thing, principal=cert.arn, thingPrincipalType=PLAIN)
    found = iot.list_thing_principals_v2(thingName=thing)["thingPrincipalObjects"]
    assert [one["thingPrincipalType"] for one in found] == [PLAIN]


def test_an_unknown_thing(iot, name, cert):
    for call in (iot.attach_thing_principal, iot.detach_thing_principal):
        with refused("ResourceNotFoundException", 404, name):
            call(thingName=name, principal=cert.arn)
    for call in (iot.list_thing_principals, iot.list_thing_principals_v2):
        with refused("ResourceNotFoundException", 404, name):
            call(thingName=name)


def test_an_unknown_type_of_attachment(iot, thing, cert):
    with refused("InvalidRequestException", 400, "thingPrincipalType", EXCLUSIVE):
        iot.attach_thing_principal(thingName=thing, principal=cert.arn, thingPrincipalType="SOMETIMES")


def test_paginators_of_the_listings(iot, name, cert):
    for number in range(3):
        iot.create_thing(thingName=f"{name}-{number}")
        iot.attach_thing_principal(thingName=f"{name}-{number}", principal=cert.arn)
    found = listed(
        iot, "list_principal_things", "things", principal=cert.arn, PaginationConfig={"PageSize": 1}
    )
    assert found == [f"{name}-{number}" for number in range(3)]
