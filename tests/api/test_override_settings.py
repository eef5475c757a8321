"""What a template may do to a certificate that is there already and in another state."""

from __future__ import annotations

import pytest

from api.making import certificate, refused, template


def register(iot, id, status, **overrides):
    resource = {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": id, "Status": status}}
    if overrides:
        resource["OverrideSettings"] = overrides
    return iot.register_thing(templateBody=template({"certificate": resource}))


def status_of(iot, id):
    return iot.describe_certificate(certificateId=id)["certificateDescription"]["status"]


@pytest.mark.parametrize(
    "overrides, status",
    [({}, "INACTIVE"), ({"Status": "REPLACE"}, "INACTIVE"), ({"Status": "DO_NOTHING"}, "ACTIVE")],
)
def test_a_state_that_differs(iot, cert, overrides, status):
    register(iot, cert.id, "INACTIVE", **overrides)
    assert status_of(iot, cert.id) == status


def test_fail_is_a_conflict_unless_the_state_is_the_same(iot, cert):
    with refused("ConflictingResourceUpdateException", 409, cert.id, "ACTIVE", "INACTIVE"):
        register(iot, cert.id, "Inactive", Status="FAIL")
    assert status_of(iot, cert.id) == "ACTIVE"
    register(iot, cert.id, "Active", Status="FAIL")


def test_an_inactive_certificate_is_activated(iot):
    made = certificate(iot, active=False)
    register(iot, made.id, "active")
    assert status_of(iot, made.id) == "ACTIVE"


def test_merge_is_for_maps_and_lists(iot, cert):
    with refused("InvalidRequestException", 400, "MERGE", "Status"):
        register(iot, cert.id, "ACTIVE", Status="MERGE")
