import pytest

from sekisho.logic.arns import iot_arn
from sekisho.logic.claims import claim_policy
from sekisho.logic.policy import NamedPolicy, PolicySet, parse_policy

PLACE = ("us-east-1", "123456789012")
CLAIM = PolicySet((NamedPolicy("claim", "1", parse_policy(claim_policy(*PLACE, "mine"))),)).bind({})
PROVISION = "$aws/provisioning-templates/{}/provision/json"


def allowed(action, resource):
    return CLAIM.decide(f"iot:{action}", iot_arn(*PLACE, resource), {}).allowed


@pytest.mark.parametrize(
    "topic",
    ["$aws/certificates/create/json", "$aws/certificates/create-from-csr/cbor", PROVISION.format("mine")],
)
def test_its_own_topics(topic):
    for answer in ("", "/accepted", "/rejected"):
        assert allowed("Publish", f"topic/{topic}{answer}")
        assert allowed("Receive", f"topic/{topic}{answer}")
        assert allowed("Subscribe", f"topicfilter/{topic}{answer}")
    assert allowed("Connect", "client/anyone")


@pytest.mark.parametrize(
    "topic", ["a", "$aws/things/mine/shadow/get", PROVISION.format("other"), PROVISION.format("mine2"), "#"]
)
def test_nothing_else(topic):
    assert not any(allowed(action, f"topic/{topic}") for action in ("Publish", "Receive", "RetainPublish"))
    assert not allowed("Subscribe", f"topicfilter/{topic}")
