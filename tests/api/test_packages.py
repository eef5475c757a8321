"""Software packages and their versions, from a draft to what is deleted; their bills of materials."""

from __future__ import annotations

import base64
import io
import json
import zipfile

import pytest

from api.callers import denied, policy, user
from api.making import ACCOUNT, UNCHECKED, arn, refused

TOKEN = "t" * 36


@pytest.fixture
def package(iot, name):
    iot.create_package(packageName=name)
    return name


def status(iot, package: str, version: str) -> str:
    return iot.get_package_version(packageName=package, versionName=version)["status"]


def test_a_package_is_made_read_changed_listed_and_deleted(iot, name, turned):
    made = iot.create_package(packageName=name, description="a program", tags={"a": "b"})
    assert made["packageArn"] == arn(f"package/{name}")
    assert (made["packageName"], made["description"]) == (name, "a program")
    tags = iot.list_tags_for_resource(resourceArn=made["packageArn"])["tags"]
    assert tags == [{"Key": "a", "Value": "b"}]
    read = iot.get_package(packageName=name)
    assert read["creationDate"] == read["lastModifiedDate"]
    turned.set_clock(advanceSeconds=60)
    iot.update_package(packageName=name, description="another")
    changed = iot.get_package(packageName=name)
    assert (changed["description"], changed["creationDate"]) == ("another", read["creationDate"])
    assert changed["lastModifiedDate"] > read["lastModifiedDate"]
    assert name in [one["packageName"] for one in listing(iot)]
    assert len(iot.list_packages(maxResults=1)["packageSummaries"]) == 1
    iot.delete_package(packageName=name)
    iot.delete_package(packageName=name)
    assert name not in [one["packageName"] for one in listing(iot)]
    for again in (iot.get_package, iot.update_package):
        with refused("ResourceNotFoundException", 404, name):
            again(packageName=name)


def listing(iot) -> list[dict]:
    """All packages, a page of two at a time."""
    found, token = [], {}
    while True:
        page = iot.list_packages(maxResults=2, **token)
        found += page["packageSummaries"]
        if "nextToken" not in page:
            return found
        token = {"nextToken": page["nextToken"]}


def test_a_name_is_taken_once_but_the_same_request_may_come_again(iot, name):
    first = iot.create_package(packageName=name, clientToken=TOKEN)
    assert iot.create_package(packageName=name, clientToken=TOKEN)["packageArn"] == first["packageArn"]
    with refused("ConflictException", 409, name):
        iot.create_package(packageName=name)
    one = iot.create_package_version(packageName=name, versionName="1", clientToken=TOKEN)
    again = iot.create_package_version(packageName=name, versionName="1", clientToken=TOKEN)
    assert one["packageVersionArn"] == again["packageVersionArn"]
    with refused("ConflictException", 409, "1"):
        iot.create_package_version(packageName=name, versionName="1")


def test_the_catalog_has_errors_of_its_own(node, name):
    iot = node.client("iot", config=UNCHECKED)
    with refused("ValidationException", 400, "page token"):
        iot.list_packages(nextToken="!")
    with refused("ValidationException", 400, "page token"):
        iot.list_package_versions(packageName=name, nextToken="!")
    with refused("ValidationException", 400, "packageName"):
        iot.create_package(packageName="a b")
    with refused("ValidationException", 400, "versionName"):
        iot.get_package_version(packageName=name, versionName="v" * 65)
    with refused("ValidationException", 400, name):
        iot.create_package_version(packageName=name, versionName="1")


