"""Question 7: may a certificate that was registered without its CA get credentials from the provider?

No, says the seminar, and so does the node, with the reason. A certificate that the platform has issued gets
them, and what it does with them is what the role allows and no more.
"""

from __future__ import annotations

import pytest
from awscrt import auth, http, io

from api.authorities import self_signed
from api.making import refused
from interop.authorities import Newcomer
from interop.devices import allow, document
from interop.providers import ask, client, may_assume, role_and_alias
from interop.tunnel import Tunnel
from nodes import running

PATIENCE = 15
SETTING = "multi_account_certificates"
REASON = "Certificate is invalid on this endpoint"


@pytest.fixture
def alias(node, name):
    """A role that may publish below a device's own name, and its alias."""
    name = name[:60]
    own = allow("Publish", "topic/telemetry/${credentials-iot:ThingName}/*")
    return role_and_alias(node, name, own, allow("DescribeThing", "thing/${credentials-iot:ThingName}"))


def vendors_device(node, folder, alias):
    """A device with a vendor's certificate, registered without its CA, that its policies allow everything."""
    issued = self_signed(alias)
    iot = node.client("iot")
    made = iot.register_certificate_without_ca(certificatePem=issued.pem, status="ACTIVE")
    iot.create_policy(policyName=alias, policyDocument=document(allow("*", "*")))
    iot.attach_policy(policyName=alias, target=made["certificateArn"])
    return Newcomer(node, folder, issued)


def test_q07_a_certificate_without_its_ca_is_refused_and_told_why(node, own, alias, tmp_path):
    device = vendors_device(node, tmp_path, alias)
    with device.wire() as wire:  # MQTT is open to it
        assert wire.connect(alias).code == 0
    answer = ask(node, device.identity, alias)
    assert (answer.status, answer.body) == (403, {"message": REASON})
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    (found,) = own.list_refusals(certificateId=device.id, maxResults=1)["refusals"]
    assert "registered without a proof of its CA" in found["reason"]
    assert found["action"] == "iot:AssumeRoleWithCertificate"


def test_q07_a_certificate_of_the_platform_gets_what_the_role_allows_and_no_more(node, device, alias):
    camera = device("camera", statements=may_assume(alias))
    credentials = ask(node, camera.identity, alias, camera.name).body["credentials"]
    iot, data = client(node, credentials, "iot"), client(node, credentials, "iot-data")
    data.publish(topic=f"telemetry/{camera.name}/picture", payload=b"...")
    assert iot.describe_thing(thingName=camera.name)["thingName"] == camera.name
    with refused("ForbiddenException", 403):
        data.publish(topic="telemetry/another/picture", payload=b"...")
    for forbidden in (lambda: iot.describe_thing(thingName="another"), iot.list_things):
        with refused("AccessDeniedException", 403, "not authorized", modelled=False):
            forbidden()


def test_q07_the_sdks_own_provider_gets_them(node, device, alias):
    """The C runtime knows no port but 443, so it is led to the node's by a proxy, unmodified."""
    camera = device("camera", statements=may_assume(alias))
    options = io.TlsContextOptions.create_client_with_mtls_from_path(*camera.identity)
    options.override_default_trust_store_from_path(ca_filepath=node.ca)
    with Tunnel(node.address("https")) as tunnel:
        provider = auth.AwsCredentialsProvider.new_x509(
            endpoint="localhost",
            thing_name=camera.name,
            role_alias=alias,
            tls_ctx=io.ClientTlsContext(options),
            http_proxy_options=http.HttpProxyOptions(
                "127.0.0.1", tunnel.port, connection_type=http.HttpProxyConnectionType.Tunneling
            ),
        )
        found = provider.get_credentials().result(PATIENCE)
    keys = {
        "accessKeyId": found.access_key_id,
        "secretAccessKey": found.secret_access_key,
        "sessionToken": found.session_token,
    }
    client(node, keys, "iot-data").publish(topic=f"telemetry/{camera.name}/a", payload=b"...")
    assert tunnel.asked == ["CONNECT localhost:443 HTTP/1.1"]


def test_q07_todays_rule_is_a_setting(tmp_path):
    with running(tmp_path / "node", f"{SETTING}=all") as node:
        alias = role_and_alias(node, "camera", allow("Publish", "topic/a"))
        device = vendors_device(node, tmp_path, alias)
        credentials = ask(node, device.identity, alias).body["credentials"]
        client(node, credentials, "iot-data").publish(topic="a", payload=b"...")
