"""Listings of policies while rows come and go, and every error that operations on policies can answer."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from api.callers import user
from api.making import UNCHECKED, UNKNOWN_ID, arn, certificate, document

# --- pages while rows change --------------------------------------------------------------------------------


def told(client, method, member, change, **members):
    """All items, in pages of two; ``change`` is called with the number of each page after it was read."""
    found, number = [], 0
    while True:
        page = getattr(client, method)(pageSize=2, **members)
        found += page[member]
        number += 1
        change(number)
        if "nextMarker" not in page:
            return found
        members["marker"] = page["nextMarker"]


def test_policies_that_come_and_go(iot, name, turned):
    def make(one):
        turned.set_clock(advanceSeconds=1)
        iot.create_policy(policyName=f"{name}-{one}", policyDocument=document())

    for number in range(6):
        make(number)

    def change(page):
        if page == 1:
            make("late")
        if page == 2:
            iot.delete_policy(policyName=f"{name}-1")  # may have been told
        if page == 3:
            make("later")

    found = told(iot, "list_policies", "policies", change, ascendingOrder=True)
    mine = [one["policyName"] for one in found if one["policyName"].startswith(f"{name}-")]
    assert len(mine) == len(set(mine))
    stayed = [f"{name}-{one}" for one in (0, 2, 3, 4, 5, "late", "later")]
    assert [one for one in mine if one != f"{name}-1"] == stayed


def test_policies_of_a_certificate_that_come_and_go(iot, name, cert):
    names = [f"{name}-{letter}" for letter in "abcdefgh"]
    for one in names:
        iot.create_policy(policyName=one, policyDocument=document())
    for one in names[1:7]:
        iot.attach_policy(policyName=one, target=cert.arn)

    def change(page):
        if page == 1:
            iot.detach_policy(policyName=names[2], target=cert.arn)  # where the page ended
            iot.attach_policy(policyName=names[0], target=cert.arn)  # before it
            iot.attach_policy(policyName=names[7], target=cert.arn)

    found = told(iot, "list_attached_policies", "policies", change, target=cert.arn)
    assert [one["policyName"] for one in found] == names[1:]


def test_targets_of_a_policy_that_come_and_go(iot, name):
    iot.create_policy(policyName=name, policyDocument=document())
    arns = sorted(certificate(iot).arn for _ in range(7))
    for one in arns[:6]:
        iot.attach_policy(policyName=name, target=one)

    def change(page):
        if page == 1:
            iot.detach_policy(policyName=name, target=arns[1])
            iot.attach_policy(policyName=name, target=arns[6])

    assert told(iot, "list_targets_for_policy", "targets", change, policyName=name) == arns


ORDERS = [{}, {"ascendingOrder": False}, {"ascendingOrder": True}]


def as_told(attached, order, late):
    """What is told when something was attached after the first page."""
    if order.get("ascendingOrder"):
        return [*attached, late]
    return attached[::-1]


@pytest.mark.parametrize("order", ORDERS)
def test_policies_of_a_principal_come_in_the_order_of_their_attachment(iot, name, cert, order):
    names = [f"{name}-{letter}" for letter in "cafebd"]
    for one in [*names, f"{name}-late"]:
        iot.create_policy(policyName=one, policyDocument=document())
    for one in names:
        iot.attach_policy(policyName=one, target=cert.arn)
    iot.attach_policy(policyName=names[0], target=cert.arn)  # again: it stays as old as it is
    ended = names[1] if order.get("ascendingOrder") else names[-2]

    def change(page):
        if page == 1:
            iot.detach_policy(policyName=ended, target=cert.arn)
            iot.attach_policy(policyName=f"{name}-late", target=cert.arn)

    found = told(iot, "list_principal_policies", "policies", change, principal=cert.arn, **order)
    wanted = as_told(names, order, f"{name}-late")
    assert found == [{"policyName": one, "policyArn": arn(f"policy/{one}")} for one in wanted]


@pytest.mark.parametrize("order", ORDERS)
def test_principals_of_a_policy_come_in_the_order_of_their_attachment(iot, name, order):
    iot.create_policy(policyName=name, policyDocument=document())
    arns = [certificate(iot).arn for _ in range(7)]
    for one in arns[:6]:
        iot.attach_policy(policyName=name, target=one)
    ended = arns[1] if order.get("ascendingOrder") else arns[4]

    def change(page):
        if page == 1:
            iot.detach_policy(policyName=name, target=ended)
            iot.attach_policy(policyName=name, target=arns[6])

    found = told(iot, "list_policy_principals", "principals", change, policyName=name, **order)
    assert found == as_told(arns[:6], order, arns[6])


# --- errors -------------------------------------------------------------------------------------------------

POLICY, CERT = "{policy}", "{cert}"
MISSING, UNKNOWN = "no-such-policy", arn(f"cert/{UNKNOWN_ID}")
ABSENT, INVALID = ("ResourceNotFoundException", 404), ("InvalidRequestException", 400)
BAD = {"marker": "§"}
INFOS = [{"actionType": "CONNECT", "resources": [arn("client/a")]}]
V2 = {"policyDocument": document("b")}


@pytest.mark.parametrize(
    ("operation", "members", "error"),
    [
        ("create_policy", {"policyName": POLICY, **V2}, ("ResourceAlreadyExistsException", 409)),
        ("create_policy", {"policyName": "a/b", **V2}, INVALID),
        ("create_policy", {"policyName": "fine", "policyDocument": "{"}, ("MalformedPolicyException", 400)),
        ("create_policy_version", {"policyName": MISSING, **V2}, ABSENT),
        (
            "create_policy_version",
            {"policyName": POLICY, "policyDocument": "{"},
            ("MalformedPolicyException", 400),
        ),
        ("create_policy_version", {"policyName": "{full}", **V2}, ("VersionsLimitExceededException", 409)),
        ("create_policy_version", {"policyName": "a/b", **V2}, INVALID),
        ("get_policy", {"policyName": MISSING}, ABSENT),
        ("get_policy", {"policyName": "a b"}, INVALID),
        ("get_policy_version", {"policyName": POLICY, "policyVersionId": "9"}, ABSENT),
        ("get_policy_version", {"policyName": POLICY, "policyVersionId": "x"}, INVALID),
        ("delete_policy", {"policyName": MISSING}, ABSENT),
        ("delete_policy", {"policyName": "{attached}"}, ("DeleteConflictException", 409)),
        ("delete_policy", {"policyName": "{full}"}, ("DeleteConflictException", 409)),
        ("delete_policy", {"policyName": "a b"}, INVALID),
        ("delete_policy_version", {"policyName": POLICY, "policyVersionId": "9"}, ABSENT),
        (
            "delete_policy_version",
            {"policyName": POLICY, "policyVersionId": "1"},
            ("DeleteConflictException", 409),
        ),
        ("delete_policy_version", {"policyName": POLICY, "policyVersionId": "x"}, INVALID),
        ("set_default_policy_version", {"policyName": POLICY, "policyVersionId": "9"}, ABSENT),
        ("set_default_policy_version", {"policyName": POLICY, "policyVersionId": "x"}, INVALID),
        ("list_policy_versions", {"policyName": MISSING}, ABSENT),
        ("list_policy_versions", {"policyName": "a b"}, INVALID),
        ("list_policies", BAD, INVALID),
        ("list_policies", {"pageSize": 251}, INVALID),
        ("attach_policy", {"policyName": MISSING, "target": CERT}, ABSENT),
        ("attach_policy", {"policyName": POLICY, "target": UNKNOWN}, ABSENT),
        ("attach_policy", {"policyName": POLICY, "target": "x"}, INVALID),
        ("attach_policy", {"policyName": POLICY, "target": "{laden}"}, ("LimitExceededException", 410)),
        ("attach_principal_policy", {"policyName": POLICY, "principal": UNKNOWN}, ABSENT),
        ("attach_principal_policy", {"policyName": POLICY, "principal": "x"}, INVALID),
        (
            "attach_principal_policy",
            {"policyName": POLICY, "principal": "{laden}"},
            ("LimitExceededException", 410),
        ),
        ("detach_policy", {"policyName": POLICY, "target": "x"}, INVALID),
        ("detach_principal_policy", {"policyName": MISSING, "principal": CERT}, ABSENT),
        ("detach_principal_policy", {"policyName": POLICY, "principal": "x"}, INVALID),
        ("list_attached_policies", {"target": UNKNOWN}, ABSENT),
        ("list_attached_policies", {"target": CERT, **BAD}, INVALID),
        ("list_principal_policies", {"principal": UNKNOWN}, ABSENT),
        ("list_principal_policies", {"principal": CERT, "pageSize": 0}, INVALID),
        ("list_policy_principals", {"policyName": MISSING}, ABSENT),
        ("list_policy_principals", {"policyName": POLICY, **BAD}, INVALID),
        ("list_targets_for_policy", {"policyName": MISSING}, ABSENT),
        ("list_targets_for_policy", {"policyName": POLICY, **BAD}, INVALID),
        ("test_authorization", {"principal": UNKNOWN, "authInfos": INFOS}, ABSENT),
        ("test_authorization", {"principal": CERT, "authInfos": []}, INVALID),
        (
            "test_authorization",
            {"principal": CERT, "authInfos": INFOS, "policyNamesToAdd": ["a"] * 11},
            ("LimitExceededException", 410),
        ),
        ("get_effective_policies", {"principal": UNKNOWN}, ABSENT),
        ("get_effective_policies", {}, INVALID),
    ],
)
def test_every_error_that_can_be_reached(node, operation, members, error, made):
    iot = node.client("iot", config=UNCHECKED)
    filled = {
        key: made.get(value, value) if isinstance(value, str) else value for key, value in members.items()
    }
    with pytest.raises(ClientError) as caught:
        getattr(iot, operation)(**filled)
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == error
    assert error[0] in declared(iot, operation)
    assert response["Error"]["Message"]


def declared(iot, operation):
    """The errors that the model has for an operation."""
    model = iot.meta.service_model.operation_model(iot.meta.method_to_api_mapping[operation])
    return {shape.name for shape in model.error_shapes}


UNREACHED = {
    "InternalFailureException",  # a mistake of the program's own
    "ServiceUnavailableException",  # a database that does not answer
    "ThrottlingException",  # this node does not throttle its API
    "UnauthorizedException",  # who may not is answered AccessDeniedException, below
}


def test_no_error_of_the_model_is_left_out(iot):
    """Those of `UNREACHED`, and LimitExceededException where nothing has a limit."""
    table = next(m for m in test_every_error_that_can_be_reached.pytestmark if m.name == "parametrize").args[
        1
    ]
    raised = {}
    for operation, _, (code, _) in table:
        raised.setdefault(operation, set()).add(code)
    left = {}
    for operation, codes in raised.items():
        more = declared(iot, operation) - UNREACHED - codes
        if more:
            left[operation] = more
    limits = {
        "detach_policy",
        "list_attached_policies",
        "list_targets_for_policy",
        "get_effective_policies",
    }
    assert left == {operation: {"LimitExceededException"} for operation in limits}


@pytest.fixture(scope="module")
def made(iot):
    """Policies and certificates in the states that the table needs."""
    plain, laden = certificate(iot), certificate(iot)
    names = {one: f"listings-{one}" for one in ("policy", "full", "attached")}
    for one in names.values():
        iot.create_policy(policyName=one, policyDocument=document())
    for _ in range(4):
        iot.create_policy_version(policyName=names["full"], policyDocument=document())
    iot.attach_policy(policyName=names["attached"], target=plain.arn)
    for number in range(10):
        iot.create_policy(policyName=f"listings-{number}", policyDocument=document())
        iot.attach_policy(policyName=f"listings-{number}", target=laden.arn)
    found = names | {"cert": plain.arn, "laden": laden.arn}
    return {"{" + key + "}": value for key, value in found.items()}


def test_who_may_ask_is_said_of_the_certificate(node, iam, iot, name, cert):
    """Service Authorization Reference, AWS IoT: the resource of both operations is the certificate."""
    other = certificate(iot)
    actions = ["iot:TestAuthorization", "iot:GetEffectivePolicies"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": cert.arn}
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    mine = user(node, iam, name, text)("iot")
    assert mine.test_authorization(principal=cert.arn, clientId="a", authInfos=INFOS)["authResults"]
    assert mine.get_effective_policies(principal=cert.arn)["effectivePolicies"] == []
    for call, more in (
        (mine.test_authorization, {"authInfos": INFOS}),
        (mine.get_effective_policies, {}),
    ):
        with pytest.raises(ClientError) as caught:
            call(principal=other.arn, **more)
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
        assert other.arn in caught.value.response["Error"]["Message"]
