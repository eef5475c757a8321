"""Accounts and regions: made, listed, each with a registry and endpoints of its own."""

from __future__ import annotations

import stat

import pytest

from api.conftest import Place, placed
from api.making import ACCOUNT, arn, listed, refused
from command import sekisho
from sekisho.cli.commands import credentials_path, read_credentials
from sekisho.logic.endpoints import TYPES, host_name

REGIONS = ["us-east-1", "eu-west-1"]
OTHER, THIRD = "111111111111", "222222222222"
DOMAIN = "sekisho.localhost"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request, tmp_path_factory):
    """A node of two regions."""
    folder = tmp_path_factory.mktemp("accounts") / "node"
    with placed(request, folder, f"regions={','.join(REGIONS)}") as house:
        yield house


@pytest.fixture(scope="module")
def other(house: Place) -> str:
    """An account beside the default one."""
    house.node.command("account", "create", OTHER, "--name", "factory")
    return OTHER


@pytest.fixture
def root(house: Place):
    """The node's own service, as the default account's root sees it."""
    return house.node.client("sekisho")


# --- accounts ----------------------------------------------------------------------------------------------


def test_the_default_account_is_there(own):
    accounts = {account["accountId"]: account for account in listed(own, "list_accounts", "accounts")}
    account = accounts[ACCOUNT]
    assert account["accountName"] == "default"
    addresses = {(e["region"], e["endpointType"]): e["address"] for e in account["endpoints"]}
    assert addresses == {
        ("us-east-1", endpoint_type): host_name(ACCOUNT, "us-east-1", endpoint_type, DOMAIN)
        for endpoint_type in TYPES
    }


def test_an_account_is_made_with_a_key_of_its_root(own, node, sql):
    made = own.create_account(accountId=THIRD, accountName="third")
    assert made["account"]["accountId"] == THIRD
    keys = {"aws_access_key_id": made["accessKeyId"], "aws_secret_access_key": made["secretAccessKey"]}
    identity = node.client("sts", **keys).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (THIRD, f"arn:aws:iam::{THIRD}:root")
    [body] = sql(f"SELECT body FROM resource WHERE kind = 'accesskey' AND id = '{made['accessKeyId']}'")
    assert made["secretAccessKey"] not in body[0]
    assert made["secretAccessKey"] not in node.log
    [line] = sql(
        "SELECT account, outcome, resource FROM audit WHERE operation = 'CreateAccount' "
        f"AND resource LIKE '%{THIRD}%'"
    )
    assert line == (ACCOUNT, "Success", f"arn:aws:iam::{THIRD}:root")
    with refused("ResourceAlreadyExistsException", 409, THIRD):
        own.create_account(accountId=THIRD)
    with refused("ResourceAlreadyExistsException", 409, ACCOUNT):
        own.create_account(accountId=ACCOUNT)


def test_the_accounts_are_listed_in_pages(root, other):
    names = {a["accountId"]: a.get("accountName") for a in listed(root, "list_accounts", "accounts")}
    assert names == {ACCOUNT: "default", OTHER: "factory"}
    first = root.list_accounts(maxResults=1)
    assert [account["accountId"] for account in first["accounts"]] == [ACCOUNT]
    rest = root.list_accounts(maxResults=1, nextToken=first["nextToken"])
    assert [account["accountId"] for account in rest["accounts"]] == [OTHER]
    assert "nextToken" not in rest


def test_only_the_default_accounts_root_rules_what_concerns_all(house, other):
    own = house.node.client("sekisho", account=other)
    with refused("AccessDeniedException", 403, f"arn:aws:iam::{other}:root", "default account"):
        own.create_account(accountId="333333333333")
    with refused("AccessDeniedException", 403, "default account"):
        own.list_accounts()
    with refused("AccessDeniedException", 403, "default account"):
        own.set_clock(frozen=True)
    assert own.describe_clock()["rate"] == 1.0


@pytest.mark.parametrize("id", ["1", "1" * 13, "12345678901x"])
def test_an_account_has_twelve_digits(node, own, id):
    from api.making import UNCHECKED

    client = node.client("sekisho", config=UNCHECKED)
    with refused("InvalidRequestException", 400, "accountId"):
        client.create_account(accountId=id)


