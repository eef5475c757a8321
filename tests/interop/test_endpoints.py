"""Endpoints by SNI: each account and region has names of its own, and a device is where its name leads."""

from __future__ import annotations

import json

import pytest

from interop.accounts import DEFAULT, HERE, THERE, Tenant, at, connects, refused, request
from interop.devices import until
from interop.packets import Will
from interop.sockets import Frames, presigned
from interop.wire import Wire
from nodes import running
from sekisho.cli.commands import read_credentials

OTHER = "111111111111"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with running(tmp_path_factory.mktemp("endpoints") / "node", f"regions={HERE},{THERE}") as node:
        node.command("account", "create", OTHER)
        yield node


@pytest.fixture(scope="module")
def tenants(node):
    """Every account in every region."""
    places = [(account, region) for account in (DEFAULT, OTHER) for region in (HERE, THERE)]
    return {place: Tenant(node, *place) for place in places}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("papers")


@pytest.fixture(scope="module")
def here(tenants):
    """The account beside the default one, in the default region."""
    return tenants[OTHER, HERE]


@pytest.fixture(scope="module")
def device(here, folder):
    return here.issue(folder)


@pytest.mark.parametrize("endpoint_type", ["iot:Data", "iot:Data-ATS"])
def test_a_device_is_in_the_account_and_region_that_its_name_leads_to(
    node, tenants, folder, name, endpoint_type
):
    for (account, region), tenant in tenants.items():
        who = tenant.issue(folder)
        for place, other in tenants.items():
            came = connects(other.wire(who, endpoint_type), f"{name}-{account}-{region}")
            assert came == (place == (account, region))


def test_the_account_of_the_name_hears_why(here, tenants, device, name):
    """DEVICE_CERTIFICATE_NOT_REGISTERED goes to the account whose endpoint it was."""
    elsewhere = tenants[OTHER, THERE]
    refused(elsewhere.wire(device), name)
    reason = elsewhere.refusal(name)["reason"]
    assert reason.startswith("DEVICE_CERTIFICATE_NOT_REGISTERED")
    assert f"in account {OTHER}, region {THERE}" in reason
    assert here.own.list_refusals(clientId=name)["refusals"] == []


@pytest.mark.parametrize("server_name", ["localhost", "", None, "elsewhere.example.com"])
def test_any_other_name_and_none_mean_the_default_account(node, tenants, folder, name, server_name):
    """Certificates of mode DEFAULT need no SNI."""
    who = tenants[DEFAULT, HERE].issue(folder)
    wire = Wire(node.mqtt, node.ca, who.identity, server_name=server_name or None)
    assert connects(wire, name)


def test_topics_and_client_ids_are_the_accounts_own(tenants, folder, name):
    """The same client id on the same topic in all places at once: none hears or displaces another."""
    wires = {place: tenant.wire(tenant.issue(folder)) for place, tenant in tenants.items()}
    try:
        for wire in wires.values():
            assert wire.connect(name).code == 0
            wire.subscribe(name)
        for (account, region), wire in wires.items():
            assert wire.publish(name, f"{account}-{region}".encode()) == 0
        for (account, region), wire in wires.items():
            assert [message.payload for message in wire.messages()] == [f"{account}-{region}".encode()]
    finally:
        for wire in wires.values():
            wire.close()


def test_retained_messages_and_sessions_of_every_account_outlive_the_node(tmp_path, folder, name):
    with running(tmp_path / "node") as node:
        node.command("account", "create", OTHER)
        here = Tenant(node, OTHER, HERE)
        device = here.issue(folder)
        with here.wire(device) as wire:
            assert wire.connect(name, clean=False).code == 0
            wire.subscribe(f"{name}/waits")
            wire.publish(f"{name}/kept", b"kept", retain=True)
        here.client("iot-data").publish(topic=f"{name}/waits", qos=1, payload=b"waits")
        node.kill()
        node.start()
        default, here = Tenant(node, DEFAULT, HERE), Tenant(node, OTHER, HERE)
        with default.online(default.issue(folder), name) as wire:
            wire.subscribe(f"{name}/kept")
            assert wire.messages() == []
        with here.wire(device) as wire:
            answer = wire.connect(name, clean=False)
            assert (answer.code, answer.session_present) == (0, True)
            assert wire.message().payload == b"waits"
            wire.subscribe(f"{name}/kept")
            assert wire.message().payload == b"kept"


def test_a_will_is_published_in_its_account(here, tenants, folder, device, name):
    other = tenants[DEFAULT, HERE]
    with here.online(device, f"{name}-hears") as hears, other.online(other.issue(folder), name) as deaf:
        hears.subscribe(f"{name}/will")
        deaf.subscribe(f"{name}/will")
        with here.wire(device) as wire:
            assert wire.connect(f"{name}-goes", will=Will(f"{name}/will")).code == 0
        assert hears.message().topic == f"{name}/will"
        assert deaf.messages() == []


def test_policies_know_the_name_of_the_endpoint(node, here, folder, name):
    """`iot:DomainName`, IAM and AWS IoT condition keys."""
    full = here.host("iot:Data")
    who = here.issue(folder, {"StringEquals": {"iot:DomainName": full}})
    assert connects(at(node, who, full), name)
    assert connects(at(node, who, full.upper()), name)
    refused(here.wire(who, "iot:Data-ATS"), name)
    assert here.refusal(name)["decision"] == "IMPLICIT_DENY"


