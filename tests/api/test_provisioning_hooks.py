"""Pre-provisioning hooks: kept with a template, and asked before a device is registered."""

from __future__ import annotations

import json

import pytest

from api.making import ROLE, refused, template, thing_resource
from api.newcomer import Newcomer
from interop.devices import ANYTHING, until

HOOK = "arn:aws:lambda:us-east-1:000000000000:function:hook"
BODY = template(
    {
        "thing": thing_resource(AttributePayload={"line": {"Ref": "Line"}}),
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"},
        },
    },
    "Name",
    "Line",
)


def create(iot, name, **more):
    return iot.create_provisioning_template(
        templateName=name, templateBody=BODY, provisioningRoleArn=ROLE, enabled=True, **more
    )


def hook_of(iot, name):
    return iot.describe_provisioning_template(templateName=name).get("preProvisioningHook")


# --- kept with the template --------------------------------------------------------------------------------


def test_create_describe_update_and_remove(iot, name):
    create(iot, name, preProvisioningHook={"targetArn": HOOK})
    assert hook_of(iot, name) == {"payloadVersion": "2020-04-01", "targetArn": HOOK}
    other = {"payloadVersion": "2020-05-05-1", "targetArn": HOOK.replace("hook", "another:prod")}
    iot.update_provisioning_template(templateName=name, preProvisioningHook=other)
    assert hook_of(iot, name) == other
    iot.update_provisioning_template(templateName=name, description="as before otherwise")
    assert hook_of(iot, name) == other
    iot.update_provisioning_template(templateName=name, removePreProvisioningHook=False)
    assert hook_of(iot, name) == other
    iot.update_provisioning_template(templateName=name, removePreProvisioningHook=True)
    assert hook_of(iot, name) is None
    iot.update_provisioning_template(templateName=name, preProvisioningHook={"targetArn": HOOK})
    assert hook_of(iot, name)["targetArn"] == HOOK


@pytest.mark.parametrize(
    "target, words",
    [
        ("hook", "is not an ARN"),
        ("arn:aws:sns:us-east-1:000000000000:topic", "is not the ARN of a function"),
        (HOOK.replace("us-east-1", "eu-west-1"), "region us-east-1"),
        (HOOK.replace("000000000000", "111111111111"), "account 000000000000"),
        (f"{HOOK}:1:2", "names no function"),
    ],
)
def test_what_is_no_function_of_the_account(iot, name, target, words):
    with refused("InvalidRequestException", 400, "preProvisioningHook", words):
        create(iot, name, preProvisioningHook={"targetArn": target})


def test_hooks_are_for_fleet_provisioning_and_not_both_set_and_removed(iot, name):
    with refused("InvalidRequestException", 400, "preProvisioningHook"):
        iot.create_provisioning_template(
            templateName=name,
            templateBody=json.dumps({"Resources": {}}),
            provisioningRoleArn=ROLE,
            type="JITP",
            preProvisioningHook={"targetArn": HOOK},
        )
    create(iot, name)
    with refused("InvalidRequestException", 400, "exclude each other"):
        iot.update_provisioning_template(
            templateName=name, removePreProvisioningHook=True, preProvisioningHook={"targetArn": HOOK}
        )


# --- asked -------------------------------------------------------------------------------------------------


@pytest.fixture
def claim(factory):
    return factory("claim", thing=False, statements=ANYTHING)


@pytest.fixture
def newcomer(iot, name, claim):
    create(iot, name, preProvisioningHook={"targetArn": HOOK})
    with claim.online(f"newcomer-{name}") as wire:
        yield Newcomer(wire, name)


def test_the_hook_gets_the_documented_event(newcomer, iot, name, claim, tmp_path):
    made = newcomer.csr().body
    record = tmp_path / "events"
    parameters = {"Name": f"{name}-1", "Line": "one", "Record": str(record)}
    answer = newcomer.register(made["certificateOwnershipToken"], **parameters)
    assert answer.accepted, answer.body
    (event,) = map(json.loads, record.read_text().splitlines())
    described = iot.describe_certificate(certificateId=made["certificateId"])["certificateDescription"]
    assert event == {
        "claimCertificateId": claim.certificate_id,
        "certificateId": made["certificateId"],
        "certificatePem": described["certificatePem"],
        "templateArn": iot.describe_provisioning_template(templateName=name)["templateArn"],
        "clientId": f"newcomer-{name}",
        "parameters": parameters,
    }
    assert described["status"] == "ACTIVE"


def test_what_it_overrides_counts(newcomer, iot, name):
    answer = newcomer.provision(Name=f"{name}-1", Line="from-the-device", Do="override")
    assert answer.accepted, answer.body
    assert iot.describe_thing(thingName=f"{name}-1")["attributes"] == {"line": "from-the-hook"}


def test_true_may_be_a_word(newcomer, name):
    answer = newcomer.provision(Name=f"{name}-1", Line="x", Do="allow in words")
    assert answer.accepted, answer.body


