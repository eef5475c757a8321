"""Devices that get groups and a billing group with their identity: by claim, and at first connect.

Bulk registration and RegisterThing: tests/api/test_provisioned_groups.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from interop.claiming import ROLE, Newcomer, body, provision, status_of
from interop.devices import NUMBERS, allow, document, new_csr, new_key, until
from interop.first_connects import folder as folder
from interop.first_connects import newcomer as newcomer
from interop.first_connects import ref, status, template, unregistered
from interop.first_connects import registered as registered
from interop.wire import Wire


@pytest.fixture
def name():
    return f"grouped-{next(NUMBERS)}"


@pytest.fixture
def grouped(iot, name):
    """Three groups and two billing groups; the first group lets its things connect and publish."""
    for number in range(3):
        iot.create_thing_group(thingGroupName=f"{name}-{number}")
    for number in range(2):
        iot.create_billing_group(billingGroupName=f"{name}-{number}")
    statements = allow("Connect", "client/*"), allow("Publish", f"topic/{name}")
    iot.create_policy(policyName=name, policyDocument=document(*statements))
    arn = iot.describe_thing_group(thingGroupName=f"{name}-0")["thingGroupArn"]
    iot.attach_policy(policyName=name, target=arn)
    return name


def thing(called: Any, group: Any, billing: Any, **overrides: str) -> dict[str, Any]:
    properties = {"ThingName": called, "ThingGroups": [group], "BillingGroup": billing}
    return {"Type": "AWS::IoT::Thing", "Properties": properties, "OverrideSettings": overrides}


def fleet(**overrides: str) -> str:
    """A template whose devices say themselves into which group they belong."""
    made = thing({"Ref": "SerialNumber"}, {"Ref": "Group"}, {"Ref": "Line"}, **overrides)
    text = json.loads(body(thing=made))
    text["Parameters"]["Group"] = {"Type": "String"}
    del text["Resources"]["policy"]
    return json.dumps(text)


def publish(iot: Any, name: str, text: str) -> str:
    """The topic of a template of that name."""
    iot.create_provisioning_template(
        templateName=name, templateBody=text, enabled=True, provisioningRoleArn=ROLE
    )
    return provision(name)


def groups(iot: Any, thing: str) -> list[str]:
    found = iot.list_thing_groups_for_thing(thingName=thing)["thingGroups"]
    return sorted(group["groupName"] for group in found)


def asking(made: dict[str, Any], **parameters: str) -> dict[str, Any]:
    return {"certificateOwnershipToken": made["certificateOwnershipToken"], "parameters": parameters}


def test_by_claim_a_device_is_in_its_groups_and_may_what_they_may(node, iot, claim, grouped, tmp_path):
    topic = publish(iot, grouped, fleet())
    serial = f"{grouped}-device"
    key, key_pem = new_key()
    with claim.online(f"claimed-{grouped}") as wire:
        device = Newcomer(wire)
        made = device.accepted(
            "$aws/certificates/create-from-csr/json", certificateSigningRequest=new_csr(key, serial)
        )
        registered = device.accepted(
            topic, **asking(made, SerialNumber=serial, Group=f"{grouped}-0", Line=f"{grouped}-1")
        )
    assert registered["thingName"] == serial
    assert groups(iot, serial) == [f"{grouped}-0"]
    assert iot.describe_thing(thingName=serial)["billingGroupName"] == f"{grouped}-1"
    (tmp_path / "crt").write_text(made["certificatePem"])
    (tmp_path / "key").write_bytes(key_pem)
    # The certificate itself has no policy: what it may do, it may by its thing's group.
    with Wire(node.mqtt, node.ca, (str(tmp_path / "crt"), str(tmp_path / "key"))) as itself:
        assert itself.connect(serial).code == 0
        assert itself.publish(grouped, b"hello") == 0


@pytest.mark.parametrize(
    ("setting", "found"), [("REPLACE", [1]), ("MERGE", [0, 1]), ("DO_NOTHING", [0]), ("FAIL", None)]
)
def test_by_claim_a_device_comes_again_for_another_group(iot, claim, grouped, setting, found):
    billing = setting if setting != "MERGE" else "REPLACE"  # which only groups and attributes have
    topic = publish(iot, grouped, fleet(ThingGroups=setting, BillingGroup=billing))
    serial = f"{grouped}-device"
    with claim.online(f"claimed-{grouped}") as wire:
        device = Newcomer(wire)
        first = asking(device.certificate(), SerialNumber=serial, Group=f"{grouped}-0", Line=f"{grouped}-0")
        device.accepted(topic, **first)
        made = device.certificate()
        second = asking(made, SerialNumber=serial, Group=f"{grouped}-1", Line=f"{grouped}-1")
        if found is None:
            rejected = device.rejected(topic, second)
            assert (rejected["statusCode"], rejected["errorCode"]) == (400, "InvalidParameters")
            assert "BillingGroup" in rejected["errorMessage"]
            assert status_of(iot, made) == "PENDING_ACTIVATION"
            found = [0]
        else:
            device.accepted(topic, **second)
    assert groups(iot, serial) == [f"{grouped}-{number}" for number in found]
    replaced = billing == "REPLACE"
    assert iot.describe_thing(thingName=serial)["billingGroupName"] == f"{grouped}-{int(replaced)}"


@pytest.mark.parametrize("missing", ["Group", "Line"])
def test_by_claim_a_group_must_be_there(iot, claim, grouped, missing):
    """Nothing makes one, and the device may come again with the same token when somebody has."""
    topic = publish(iot, grouped, fleet())
    given = {"SerialNumber": f"{grouped}-device", "Group": f"{grouped}-0", "Line": f"{grouped}-0"}
    given[missing] = f"{grouped}-new"
    with claim.online(f"claimed-{grouped}") as wire:
        device = Newcomer(wire)
        made = device.certificate()
        rejected = device.rejected(topic, asking(made, **given))
        assert (rejected["statusCode"], rejected["errorCode"]) == (400, "InvalidParameters")
        assert f"group {grouped}-new does not exist" in rejected["errorMessage"]
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            iot.describe_thing(thingName=given["SerialNumber"])
        assert status_of(iot, made) == "PENDING_ACTIVATION"
        if missing == "Group":
            iot.create_thing_group(thingGroupName=f"{grouped}-new")
        else:
            iot.create_billing_group(billingGroupName=f"{grouped}-new")
        device.accepted(topic, **asking(made, **given))
    assert status_of(iot, made) == "ACTIVE"


# --- at first connect ---


def jitp(group: str, billing: str, **overrides: str) -> dict[str, str]:
    text = template("CommonName", thing=thing(ref("CommonName"), group, billing, **overrides))
    return {"templateBody": text, "roleArn": ROLE}


def test_at_first_connect_a_device_is_in_its_groups(iot, registered, newcomer, grouped):
    ca = registered(registrationConfig=jitp(f"{grouped}-0", f"{grouped}-1"))
    device = newcomer(ca, grouped, ca)
    assert device.is_refused(grouped)
    assert status(iot, device.id) == "ACTIVE"
    assert groups(iot, grouped) == [f"{grouped}-0"]
    assert iot.describe_thing(thingName=grouped)["billingGroupName"] == f"{grouped}-1"
    with device.wire() as wire:
        assert wire.connect(grouped).code == 0
        assert wire.publish(grouped, b"hello") == 0  # which its group lets it


@pytest.mark.parametrize(("setting", "found"), [("REPLACE", [1]), ("MERGE", [0, 1]), ("FAIL", None)])
def test_at_first_connect_a_thing_that_is_elsewhere(iot, registered, newcomer, grouped, setting, found):
    iot.create_thing(thingName=grouped)
    iot.add_thing_to_thing_group(thingName=grouped, thingGroupName=f"{grouped}-0")
    config = jitp(f"{grouped}-1", f"{grouped}-0", ThingGroups=setting, BillingGroup="REPLACE")
    ca = registered(registrationConfig=config)
    device = newcomer(ca, grouped, ca)
    assert device.is_refused(grouped)
    if found is None:
        assert unregistered(iot, device.id)
        assert groups(iot, grouped) == [f"{grouped}-0"]
        assert "billingGroupName" not in iot.describe_thing(thingName=grouped)
        return
    assert status(iot, device.id) == "ACTIVE"
    assert groups(iot, grouped) == [f"{grouped}-{number}" for number in found]
    assert iot.describe_thing(thingName=grouped)["billingGroupName"] == f"{grouped}-0"


def test_at_first_connect_a_group_must_be_there(iot, own, registered, newcomer, grouped):
    """The device comes again; the first time that somebody has made the group it is provisioned."""
    ca = registered(registrationConfig=jitp(f"{grouped}-new", f"{grouped}-0"))
    device = newcomer(ca, grouped, ca)
    assert device.is_refused(grouped)
    assert unregistered(iot, device.id)

    def told() -> bool:
        refusals = own.list_refusals(certificateId=device.id, maxResults=1)["refusals"]
        return bool(refusals) and f"thing group {grouped}-new does not exist" in refusals[0]["reason"]

    until(told)
    iot.create_thing_group(thingGroupName=f"{grouped}-new")
    assert device.is_refused(grouped)
    assert status(iot, device.id) == "ACTIVE"
    assert groups(iot, grouped) == [f"{grouped}-new"]