def test_the_life_of_a_version(iot, package):
    made = iot.create_package_version(
        packageName=package,
        versionName="1.0",
        description="first",
        attributes={"size": "12 kB"},
        artifact={"s3Location": {"bucket": "b", "key": "k"}},
        recipe="{}",
        tags={"a": "b"},
    )
    assert made["packageVersionArn"] == arn(f"package/{package}/version/1.0")
    assert iot.list_tags_for_resource(resourceArn=made["packageVersionArn"])["tags"] == [
        {"Key": "a", "Value": "b"}
    ]
    iot.tag_resource(resourceArn=made["packageVersionArn"], tags=[{"Key": "c", "Value": "d"}])
    of_it = {"packageName": package, "versionName": "1.0"}
    read = iot.get_package_version(**of_it)
    assert read["status"] == "DRAFT"
    assert (read["attributes"], read["recipe"]) == ({"size": "12 kB"}, "{}")
    assert read["artifact"] == {"s3Location": {"bucket": "b", "key": "k"}}
    iot.update_package_version(**of_it, attributes={"size": "13 kB"}, description="changed")
    with refused("ConflictException", 409, "draft"):
        iot.update_package(packageName=package, defaultVersionName="1.0")
    with refused("ConflictException", 409, "DEPRECATE", "DRAFT"):
        iot.update_package_version(**of_it, action="DEPRECATE")
    iot.update_package_version(**of_it, action="PUBLISH")
    assert status(iot, package, "1.0") == "PUBLISHED"
    with refused("ConflictException", 409, "PUBLISHED", "attributes"):
        iot.update_package_version(**of_it, attributes={"size": "1"})
    iot.update_package_version(**of_it, description="still may")
    iot.update_package(packageName=package, defaultVersionName="1.0")
    assert iot.get_package(packageName=package)["defaultVersionName"] == "1.0"
    iot.update_package_version(**of_it, action="DEPRECATE")
    iot.update_package_version(**of_it, action="PUBLISH")
    with refused("ValidationException", 400, "default"):
        iot.delete_package_version(**of_it)
    with refused("ValidationException", 400, "versions"):
        iot.delete_package(packageName=package)
    with refused("ValidationException", 400, "exclude"):
        iot.update_package(packageName=package, defaultVersionName="1.0", unsetDefaultVersion=True)
    iot.update_package(packageName=package, unsetDefaultVersion=True)
    assert "defaultVersionName" not in iot.get_package(packageName=package)
    iot.delete_package_version(**of_it)
    iot.delete_package_version(**of_it)
    for again in (iot.get_package_version, iot.update_package_version):
        with refused("ResourceNotFoundException", 404, "1.0"):
            again(**of_it)
    with refused("ResourceNotFoundException", 404, "9"):
        iot.update_package(packageName=package, defaultVersionName="9")
    iot.delete_package(packageName=package)


def test_versions_are_listed_by_package_and_state_in_pages(iot, package):
    iot.create_package(packageName=f"{package}.more")
    iot.create_package_version(packageName=f"{package}.more", versionName="other")
    names = [f"v{number:02}" for number in range(7)]
    for version in names:
        iot.create_package_version(packageName=package, versionName=version)
    for version in names[::2]:
        iot.update_package_version(packageName=package, versionName=version, action="PUBLISH")
    pages = iot.get_paginator("list_package_versions")

    def found(**more) -> list[str]:
        given = {"packageName": package, "PaginationConfig": {"PageSize": 2}, **more}
        return [
            one["versionName"] for page in pages.paginate(**given) for one in page["packageVersionSummaries"]
        ]

    assert found() == names
    assert found(status="PUBLISHED") == names[::2]
    assert found(status="DRAFT") == names[1::2]
    assert iot.list_package_versions(packageName="nobody")["packageVersionSummaries"] == []
    first = iot.list_package_versions(packageName=package, maxResults=1)["nextToken"]
    with refused("ValidationException", 400, "nextToken"):
        iot.list_package_versions(packageName=f"{package}.more", nextToken=first)


def test_what_a_version_may_hold_is_bounded(iot, package):
    with refused("ValidationException", 400, "3072"):
        iot.create_package_version(packageName=package, versionName="1", attributes={"a": "x" * 3072})
    with refused("ValidationException", 400, "artifact.s3Location.key"):
        iot.create_package_version(
            packageName=package, versionName="1", artifact={"s3Location": {"bucket": "b"}}
        )


def test_who_changes_the_catalog_may_read_the_indexing_configuration(node, iam, name):
    client = user(node, iam, name, policy("iot:CreatePackage*", resource=arn(f"package/{name}*")))
    with denied("iot:GetIndexingConfiguration"):
        client("iot").create_package(packageName=name)
    further = policy("iot:GetIndexingConfiguration")
    iam.put_user_policy(UserName=name, PolicyName="further", PolicyDocument=further)
    client("iot").create_package(packageName=name)
    client("iot").create_package_version(packageName=name, versionName="1")
    with denied("iot:CreatePackage", arn("package/another")):
        client("iot").create_package(packageName="another")


# --- bills of materials --------------------------------------------------------------------------------


@pytest.fixture
def bucket(node, name):
    s3 = node.client("s3")
    bucket = name.lower().replace("_", "-")
    s3.create_bucket(Bucket=bucket)

    def put(key: str, **files: str) -> dict:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            for file, text in files.items():
                made.writestr(f"{file}.json", text)
        s3.put_object(Bucket=bucket, Key=key, Body=out.getvalue())
        return {"s3Location": {"bucket": bucket, "key": key}}

    return put


