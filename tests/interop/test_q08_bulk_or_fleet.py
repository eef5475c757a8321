"""Question 8: bulk or fleet provisioning? Both, from the same template; when certificates are made differs.

In bulk, the list of devices is known beforehand: their certificates exist before the first of them is
switched on, and at its first boot a device connects as what it is. In fleet provisioning nothing of a
device is known beforehand but that it shares a claim certificate: its own is made when it first connects.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interop.claiming import CSR, ROLE, Newcomer, claim_statements, provision
from interop.devices import Device, allow, document, new_csr, new_key
from interop.in_bulk import BUCKET, bulk

POLICY = "q08-device"
FLEET = "q08"
SERIAL = {"Ref": "SerialNumber"}
THING = {
    "Type": "AWS::IoT::Thing",
    "Properties": {
        "ThingName": {"Fn::Join": ["", ["q08-", SERIAL]]},
        "AttributePayload": {"serial": SERIAL},
    },
}
NAMED_POLICY = {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": POLICY}}


def template(parameter: str, **certificate: Any) -> str:
    properties = certificate | {"Status": "ACTIVE"}
    return json.dumps(
        {
            "Parameters": {"SerialNumber": {"Type": "String"}, parameter: {"Type": "String"}},
            "Resources": {
                "thing": THING,
                "certificate": {"Type": "AWS::IoT::Certificate", "Properties": properties},
                "policy": NAMED_POLICY,
            },
        }
    )


ID = "AWS::IoT::Certificate::Id"
SAME_TEMPLATE = template(ID, CertificateId={"Ref": ID})
CSR_TEMPLATE = template("CSR", CertificateSigningRequest={"Ref": "CSR"})


@pytest.fixture(scope="module", autouse=True)
def prepared(node, iot):
    iot.create_policy(
        policyName=POLICY,
        policyDocument=document(allow("Connect", "client/${iot:Connection.Thing.ThingName}")),
    )
    node.client("s3").create_bucket(Bucket=BUCKET)


def written(node, folder: Path, name: str, pem: str, key_pem: bytes) -> Device:
    """A device with these files."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_text(pem)
    key.write_bytes(key_pem)
    return Device(node, name, certificate, key, "", "", POLICY)


def certificates(iot) -> set[str]:
    pages = iot.get_paginator("list_certificates").paginate()
    return {one["certificateId"] for page in pages for one in page["certificates"]}


def test_q08_in_bulk_the_certificates_exist_before_any_device_is_switched_on(node, iot, tmp_path):
    keys, lines, pems = {}, [], {}
    for serial in ("b1", "b2", "b3"):
        key, keys[serial] = new_key()
        made = iot.create_certificate_from_csr(certificateSigningRequest=new_csr(key, serial))
        pems[serial] = made["certificatePem"]
        lines.append({"SerialNumber": serial, ID: made["certificateId"]})
    told = bulk(node, iot, SAME_TEMPLATE, lines)
    before = certificates(iot)
    assert [one["certificatePem"] for one in told] == list(pems.values())
    for serial, pem in pems.items():
        with written(node, tmp_path, f"q08-{serial}", pem, keys[serial]).online():
            pass
    assert certificates(iot) == before


def test_q08_in_fleet_provisioning_it_is_made_when_the_device_first_connects(node, iot, device, tmp_path):
    iot.create_provisioning_template(
        templateName=FLEET, templateBody=SAME_TEMPLATE, enabled=True, provisioningRoleArn=ROLE
    )
    claim = device("q08-claim", thing=False, statements=claim_statements())
    before = certificates(iot)
    key, key_pem = new_key()
    with claim.online("first-boot") as wire:
        newcomer = Newcomer(wire)
        made = newcomer.accepted(CSR, certificateSigningRequest=new_csr(key, "f1"))
        registered = newcomer.accepted(
            provision(FLEET),
            certificateOwnershipToken=made["certificateOwnershipToken"],
            parameters={"SerialNumber": "f1"},
        )
    assert registered["thingName"] == "q08-f1"
    assert certificates(iot) - before == {made["certificateId"]}
    with written(node, tmp_path, "q08-f1", made["certificatePem"], key_pem).online():
        pass


def test_q08_in_bulk_signing_requests_will_do_and_the_keys_stay_where_they_were_made(node, iot, tmp_path):
    keys, lines = {}, []
    for serial in ("c1", "c2"):
        key, keys[serial] = new_key()
        lines.append({"SerialNumber": serial, "CSR": new_csr(key, serial)})
    before = certificates(iot)
    told = bulk(node, iot, CSR_TEMPLATE, lines)
    assert len(certificates(iot) - before) == 2
    for (serial, key_pem), one in zip(keys.items(), told, strict=True):
        with written(node, tmp_path, f"q08-{serial}", one["certificatePem"], key_pem).online():
            pass
