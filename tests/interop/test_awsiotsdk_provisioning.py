"""The AWS IoT Device SDK for Python v2, unmodified: its clients of fleet provisioning."""

from __future__ import annotations

import json
from concurrent.futures import Future

import pytest
from awscrt import mqtt_request_response
from awsiot import V2ServiceException, iotidentity
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from interop.claiming import ROLE, claim_statements
from interop.devices import allow, new_csr, new_key
from interop.sdk_clients import PATIENCE, QOS1, Five, Three

TEMPLATE = "sdk-factory"


@pytest.fixture(scope="module")
def claim(device, iot):
    template = {
        "Parameters": {"SerialNumber": {"Type": "String"}},
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {"ThingName": {"Fn::Join": ["-", ["sdk", {"Ref": "SerialNumber"}]]}},
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"},
            },
            "policy": {
                "Type": "AWS::IoT::Policy",
                "Properties": {
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [allow("Connect", "client/${iot:Connection.Thing.ThingName}")],
                    }
                },
            },
        },
        "DeviceConfiguration": {"greeting": "hello"},
    }
    iot.create_provisioning_template(
        templateName=TEMPLATE,
        templateBody=json.dumps(template),
        enabled=True,
        provisioningRoleArn=ROLE,
    )
    return device("sdk-claim", thing=False, statements=claim_statements(TEMPLATE))


OPTIONS = mqtt_request_response.ClientOptions(
    max_request_response_subscriptions=4, max_streaming_subscriptions=0
)


def provision(identity, how, serial, folder):
    """The identity client's story, by CSR or with keys of the node's; the files of the new device."""
    key, key_pem = new_key()
    if how == "csr":
        request = iotidentity.CreateCertificateFromCsrRequest(
            certificate_signing_request=new_csr(key, serial)
        )
        made = identity.create_certificate_from_csr(request).result(PATIENCE)
    else:
        made = identity.create_keys_and_certificate(iotidentity.CreateKeysAndCertificateRequest())
        made = made.result(PATIENCE)
        key_pem = made.private_key.encode()
        assert load_pem_private_key(key_pem, None).key_size == 2048
    registered = identity.register_thing(
        iotidentity.RegisterThingRequest(
            template_name=TEMPLATE,
            certificate_ownership_token=made.certificate_ownership_token,
            parameters={"SerialNumber": serial},
        )
    ).result(PATIENCE)
    assert registered.thing_name == f"sdk-{serial}"
    assert registered.device_configuration == {"greeting": "hello"}
    (folder / "crt").write_text(made.certificate_pem)
    (folder / "key").write_bytes(key_pem)
    return made, registered


class Made:
    """A provisioned device, for :class:`Three`."""

    def __init__(self, node, name, folder):
        self.node, self.name = node, name
        self.certificate, self.key = folder / "crt", folder / "key"


@pytest.mark.parametrize("how", ["csr", "keys"])
@pytest.mark.parametrize("client", ["3.1.1", "5"])
def test_provisioning_by_claim(node, claim, tmp_path, client, how):
    """With the request and response client, on either protocol version."""
    serial = f"{client}-{how}".replace(".", "_")
    if client == "5":
        with Five(claim, "newcomer") as sdk:
            sdk.connack  # noqa: B018
            identity = iotidentity.IotIdentityClientV2(sdk.client, OPTIONS)
            _, registered = provision(identity, how, serial, tmp_path)
            del identity
    else:
        with Three(claim, "newcomer") as sdk:
            identity = iotidentity.IotIdentityClientV2(sdk.connection, OPTIONS)
            _, registered = provision(identity, how, serial, tmp_path)
            del identity
    with Three(Made(node, registered.thing_name, tmp_path)) as itself:
        assert itself.connected == {"session_present": False}


def test_a_rejected_registration_is_a_service_error(claim):
    with Five(claim, "rejected") as sdk:
        sdk.connack  # noqa: B018
        identity = iotidentity.IotIdentityClientV2(sdk.client, OPTIONS)
        with pytest.raises(V2ServiceException) as refused:
            identity.register_thing(
                iotidentity.RegisterThingRequest(
                    template_name=TEMPLATE,
                    certificate_ownership_token="none",
                    parameters={"SerialNumber": "x"},
                )
            ).result(PATIENCE)
        modeled = refused.value.modeled_error
        assert modeled.status_code == 400
        assert modeled.error_code == "InvalidCertificateOwnershipToken"
        del identity


def test_provisioning_with_the_first_identity_client(claim, tmp_path):
    """Its samples subscribe by themselves, then publish."""
    with Three(claim, "newcomer") as sdk:
        identity = iotidentity.IotIdentityClient(sdk.connection)
        created, registered = Future(), Future()
        for subscribe, request, found in (
            (
                identity.subscribe_to_create_keys_and_certificate_accepted,
                iotidentity.CreateKeysAndCertificateSubscriptionRequest(),
                created,
            ),
            (
                identity.subscribe_to_register_thing_accepted,
                iotidentity.RegisterThingSubscriptionRequest(template_name=TEMPLATE),
                registered,
            ),
        ):
            subscribe(request, QOS1, found.set_result)[0].result(PATIENCE)
        identity.publish_create_keys_and_certificate(
            iotidentity.CreateKeysAndCertificateRequest(), QOS1
        ).result(PATIENCE)
        made = created.result(PATIENCE)
        identity.publish_register_thing(
            iotidentity.RegisterThingRequest(
                template_name=TEMPLATE,
                certificate_ownership_token=made.certificate_ownership_token,
                parameters={"SerialNumber": "first-client"},
            ),
            QOS1,
        ).result(PATIENCE)
        assert registered.result(PATIENCE).thing_name == "sdk-first-client"