REFUSALS = {
    '{"allowProvisioning": false}': "does not allow it",
    '{"allowProvisioning": "false"}': "does not allow it",
    '{"allowProvisioning": "yes"}': "does not allow it",
    '{"allowProvisioning": 1}': "a number",
    '{"allowProvisioning": null}': "null",
    "{}": "no allowProvisioning",
    "[]": "answered a list",
    '"garbage"': "answered a string",
    '{"allowProvisioning": true, "parameterOverrides": ["Line"]}': "parameterOverrides is a list",
    '{"allowProvisioning": true, "parameterOverrides": {"Line": 7}}': '"Line" is a number',
    "raise": "raised ValueError",
    "die": "ended",
    "hang": "did not answer within 5 s",
}


def test_everything_but_a_yes_refuses_the_device_and_harms_nothing(newcomer, iot, own, name):
    """One device after the other on one connection: each refusal has its words and its explain entry, the
    token stays good, and the device that is allowed at the end is registered with it."""
    made = newcomer.csr().body
    token = made["certificateOwnershipToken"]
    for do, words in REFUSALS.items():
        answer = newcomer.register(token, Name=f"{name}-1", Line="x", Do=do)
        assert not answer.accepted
        assert (answer.body["statusCode"], answer.body["errorCode"]) == (403, "AccessDenied")
        assert answer.body["errorMessage"].startswith("ACCESS_DENIED: the pre-provisioning hook")
        assert words in answer.body["errorMessage"]
        refusal = own.list_refusals(clientId=f"newcomer-{name}", maxResults=1)["refusals"][0]
        assert refusal["action"] == "iot:RegisterThing"
        assert refusal["reason"] == answer.body["errorMessage"]
        assert "/rejected: 403 AccessDenied" in refusal["effect"]
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=f"{name}-1")
    status = iot.describe_certificate(certificateId=made["certificateId"])["certificateDescription"]["status"]
    assert status == "PENDING_ACTIVATION"
    assert newcomer.register(token, Name=f"{name}-1", Line="x").accepted


def test_a_hook_that_is_not_there_refuses_too(newcomer, iot, name):
    iot.update_provisioning_template(
        templateName=name, preProvisioningHook={"targetArn": HOOK.replace("hook", "nowhere")}
    )
    answer = newcomer.provision(Name=f"{name}-1", Line="x")
    assert not answer.accepted
    assert "there is no function nowhere" in answer.body["errorMessage"]


def test_a_request_is_put_to_the_hook_once_even_if_it_must_be_carried_out_again(
    newcomer, iot, name, tmp_path
):
    """While the hook thinks, the template changes, so that what was read before no longer holds."""
    record, go = tmp_path / "events", tmp_path / "go"
    made = newcomer.csr().body
    parameters = {"Name": f"{name}-1", "Line": "x", "Do": "wait", "For": str(go), "Record": str(record)}
    members = {"certificateOwnershipToken": made["certificateOwnershipToken"], "parameters": parameters}
    topic = f"$aws/provisioning-templates/{name}/provision/json"
    assert newcomer.wire.publish(topic, json.dumps(members).encode()) == 0
    until(record.exists)
    iot.update_provisioning_template(templateName=name, description="changed in between")
    go.touch()
    message = newcomer.wire.message()
    assert message.topic.endswith("/accepted"), message.payload
    assert len(record.read_text().splitlines()) == 1


def test_a_template_that_is_disabled_while_the_hook_thinks_provisions_nothing(newcomer, iot, name, tmp_path):
    record, go = tmp_path / "events", tmp_path / "go"
    made = newcomer.csr().body
    parameters = {"Name": f"{name}-1", "Line": "x", "Do": "wait", "For": str(go), "Record": str(record)}
    members = {"certificateOwnershipToken": made["certificateOwnershipToken"], "parameters": parameters}
    topic = f"$aws/provisioning-templates/{name}/provision/json"
    assert newcomer.wire.publish(topic, json.dumps(members).encode()) == 0
    until(record.exists)
    iot.update_provisioning_template(templateName=name, enabled=False)
    go.touch()
    message = newcomer.wire.message()
    assert message.topic.endswith("/rejected")
    assert "not enabled" in json.loads(message.payload)["errorMessage"]


def test_a_hook_that_hangs_delays_nobody_else(newcomer, claim, name):
    token = newcomer.csr().body["certificateOwnershipToken"]
    members = {"certificateOwnershipToken": token, "parameters": {"Name": "n", "Line": "x", "Do": "hang"}}
    topic = f"$aws/provisioning-templates/{name}/provision/json"
    assert newcomer.wire.publish(topic, json.dumps(members).encode()) == 0
    with claim.online(f"other-{name}") as wire:
        other = Newcomer(wire, name)
        assert other.provision(Name=f"{name}-2", Line="x").accepted
        assert wire.messages() == []
    assert newcomer.wire.messages() == []
    message = newcomer.wire.message(15.0)
    assert "did not answer within 5 s" in json.loads(message.payload)["errorMessage"]
