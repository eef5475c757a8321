"""Listings over several pages: nothing twice, nothing left out, and tokens that are not ours."""

from __future__ import annotations

import base64

import pytest

from api.making import ROLE, UNKNOWN_ID, certificate, csr, document, listed, refused, template, thing_resource

FEW = {"PaginationConfig": {"PageSize": 2}}
TEMPLATE = template({"thing": thing_resource()}, "Name")


def check(client, method: str, member: str, mine, **members):
    """A listing in pages of two: as many as there must be, and all that is ``mine``, once, in order.

    ``mine`` tells from an item what it is in the test's own list, or None if it is another test's.
    """
    everything = listed(client, method, member, **members)
    paged = []
    for page in client.get_paginator(method).paginate(**members, **FEW):
        assert len(page[member]) <= 2
        paged += page[member]
    assert paged == everything
    return [found for found in map(mine, everything) if found is not None]


def starts(member: str, prefix: str):
    return lambda item: item[member] if item[member].startswith(prefix) else None


def test_things(iot, name):
    wanted = [f"{name}-{number}" for number in range(5)]
    for one in wanted:
        iot.create_thing(thingName=one)
    assert check(iot, "list_things", "things", starts("thingName", f"{name}-")) == wanted


def test_things_by_attribute(iot, name):
    for number in range(9):
        attributes = {name: "even" if number % 2 == 0 else "odd"}
        iot.create_thing(thingName=f"{name}-{number}", attributePayload={"attributes": attributes})
    found = check(
        iot,
        "list_things",
        "things",
        lambda thing: thing["thingName"],
        attributeName=name,
        attributeValue="even",
    )
    assert found == [f"{name}-{number}" for number in (0, 2, 4, 6, 8)]


def test_a_full_last_page_has_no_token(iot, name):
    for number in range(4):
        iot.create_thing(thingName=f"{name}-{number}", attributePayload={"attributes": {name: "x"}})
    first = iot.list_things(attributeName=name, maxResults=2)
    second = iot.list_things(attributeName=name, maxResults=2, nextToken=first["nextToken"])
    assert [thing["thingName"] for thing in second["things"]] == [f"{name}-2", f"{name}-3"]
    rest = [second]
    while "nextToken" in rest[-1]:  # other tests' things may follow, none of them has the attribute
        rest.append(iot.list_things(attributeName=name, nextToken=rest[-1]["nextToken"]))
        assert rest[-1]["things"] == []
    assert iot.list_things(attributeName=name).get("nextToken") is None


def test_thing_types(iot, name):
    wanted = [f"{name}-{number}" for number in range(5)]
    for one in wanted:
        iot.create_thing_type(thingTypeName=one)
    assert check(iot, "list_thing_types", "thingTypes", starts("thingTypeName", f"{name}-")) == wanted


@pytest.mark.parametrize("ascending", [True, False])
def test_policies(iot, name, ascending):
    wanted = [f"{name}-{number}" for number in range(5)]
    for one in wanted:
        iot.create_policy(policyName=one, policyDocument=document())
    found = check(
        iot, "list_policies", "policies", starts("policyName", f"{name}-"), ascendingOrder=ascending
    )
    assert found == (wanted if ascending else wanted[::-1])


@pytest.mark.parametrize("ascending", [True, False])
def test_certificates_made_at_the_same_moment(iot, turned, ascending):
    # The clock stands still: their order is that of their ids.
    wanted = sorted(certificate(iot).id for _ in range(5))
    found = check(
        iot,
        "list_certificates",
        "certificates",
        lambda item: item["certificateId"] if item["certificateId"] in wanted else None,
        ascendingOrder=ascending,
    )
    assert found == (wanted if ascending else wanted[::-1])


def test_provisioning_templates(iot, name):
    wanted = [f"{name}-{number}" for number in range(5)]
    for one in wanted:
        iot.create_provisioning_template(templateName=one, templateBody=TEMPLATE, provisioningRoleArn=ROLE)
    found = check(iot, "list_provisioning_templates", "templates", starts("templateName", f"{name}-"))
    assert found == wanted


def test_versions_of_a_provisioning_template(iot, name):
    iot.create_provisioning_template(templateName=name, templateBody=TEMPLATE, provisioningRoleArn=ROLE)
    for _ in range(4):
        iot.create_provisioning_template_version(templateName=name, templateBody=TEMPLATE)
    found = check(
        iot,
        "list_provisioning_template_versions",
        "versions",
        lambda version: version["versionId"],
        templateName=name,
    )
    assert found == [5, 4, 3, 2, 1]