def test_the_command_writes_the_key_for_its_owner_alone(house, other):
    path = credentials_path(house.node.data, other)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    _, secret = read_credentials(house.node.data, other)
    assert secret not in house.node.log
    lines = house.node.command("account", "list").splitlines()
    assert f"{other}  factory" in lines
    assert any(line.endswith(host_name(other, "eu-west-1", "iot:Jobs", DOMAIN)) for line in lines)


def test_the_command_picks_an_id(house, other):
    said = house.node.command("account", "create")
    id = said.split()[1]
    assert len(id) == 12
    assert id.isdigit()
    assert f'eval "$(sekisho env --data {house.node.data} --account {id})"' in said
    assert house.node.client("sts", account=id).get_caller_identity()["Account"] == id


def test_the_environment_of_an_account_that_nobody_has_made(house):
    told = sekisho("env", "--data", house.node.data, "--account", "123123123123", ok=False)
    assert (told.returncode, told.stdout) == (1, "")
    assert "sekisho account create 123123123123" in told.stderr


def test_the_names_for_etc_hosts(house, other, tmp_path):
    expected = {
        host_name(account, region, endpoint_type, DOMAIN)
        for account in (ACCOUNT, other)
        for region in REGIONS
        for endpoint_type in TYPES
    }
    lines = house.node.command("hosts", "--address", "192.0.2.1").splitlines()
    assert {line.split()[0] for line in lines} == {"192.0.2.1"}
    assert expected <= {name for line in lines for name in line.split()[1:]}
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n")
    house.node.command("hosts", "--write", "--file", str(file))
    house.node.command("hosts", "--write", "--file", str(file))
    assert file.read_text().splitlines()[0] == "127.0.0.1 localhost"
    assert file.read_text().count(host_name(other, "us-east-1", "iot:Data", DOMAIN)) == 1


# --- places ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("endpoint_type", sorted(TYPES))
def test_every_type_of_endpoint_is_described(house, other, region, endpoint_type):
    iot = house.node.client("iot", account=other, region_name=region)
    answer = iot.describe_endpoint(endpointType=endpoint_type)
    assert answer["endpointAddress"] == host_name(other, region, endpoint_type, DOMAIN)


def test_the_default_accounts_endpoints(house):
    """Where devices connect it is the node's own name, which resolves everywhere; not in other regions."""
    iot = house.node.client("iot")
    for endpoint_type in ("iot:Data", "iot:Data-ATS"):
        assert iot.describe_endpoint(endpointType=endpoint_type)["endpointAddress"] == "localhost"
    for endpoint_type in ("iot:Jobs", "iot:CredentialProvider"):
        answer = iot.describe_endpoint(endpointType=endpoint_type)["endpointAddress"]
        assert answer == host_name(ACCOUNT, "us-east-1", endpoint_type, DOMAIN)
    iot = house.node.client("iot", region_name="eu-west-1")
    answer = iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    assert answer == host_name(ACCOUNT, "eu-west-1", "iot:Data-ATS", DOMAIN)


def test_each_account_and_region_has_a_registry_of_its_own(house, other):
    node = house.node
    clients = {
        (account or ACCOUNT, region): node.client("iot", account=account, region_name=region)
        for account in (None, other)
        for region in REGIONS
    }
    for (account, region), iot in clients.items():
        made = iot.create_thing(
            thingName="kettle", attributePayload={"attributes": {"at": f"{account}-{region}"}}
        )
        assert made["thingArn"] == arn("thing/kettle", account, region)
    for (account, region), iot in clients.items():
        assert iot.describe_thing(thingName="kettle")["attributes"] == {"at": f"{account}-{region}"}
        assert len(listed(iot, "list_things", "things")) == 1


def test_a_region_that_the_node_does_not_serve(house):
    with refused("InvalidSignatureException", 403, "us-east-1, eu-west-1", modelled=False):
        house.node.client("iot", region_name="ap-northeast-1").list_things()


def test_what_the_node_says_of_its_regions(root):
    answer = root.describe_node()
    assert (answer["region"], answer["regions"]) == (REGIONS[0], REGIONS)


def test_accounts_outlive_the_node(house, other):
    node = house.node
    assert node.stop() == 0
    node.start()
    iot = node.client("iot", account=other, region_name="eu-west-1")
    name = iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    assert name == host_name(other, "eu-west-1", "iot:Data-ATS", DOMAIN)
