"""What a connection may do, decided once and remembered for a while."""

import json
from math import inf

import pytest

from sekisho.broker.authorizer import KEPT, Authorizer
from sekisho.logic.policy import NamedPolicy, PolicySet, parse_policy
from sekisho.services.identity import Identity

A = "arn:aws:iot:us-east-1:123456789012:"


def policy(name, *statements):
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return NamedPolicy(name, "1", parse_policy(text))


def statement(effect, action, resource, **more):
    return {"Effect": effect, "Action": action, "Resource": A + resource} | more


def authorizer(*policies, limit=None, **variables):
    identity = Identity(
        "123456789012", "us-east-1", "", "", "ACTIVE", -inf, inf, PolicySet(policies), None, limit=limit
    )
    return Authorizer(identity, {name.replace("_", ":"): value for name, value in variables.items()})


def test_a_second_answer_is_the_first():
    made = authorizer(
        policy("p", statement("Allow", "iot:Publish", "topic/${iot:ClientId}/*")), iot_ClientId="c"
    )
    for _ in range(3):
        assert made.allows("iot:Publish", "topic", "c/a")
        assert not made.allows("iot:Publish", "topic", "d/a")
        assert not made.allows("iot:Receive", "topic", "c/a")
        assert not made.allows("iot:Publish", "topicfilter", "c/a")


def test_what_is_kept_is_bounded():
    made = authorizer(policy("p", statement("Allow", "iot:Publish", "topic/*")))
    for number in range(5 * KEPT):
        assert made.allows("iot:Publish", "topic", f"{number}")
    assert made._kept is not None
    assert 0 < len(made._kept) <= KEPT


def test_a_connect_is_judged_by_what_it_comes_with_each_time():
    condition = {"StringEquals": {"iot:LastWillTopic": A + "topic/w"}}
    made = authorizer(policy("p", statement("Allow", "iot:Connect", "client/*", Condition=condition)))
    for topic, expected in (("w", True), ("v", False), ("w", True)):
        assert (
            made.allows("iot:Connect", "client", "c", {"iot:LastWillTopic": A + f"topic/{topic}"}) is expected
        )
    assert not made.allows("iot:Connect", "client", "c")


@pytest.mark.parametrize("topic", ["a", "b", "c"])
def test_a_limit_counts_in_both_answers(topic):
    policies = policy(
        "p", statement("Allow", "iot:Publish", "topic/a"), statement("Allow", "iot:Publish", "topic/b")
    )
    limit = PolicySet([policy("l", statement("Allow", "iot:Publish", "topic/b"))])
    made = authorizer(policies, limit=limit)
    for _ in range(2):
        assert made.allows("iot:Publish", "topic", topic) is (topic == "b")