def test_attachments(iot, name):
    certs = sorted(certificate(iot).arn for _ in range(3))
    names = [f"{name}-{number}" for number in range(3)]
    for one in names:
        iot.create_thing(thingName=one)
        iot.create_policy(policyName=one, policyDocument=document())
        iot.attach_thing_principal(thingName=one, principal=certs[0])
        iot.attach_policy(policyName=one, target=certs[0])
    for cert in certs[1:]:
        iot.attach_thing_principal(thingName=names[0], principal=cert)
        iot.attach_policy(policyName=names[0], target=cert)

    def same(item):
        return item

    assert check(iot, "list_principal_things", "things", same, principal=certs[0]) == names
    assert check(iot, "list_thing_principals", "principals", same, thingName=names[0]) == certs
    assert check(iot, "list_targets_for_policy", "targets", same, policyName=names[0]) == certs
    by_name = starts("policyName", name)
    assert check(iot, "list_attached_policies", "policies", by_name, target=certs[0]) == names
    by_age = check(iot, "list_principal_policies", "policies", by_name, principal=certs[0])
    assert by_age == names[::-1]
    assert check(iot, "list_policy_principals", "principals", same, policyName=names[0]) == certs[::-1]


def test_25_at_a_time_unless_told(iot, name):
    for number in range(26):
        iot.create_policy(policyName=f"{name}-{number:02}", policyDocument=document())
    first = iot.list_policies()
    assert len(first["policies"]) == 25
    assert first["nextMarker"]


def base64_of(text: bytes) -> str:
    return base64.b64encode(text).decode()


@pytest.mark.parametrize(
    "token", ["nonsense", base64_of(b"\x00"), base64_of(b"\xff\xfe"), base64_of(b"a\x00b"), "====", "AA=A"]
)
def test_tokens_that_no_listing_gave(iot, own, name, token):
    iot.create_thing(thingName=name)
    iot.create_provisioning_template(templateName=name, templateBody=TEMPLATE, provisioningRoleArn=ROLE)
    for call, more in (
        (iot.list_things, {"nextToken": token}),
        (iot.list_thing_types, {"nextToken": token}),
        (iot.list_thing_principals, {"thingName": name, "nextToken": token}),
        (iot.list_provisioning_templates, {"nextToken": token}),
        (iot.list_provisioning_template_versions, {"templateName": name, "nextToken": token}),
        (iot.list_policies, {"marker": token}),
        (iot.list_certificates, {"marker": token}),
        (own.list_refusals, {"nextToken": token}),
    ):
        with refused("InvalidRequestException", 400):
            call(**more)


@pytest.mark.parametrize("key", [b"x y", "²".encode(), b"9" * 40, b"-1", b"nan x", b"inf x", b"1e999 x"])
def test_tokens_of_another_listing(iot, own, name, key):
    iot.create_provisioning_template(templateName=name, templateBody=TEMPLATE, provisioningRoleArn=ROLE)
    token = base64_of(key)
    for call, more in (
        (iot.list_provisioning_template_versions, {"templateName": name, "nextToken": token}),
        (own.list_refusals, {"nextToken": token}),
    ):
        with refused("InvalidRequestException", 400):
            call(**more)
    for call in (iot.list_certificates, iot.list_policies):
        try:
            call(marker=token)
        except iot.exceptions.InvalidRequestException as error:
            assert "token" in str(error)


def test_a_token_outlives_the_item_that_it_names(iot, name):
    for number in range(4):
        iot.create_thing(thingName=f"{name}-{number}", attributePayload={"attributes": {name: "x"}})
    first = iot.list_things(attributeName=name, maxResults=2)
    iot.delete_thing(thingName=f"{name}-1")
    iot.delete_thing(thingName=f"{name}-2")
    second = iot.list_things(attributeName=name, maxResults=2, nextToken=first["nextToken"])
    assert [thing["thingName"] for thing in second["things"]] == [f"{name}-3"]


def test_listings_of_nothing(iot, name, cert):
    iot.create_thing(thingName=name)
    iot.create_policy(policyName=name, policyDocument=document())
    assert iot.list_thing_principals(thingName=name)["principals"] == []
    assert iot.list_principal_things(principal=cert.arn)["things"] == []
    assert iot.list_attached_policies(target=cert.arn)["policies"] == []
    assert iot.list_targets_for_policy(policyName=name)["targets"] == []
    assert UNKNOWN_ID not in str(iot.list_certificates())
    assert csr()
