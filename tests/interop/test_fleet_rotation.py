"""A device that has a certificate gets itself another: the two requests of a newcomer, by its own right."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.making import ROLE
from interop.claiming import CSR, body, provision, status_of
from interop.devices import allow, document, new_csr, new_key, until
from interop.wire import Wire

TEMPLATE = "rotation"
ASKS = ("$aws/certificates/create-from-csr/*", f"$aws/provisioning-templates/{TEMPLATE}/provision/*")


@pytest.fixture(scope="module")
def template(iot):
    """The devices' policy lets them connect as their thing, work, and renew themselves by a request of their
    own; nobody else makes keys for them."""
    topics = [f"topic/{topic}" for topic in (*ASKS, "devices/${iot:Connection.Thing.ThingName}/*")]
    iot.create_policy(
        policyName="renews-itself",
        policyDocument=document(
            allow("Connect", "client/${iot:Connection.Thing.ThingName}"),
            allow("Publish", *topics),
            allow("Receive", *topics),
            allow("Subscribe", *(topic.replace("topic/", "topicfilter/", 1) for topic in topics)),
        ),
    )
    policy = {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "renews-itself"}}
    iot.create_provisioning_template(
        templateName=TEMPLATE, templateBody=body(policy=policy), enabled=True, provisioningRoleArn=ROLE
    )


def certificate_for(wire: Wire, serial: str, folder: Any) -> tuple[str, tuple[str, str]]:
    """A new key, which stays in ``folder``, a certificate for it, and the thing of that serial number."""
    key, key_pem = new_key()

    def ask(topic: str, **members: Any) -> dict[str, Any]:
        assert wire.subscribe(f"{topic}/accepted", f"{topic}/rejected") == [1, 1]
        assert wire.publish(topic, json.dumps(members).encode()) == 0
        message = wire.message()
        assert message.topic == f"{topic}/accepted", message.payload
        return json.loads(message.payload)

    made = ask(CSR, certificateSigningRequest=new_csr(key, serial))
    token = made["certificateOwnershipToken"]
    registered = ask(
        provision(TEMPLATE), certificateOwnershipToken=token, parameters={"SerialNumber": serial}
    )
    assert registered["thingName"] == f"made-{serial}"
    files = folder / f"{made['certificateId']}.crt", folder / f"{made['certificateId']}.key"
    files[0].write_text(made["certificatePem"])
    files[1].write_bytes(key_pem)
    return made["certificateId"], (str(files[0]), str(files[1]))


def test_a_device_renews_its_own_certificate_and_works_on(node, iot, device, template, tmp_path, version):
    serial = f"renewed-{version}"
    name = f"made-{serial}"
    claim = device("claim", thing=False, statements=[allow("*", "*")])
    with claim.online("first", version) as wire:
        first, first_files = certificate_for(wire, serial, tmp_path)

    with Wire(node.mqtt, node.ca, first_files) as old:
        assert old.connect(name, version).code == 0
        second, second_files = certificate_for(old, serial, tmp_path)
        principals = iot.list_thing_principals(thingName=name)["principals"]
        assert {arn.rpartition("/")[2] for arn in principals} == {first, second}
        for arn in principals:
            (policy,) = iot.list_attached_policies(target=arn)["policies"]
            assert policy["policyName"] == "renews-itself"
        # Both are good, so that nothing is lost if the new one should not work.
        assert {status_of(iot, {"certificateId": id}) for id in (first, second)} == {"ACTIVE"}
        assert old.publish(f"devices/{name}/state", b"with the old one") == 0

    with Wire(node.mqtt, node.ca, second_files) as new:
        assert new.connect(name, version).code == 0
        # Only now is the old one retired, by the back end.
        iot.update_certificate(certificateId=first, newStatus="INACTIVE")
        assert new.publish(f"devices/{name}/state", b"with the new one") == 0

    def is_refused():
        with Wire(node.mqtt, node.ca, first_files) as old:
            return old.connect(name, 5).code == 0x87

    until(is_refused)  # which reaches connections by the change feed


def test_by_its_own_right_and_no_further(node, iot, device, template, tmp_path):
    """What its policy does not allow is refused, as to anyone: keys made by the node, another template."""
    claim = device("claim", thing=False, statements=[allow("*", "*")])
    with claim.online("narrow-first", 5) as wire:
        _, files = certificate_for(wire, "by-its-own-right", tmp_path)
    with Wire(node.mqtt, node.ca, files) as wire:
        assert wire.connect("made-by-its-own-right", 5).code == 0
        assert wire.publish("$aws/certificates/create/json", b"") == 0x87
        assert wire.publish(provision("factory"), b"{}") == 0x87
