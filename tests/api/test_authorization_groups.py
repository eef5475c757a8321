"""What thing groups give, as the operations tell it that say what a device may do."""

from __future__ import annotations

import json

import pytest

from api.making import arn
from api.test_authorization import ask, decisions, results, shown
from interop.devices import allow, deny

ALLOWED, NOTHING = "ALLOWED", "IMPLICIT_DENY"


@pytest.fixture
def tree(iot, name, cert):
    """A thing of the certificate in a group in a group; a policy on the certificate and on each group."""
    outer, inner = f"{name}-outer", f"{name}-inner"
    iot.create_thing_group(thingGroupName=outer)
    iot.create_thing_group(thingGroupName=inner, parentGroupName=outer)
    iot.create_thing(thingName=name, attributePayload={"attributes": {"site": "north"}})
    iot.attach_thing_principal(thingName=name, principal=cert.arn)
    iot.add_thing_to_thing_group(thingGroupName=inner, thingName=name)
    for suffix, target, statement in (
        ("-own", cert.arn, allow("Publish", "topic/own")),
        ("-inner", arn(f"thinggroup/{inner}"), allow("Publish", "topic/${iot:Connection.Thing.ThingName}/*")),
        ("-outer", arn(f"thinggroup/{outer}"), deny("Publish", "topic/*/secret")),
    ):
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iot.create_policy(policyName=name + suffix, policyDocument=text)
        iot.attach_policy(policyName=name + suffix, target=target)
    return name


def names(found):
    return [one["policyName"] for one in found["effectivePolicies"]]


def test_policies_of_groups_are_in_effect(iot, tree, cert):
    own, inner, outer = (f"{tree}-{one}" for one in ("own", "inner", "outer"))
    assert names(iot.get_effective_policies(principal=cert.arn)) == [own]
    found = iot.get_effective_policies(thingName=tree)
    assert sorted(names(found)) == sorted([inner, outer])
    [of_inner] = [one for one in found["effectivePolicies"] if one["policyName"] == inner]
    assert of_inner["policyArn"] == arn(f"policy/{inner}")
    assert of_inner["policyDocument"] == iot.get_policy(policyName=inner)["policyDocument"]
    both = names(iot.get_effective_policies(principal=cert.arn, thingName=tree))
    assert (both[0], sorted(both)) == (own, sorted([own, inner, outer]))
    group = arn(f"thinggroup/{tree}-inner")
    assert sorted(names(iot.get_effective_policies(principal=group))) == sorted([inner, outer])
    assert names(iot.get_effective_policies(principal=arn(f"thinggroup/{tree}-outer"))) == [outer]


def test_a_policy_by_two_ways_is_told_once(iot, tree, cert):
    iot.attach_policy(policyName=f"{tree}-inner", target=cert.arn)
    found = names(iot.get_effective_policies(principal=cert.arn, thingName=tree))
    assert sorted(found) == sorted(f"{tree}-{one}" for one in ("own", "inner", "outer"))


def test_they_count_for_the_things_own_client_id(iot, tree, cert):
    asked = [ask("PUBLISH", "topic/own"), ask("PUBLISH", f"topic/{tree}/up")]
    assert decisions(iot, cert.arn, *asked, clientId=tree) == [ALLOWED, ALLOWED]
    assert decisions(iot, cert.arn, *asked, clientId="other") == [ALLOWED, NOTHING]
    assert decisions(iot, cert.arn, *asked) == [ALLOWED, NOTHING]
    [found] = results(iot, cert.arn, ask("PUBLISH", f"topic/{tree}/secret"), clientId=tree)
    assert found["authDecision"] == "EXPLICIT_DENY"
    assert found["allowed"]["policies"] == shown(f"{tree}-inner")
    assert found["denied"]["explicitDeny"]["policies"] == shown(f"{tree}-outer")
    skipped = {"policyNamesToSkip": [f"{tree}-outer"]}
    assert decisions(iot, cert.arn, found["authInfo"], clientId=tree, **skipped) == [ALLOWED]


def test_an_exclusive_thing_brings_its_groups(iot, tree, cert):
    iot.attach_thing_principal(thingName=tree, principal=cert.arn, thingPrincipalType="EXCLUSIVE_THING")
    asked = ask("PUBLISH", f"topic/{tree}/up")
    assert decisions(iot, cert.arn, asked) == decisions(iot, cert.arn, asked, clientId="any") == [ALLOWED]


def test_a_group_in_the_place_of_a_device(iot, tree):
    group = arn(f"thinggroup/{tree}-inner")
    asked = [ask("PUBLISH", "topic/own"), ask("PUBLISH", f"topic/{tree}/up")]
    assert decisions(iot, group, *asked, clientId=tree) == [NOTHING, ALLOWED]
    assert decisions(iot, group, *asked, clientId="other") == [NOTHING, NOTHING]
    [found] = results(iot, group, asked[1])
    assert found["authDecision"] == NOTHING
    assert found["missingContextValues"] == ["iot:Connection.Thing.ThingName"]
    assert decisions(iot, group, ask("PUBLISH", "topic/x/secret")) == ["EXPLICIT_DENY"]


def test_what_is_removed_counts_no_more_at_once(iot, tree, cert):
    asked = ask("PUBLISH", f"topic/{tree}/up")
    iot.remove_thing_from_thing_group(thingGroupName=f"{tree}-inner", thingName=tree)
    assert decisions(iot, cert.arn, asked, clientId=tree) == [NOTHING]
    iot.add_thing_to_thing_group(thingGroupName=f"{tree}-inner", thingName=tree)
    assert decisions(iot, cert.arn, asked, clientId=tree) == [ALLOWED]
    iot.detach_policy(policyName=f"{tree}-inner", target=arn(f"thinggroup/{tree}-inner"))
    assert decisions(iot, cert.arn, asked, clientId=tree) == [NOTHING]


def test_evidence_tells_by_way_of_what(own, node, tree, cert):
    about = {"principal": cert.arn, "action": "iot:Publish", "resource": arn(f"topic/{tree}/up")}
    found = own.explain_authorization(**about, clientId=tree)
    assert found["decision"] == ALLOWED
    assert found["thingGroups"] == sorted([f"{tree}-inner", f"{tree}-outer"])
    assert {one["policyName"]: one["attachedTo"] for one in found["policies"]} == {
        f"{tree}-own": [cert.arn],
        f"{tree}-inner": [arn(f"thinggroup/{tree}-inner")],
        f"{tree}-outer": [arn(f"thinggroup/{tree}-outer")],
    }
    said = node.command("may", "publish", "x/secret", "--group", f"{tree}-inner")
    assert said.startswith(f"denied by statement 0 of policy {tree}-outer\n")
    assert f"policy {tree}-outer (version 1), on thinggroup/{tree}-outer" in said
