"""Role aliases: made, read, changed, listed, deleted; and who may point one at a role."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from api.callers import denied, policy, user
from api.making import ACCOUNT, REGION, UNCHECKED, arn, listed, refused

ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"


@pytest.fixture
def alias(iot, name):
    iot.create_role_alias(roleAlias=name, roleArn=ROLE)
    return name


def test_a_role_alias_as_terraform_makes_and_deletes_it(iot, name, turned):
    tags = [{"Key": "a", "Value": "b"}]
    made = iot.create_role_alias(roleAlias=name, roleArn=ROLE, credentialDurationSeconds=900, tags=tags)
    assert (made["roleAlias"], made["roleAliasArn"]) == (name, arn(f"rolealias/{name}"))
    assert iot.list_tags_for_resource(resourceArn=made["roleAliasArn"])["tags"] == tags
    read = iot.describe_role_alias(roleAlias=name)["roleAliasDescription"]
    assert read.pop("creationDate") == read["lastModifiedDate"] <= datetime.now(UTC)
    before = read.pop("lastModifiedDate")
    assert read == {
        "roleAlias": name,
        "roleAliasArn": arn(f"rolealias/{name}"),
        "roleArn": ROLE,
        "owner": ACCOUNT,
        "credentialDurationSeconds": 900,
    }
    turned.set_clock(advanceSeconds=60)
    changed = iot.update_role_alias(roleAlias=name, roleArn=f"{ROLE}-other")
    assert changed["roleAlias"] == name
    read = iot.describe_role_alias(roleAlias=name)["roleAliasDescription"]
    assert (read["roleArn"], read["credentialDurationSeconds"]) == (f"{ROLE}-other", 900)
    assert read["creationDate"] == before < read["lastModifiedDate"]
    iot.update_role_alias(roleAlias=name, credentialDurationSeconds=43200)
    read = iot.describe_role_alias(roleAlias=name)["roleAliasDescription"]
    assert (read["roleArn"], read["credentialDurationSeconds"]) == (f"{ROLE}-other", 43200)
    iot.delete_role_alias(roleAlias=name)
    for again in (iot.describe_role_alias, iot.delete_role_alias, iot.update_role_alias):
        with refused("ResourceNotFoundException", 404, name):
            again(roleAlias=name)


def test_an_hour_unless_told(iot, alias):
    found = iot.describe_role_alias(roleAlias=alias)["roleAliasDescription"]
    assert found["credentialDurationSeconds"] == 3600


def test_a_name_is_taken_once_and_its_case_counts(iot, alias):
    with refused("ResourceAlreadyExistsException", 409, alias):
        iot.create_role_alias(roleAlias=alias, roleArn=ROLE)
    iot.create_role_alias(roleAlias=alias.upper(), roleArn=ROLE)
    assert (
        iot.describe_role_alias(roleAlias=alias.upper())["roleAliasDescription"]["roleAlias"] == alias.upper()
    )


@pytest.mark.parametrize("seconds", [899, 43201])
def test_from_a_quarter_of_an_hour_to_twelve_hours(node, name, alias, seconds):
    client = node.client("iot", config=UNCHECKED)
    with refused("InvalidRequestException", 400, "credentialDurationSeconds"):
        client.create_role_alias(roleAlias=f"{name}-x", roleArn=ROLE, credentialDurationSeconds=seconds)
    with refused("InvalidRequestException", 400, "credentialDurationSeconds"):
        client.update_role_alias(roleAlias=alias, credentialDurationSeconds=seconds)


@pytest.mark.parametrize("bad", ["a b", "a/b", "a:b", "a.b", "x" * 129])
def test_names(node, bad):
    client = node.client("iot", config=UNCHECKED)
    with refused("InvalidRequestException", 400, "roleAlias"):
        client.create_role_alias(roleAlias=bad.replace("/", "."), roleArn=ROLE)


def test_unusual_names(iot, name):
    for one in (f"{name}=,@-_x", "x" * 128):
        iot.create_role_alias(roleAlias=one, roleArn=ROLE)
        assert iot.describe_role_alias(roleAlias=one)["roleAliasDescription"]["roleAlias"] == one
        iot.delete_role_alias(roleAlias=one)


@pytest.mark.parametrize(
    "bad",
    [
        "not the arn of anything",
        arn("thing/any-thing-at-all"),
        f"arn:aws:iam::{ACCOUNT}:user/somebody",
        "arn:aws:iam::999999999999:role/any",
    ],
)
def test_what_is_no_role_of_the_account(iot, name, alias, bad):
    with refused("InvalidRequestException", 400):
        iot.create_role_alias(roleAlias=f"{name}-x", roleArn=bad)
    with refused("InvalidRequestException", 400):
        iot.update_role_alias(roleAlias=alias, roleArn=bad)


def test_who_points_an_alias_at_a_role_must_be_allowed_to_pass_it(node, iam, iot, name):
    """Else anyone who may make an alias could lend itself any role (AWS IoT Developer Guide)."""
    resource = arn(f"rolealias/{name}*")
    client = user(node, iam, name, policy("iot:*RoleAlias", resource=resource))("iot")
    with denied("iam:PassRole", ROLE):
        client.create_role_alias(roleAlias=name, roleArn=ROLE)
    with refused("ResourceNotFoundException", 404):
        iot.describe_role_alias(roleAlias=name)
    other = user(
        node,
        iam,
        f"{name}-passes",
        policy("iot:*RoleAlias", resource=resource),
        policy("iam:PassRole", resource=ROLE),
    )("iot")
    other.create_role_alias(roleAlias=name, roleArn=ROLE)
    with denied("iam:PassRole", f"{ROLE}-other"):
        other.update_role_alias(roleAlias=name, roleArn=f"{ROLE}-other")
    client.update_role_alias(roleAlias=name, credentialDurationSeconds=900)
    with denied("iot:CreateRoleAlias"):
        other.create_role_alias(roleAlias="elsewhere", roleArn=ROLE)


def test_listings_are_alphabetical(iot, name):
    names = [f"{name}-{n}" for n in range(3)]
    for one in reversed(names):
        iot.create_role_alias(roleAlias=one, roleArn=ROLE)
    found = listed(iot, "list_role_aliases", "roleAliases", PaginationConfig={"PageSize": 2})
    assert [one for one in found if one in names] == names[::-1]
    found = listed(iot, "list_role_aliases", "roleAliases", ascendingOrder=True)
    assert [one for one in found if one in names] == names


def test_a_hundred_are_the_most(iot, name):
    made = []
    with refused("LimitExceededException", 410, "100"):
        for n in range(101):
            iot.create_role_alias(roleAlias=f"{name}-{n}", roleArn=ROLE)
            made.append(f"{name}-{n}")
    for one in made:
        iot.delete_role_alias(roleAlias=one)


def test_aliases_are_of_a_region(iot, alias):
    assert f":{REGION}:" in iot.describe_role_alias(roleAlias=alias)["roleAliasDescription"]["roleAliasArn"]