def test_a_bill_of_materials_is_validated_listed_and_taken_away(iot, package, bucket):
    of_it = {"packageName": package, "versionName": "1"}
    iot.create_package_version(**of_it)
    right = json.dumps({"spdxVersion": "SPDX-2.3"})
    sbom = bucket("right.zip", one=right, two=right)
    made = iot.associate_sbom_with_package_version(**of_it, sbom=sbom)
    assert (made["sbom"], made["sbomValidationStatus"]) == (sbom, "SUCCEEDED")
    assert iot.get_package_version(**of_it)["sbom"] == sbom
    listed = iot.list_sbom_validation_results(**of_it)["validationResultSummaries"]
    assert [one["fileName"] for one in listed] == ["one.json", "two.json"]
    assert {one["validationResult"] for one in listed} == {"SUCCEEDED"}

    made = iot.associate_sbom_with_package_version(**of_it, sbom=bucket("half.zip", one=right, two="{}"))
    assert made["sbomValidationStatus"] == "FAILED"
    (failed,) = iot.list_sbom_validation_results(**of_it, validationResult="FAILED")[
        "validationResultSummaries"
    ]
    assert (failed["fileName"], failed["errorCode"]) == ("two.json", "INCOMPATIBLE_FORMAT")
    first = iot.list_sbom_validation_results(**of_it, maxResults=1)
    rest = iot.list_sbom_validation_results(**of_it, nextToken=first["nextToken"])
    endless = base64.b64encode(b"9" * 5000).decode()
    with refused("ValidationException", 400, "nextToken"):
        iot.list_sbom_validation_results(**of_it, nextToken=endless)
    assert [one["fileName"] for one in rest["validationResultSummaries"]] == ["two.json"]

    iot.disassociate_sbom_from_package_version(**of_it)
    assert "sbom" not in iot.get_package_version(**of_it)
    assert iot.list_sbom_validation_results(**of_it)["validationResultSummaries"] == []
    with refused("ConflictException", 409, "no SBOM"):
        iot.disassociate_sbom_from_package_version(**of_it)


def test_a_bill_that_is_not_there_is_named(iot, package, bucket):
    of_it = {"packageName": package, "versionName": "1"}
    sbom = bucket("a.zip", a="{}")
    with refused("ResourceNotFoundException", 404, "1"):
        iot.associate_sbom_with_package_version(**of_it, sbom=sbom)
    iot.create_package_version(**of_it)
    place = sbom["s3Location"]
    for location, words in (
        ({**place, "key": "none"}, "has no object none"),
        ({**place, "bucket": "nowhere-at-all"}, "nowhere-at-all"),
        ({"bucket": place["bucket"]}, "sbom.s3Location.key"),
        ({**place, "version": "1"}, "sbom.s3Location.version"),
    ):
        with refused("ValidationException", 400, words):
            iot.associate_sbom_with_package_version(**of_it, sbom={"s3Location": location})
    with refused("ResourceNotFoundException", 404, "2"):
        iot.list_sbom_validation_results(packageName=package, versionName="2")


# --- configurations ------------------------------------------------------------------------------------


def test_what_needs_jobs_cannot_be_turned_on(iot):
    role = f"arn:aws:iam::{ACCOUNT}:role/updates"
    assert iot.get_package_configuration()["versionUpdateByJobsConfig"]["enabled"] is False
    iot.update_package_configuration(versionUpdateByJobsConfig={"enabled": False, "roleArn": role})
    assert iot.get_package_configuration()["versionUpdateByJobsConfig"] == {"enabled": False, "roleArn": role}
    with refused("NotImplementedException", 501, "enabled", modelled=False):
        iot.update_package_configuration(versionUpdateByJobsConfig={"enabled": True, "roleArn": role})
    with refused("ValidationException", 400, "roleArn"):
        iot.update_package_configuration(versionUpdateByJobsConfig={"roleArn": "r" * 20})


def test_the_node_encrypts_with_its_own_key_and_knows_no_other(iot):
    iot.update_encryption_configuration(encryptionType="AWS_OWNED_KMS_KEY")
    found = iot.describe_encryption_configuration()
    assert found["encryptionType"] == "AWS_OWNED_KMS_KEY"
    assert found["configurationDetails"]["configurationStatus"] == "HEALTHY"
    with refused("NotImplementedException", 501, "CUSTOMER_MANAGED_KMS_KEY", modelled=False):
        iot.update_encryption_configuration(encryptionType="CUSTOMER_MANAGED_KMS_KEY", kmsKeyArn="k")
    with refused("InvalidRequestException", 400, "kmsKeyArn"):
        iot.update_encryption_configuration(encryptionType="AWS_OWNED_KMS_KEY", kmsKeyArn="k")