def test_https_publish_goes_where_the_name_leads(node, here, tenants, device, name):
    with here.online(device, name) as wire:
        wire.subscribe(f"{name}/https")
        answer = request(node, device, here.host(), "POST", f"/topics/{name}/https?qos=1", b"over https")
        assert answer.status == 200
        assert wire.message().payload == b"over https"
    elsewhere = tenants[OTHER, THERE].host()
    assert request(node, device, elsewhere, "POST", f"/topics/{name}/https", b"x").status == 403


def test_a_websocket_is_in_the_account_and_region_that_signed(node, here, tenants, device, name):
    from botocore.credentials import Credentials

    who = Credentials(*read_credentials(node.data, OTHER))
    with here.online(device, f"{name}-observer") as observer:
        observer.subscribe(f"{name}/socket")
        for region, heard in ((THERE, False), (HERE, True)):
            wire = Wire(node.address("https"), node.ca, server_name=here.host())
            with wire:
                frames = Frames(wire.sock)
                host, port = node.address("https")
                frames.open(f"{host}:{port}", presigned(node, region=region, who=who), [], ["mqtt"])
                wire.sock = frames
                assert wire.connect(name).code == 0
                wire.publish(f"{name}/socket", region.encode())
            got = observer.messages()
            assert [message.payload for message in got] == ([region.encode()] if heard else [])


def test_the_server_is_who_it_says_for_every_name(node, tenants, device):
    for tenant in tenants.values():
        for endpoint_type in ("iot:Data", "iot:Data-ATS", "iot:Jobs", "iot:CredentialProvider"):
            with at(node, device, tenant.host(endpoint_type)) as wire:
                assert wire.sock.version() == "TLSv1.3"


def test_an_account_that_comes_later_has_its_endpoints_at_once(node, folder, name):
    id = "222222222222"
    node.command("account", "create", id)
    tenant = Tenant(node, id, THERE)
    with tenant.online(tenant.issue(folder), name) as wire:
        wire.ping()


def test_jobs_over_http_are_not_there_yet_and_say_so(node, here, device):
    answer = request(node, device, here.host("iot:Jobs"), "GET", "/things/kettle/jobs")
    assert answer.status == 501
    assert "GetPendingJobExecutions" in answer.body["message"]


def test_fleet_provisioning_is_the_accounts_own_and_its_tokens_end_in_every_place(
    node, tenants, folder, name
):
    """What the node does by itself it does in all accounts and regions."""
    tenant = tenants[OTHER, THERE]
    with tenant.online(tenant.issue(folder), name) as wire:
        wire.subscribe("$aws/certificates/create/json/accepted")
        wire.publish("$aws/certificates/create/json", b"{}")
        id = json.loads(wire.message().payload)["certificateId"]
    found = tenant.iot.describe_certificate(certificateId=id)["certificateDescription"]
    assert found["status"] == "PENDING_ACTIVATION"
    assert found["certificateArn"] == tenant.arn(f"cert/{id}")
    clock = node.client("sekisho")
    clock.set_clock(advanceSeconds=3601)
    try:
        until(lambda: id not in {one["certificateId"] for one in listed(tenant.iot)})
    finally:
        clock.set_clock(reset=True)


def listed(iot):
    return [one for page in iot.get_paginator("list_certificates").paginate() for one in page["certificates"]]


def test_explain_tells_what_another_account_was_refused(node, tenants, device, name):
    elsewhere = tenants[OTHER, THERE]
    refused(elsewhere.wire(device), name)
    said = node.command("explain", "--account", OTHER, "--region", THERE, "--client", name)
    assert "DEVICE_CERTIFICATE_NOT_REGISTERED" in said
    assert "Nothing has been refused" in node.command("explain", "--client", name)


def test_a_connect_failure_is_announced_in_its_account(here, folder, name):
    who = here.issue(folder)
    bare = here.iot.list_attached_policies(target=_arn(here, who))["policies"][0]["policyName"]
    here.iot.detach_policy(policyName=bare, target=_arn(here, who))
    watcher = here.issue(folder)
    with here.online(watcher, f"{name}-watch") as wire:
        wire.subscribe("$aws/events/presence/connect_failed/+")
        refused(here.wire(who), name)
        event = json.loads(wire.message().payload)
        assert (event["clientId"], event["connectFailureReason"]) == (name, "AUTHORIZATION_FAILED")


def _arn(tenant, who):
    from sekisho.logic.certificates import certificate_id, parse_certificate

    return tenant.arn(f"cert/{certificate_id(parse_certificate(who.pem))}")


def test_another_node_of_the_database_hears_of_an_account(postgres_server, tmp_path, folder, name):
    """By the change feed: nobody tells it anything else."""
    database = postgres_server.create_database()
    keyring = tmp_path / "one" / "keyring.json"
    settings = (f"database={postgres_server.url(database)}", f"keyring=file:{keyring}")
    with running(tmp_path / "one", *settings) as one, running(tmp_path / "two", *settings) as two:
        one.command("account", "create", OTHER)
        here = Tenant(one, OTHER, HERE)
        who, host = here.issue(folder), here.host()
        until(lambda: connects(at(two, who, host), name))
        listed = {account["accountId"] for account in two.client("sekisho").list_accounts()["accounts"]}
        assert listed == {DEFAULT, OTHER}
