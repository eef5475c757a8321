"""The node's own S3: copies, deletions of many, the first version of listings, uploads left behind."""

from __future__ import annotations

import hashlib
import json
import os

from botocore.exceptions import ClientError

from api.callers import policy, user
from api.making import refused
from api.raw import call
from api.test_s3 import bucket as bucket
from api.test_s3 import s3 as s3
from interop.devices import until

PART = 5 << 20


def body_of(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def keys_of(s3, bucket):
    return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]


# --- copies ---


def test_a_copy_has_the_content_and_what_was_said_of_it(s3, bucket):
    put = s3.put_object(
        Bucket=bucket, Key="a/ü +1", Body=b"one", ContentType="text/x", Metadata={"made": "here"}
    )
    copied = s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a/ü +1"})[
        "CopyObjectResult"
    ]
    assert copied["ETag"] == put["ETag"]
    got = s3.get_object(Bucket=bucket, Key="b")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"one", "text/x", {"made": "here"})
    assert copied["LastModified"] == got["LastModified"]
    assert body_of(s3, bucket, "a/ü +1") == b"one"


def test_a_copy_may_say_something_else_also_onto_itself(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"one", Metadata={"old": "1"})
    itself = {"Bucket": bucket, "Key": "k", "CopySource": f"{bucket}/k"}
    with refused("InvalidRequest", 400, "to itself"):
        s3.copy_object(**itself)
    s3.copy_object(**itself, MetadataDirective="REPLACE", Metadata={"new": "2"}, ContentType="text/y")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"one", "text/y", {"new": "2"})


def test_a_copy_on_a_condition(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["ETag"]
    copy = {"Bucket": bucket, "Key": "c", "CopySource": f"/{bucket}/k"}
    s3.copy_object(**copy, CopySourceIfMatch=etag)
    for condition in ({"CopySourceIfMatch": '"other"'}, {"CopySourceIfNoneMatch": etag}):
        with refused("PreconditionFailed", 412, modelled=False):
            s3.copy_object(**copy, **condition)


def test_what_cannot_be_copied(s3, bucket):
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/none")
    with refused("NoSuchBucket", 404):
        s3.copy_object(Bucket=bucket, Key="c", CopySource="no-such-bucket/k")
    with refused("InvalidArgument", 400, modelled=False):
        s3.copy_object(Bucket=bucket, Key="c", CopySource="/")
    assert keys_of(s3, bucket) == []


def test_a_large_copy_in_parts(s3, bucket):
    whole = os.urandom(2 * PART + 7)
    s3.put_object(Bucket=bucket, Key="large", Body=whole)
    at = {"Bucket": bucket, "Key": "c"}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
    ranges = [(0, PART - 1), (PART, 2 * PART - 1), (2 * PART, len(whole) - 1)]
    parts = []
    for number, (first, last) in enumerate(ranges, 1):
        done = s3.upload_part_copy(
            **at, PartNumber=number, CopySource=f"{bucket}/large", CopySourceRange=f"bytes={first}-{last}"
        )["CopyPartResult"]
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    with refused("InvalidRange", 416, modelled=False):
        s3.upload_part_copy(
            **at, PartNumber=4, CopySource=f"{bucket}/large", CopySourceRange="bytes=0-99999999"
        )
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    assert body_of(s3, bucket, "c") == whole


def test_a_copy_needs_the_right_to_get_and_to_put(node, iam, s3, bucket, name):
    for key in ("from/a", "secret/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    mine = user(
        node,
        iam,
        name,
        policy("s3:GetObject", resource=f"arn:aws:s3:::{bucket}/from/*"),
        policy("s3:PutObject", resource=f"arn:aws:s3:::{bucket}/to/*"),
    )("s3")
    mine.copy_object(Bucket=bucket, Key="to/a", CopySource=f"{bucket}/from/a")
    for source, key, action in (("secret/a", "to/b", "s3:GetObject"), ("from/a", "from/b", "s3:PutObject")):
        with refused("AccessDenied", 403, action):
            mine.copy_object(Bucket=bucket, Key=key, CopySource=f"{bucket}/{source}")
    assert keys_of(s3, bucket) == ["from/a", "secret/a", "to/a"]


# --- many at once ---


def test_many_are_deleted(s3, bucket):
    keys = [f"k/{n:03d} <&>" for n in range(120)]
    for key in keys[:40]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    s3.put_object(Bucket=bucket, Key="stays", Body=b"1")
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert [one["Key"] for one in done["Deleted"]] == keys
    assert keys_of(s3, bucket) == ["stays"]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "stays"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert keys_of(s3, bucket) == []


def test_each_is_deleted_by_its_own_right(node, iam, s3, bucket, name):
    for key in ("in/a", "out/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    mine = user(node, iam, name, policy("s3:DeleteObject", resource=f"arn:aws:s3:::{bucket}/in/*"))("s3")
    done = mine.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "in/a"}, {"Key": "out/a"}]})
    assert [one["Key"] for one in done["Deleted"]] == ["in/a"]
    [error] = done["Errors"]
    assert (error["Key"], error["Code"]) == ("out/a", "AccessDenied")
    assert keys_of(s3, bucket) == ["out/a"]


def test_what_is_wrong_with_a_deletion_of_many(node, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    with refused("MalformedXML", 400, "1 to 1000", modelled=False):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"{n}"} for n in range(1001)]})
    with refused("NotImplemented", 501, "VersionId", modelled=False):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": "1"}]})
    document = b"<Delete><Object><Key>k</Key></Object></Delete>"
    headers = {"x-amz-content-sha256": hashlib.sha256(document).hexdigest()}
    answer = call(node, "POST", f"/{bucket}?delete", document, service="s3", headers=headers)
    assert (answer.status, b"Content-MD5" in answer.body) == (400, True)
    assert keys_of(s3, bucket) == ["k"]


# --- the first version of listings ---


def test_the_first_version_of_a_listing(s3, bucket):
    keys = sorted(["a/1", "a/2", "b", "c/d/e", "c/f", "z+ %"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    found = s3.list_objects(Bucket=bucket)
    assert [item["Key"] for item in found["Contents"]] == keys
    assert (found["IsTruncated"], found["Marker"], "NextMarker" in found) == (False, "", False)
    assert found["Contents"][0]["Owner"]["ID"] == "000000000000"
    for size in (1, 2, 3):
        pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        assert [item["Key"] for page in pages for item in page["Contents"]] == keys
        told: list[str] = []
        for page in s3.get_paginator("list_objects").paginate(
            Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}
        ):
            told += [one["Prefix"] for one in page.get("CommonPrefixes", ())]
            told += [item["Key"] for item in page.get("Contents", ())]
        assert sorted(told) == ["a/", "b", "c/", "z+ %"]
    found = s3.list_objects(Bucket=bucket, Delimiter="/", Marker="a/1")
    assert [one["Prefix"] for one in found["CommonPrefixes"]] == ["c/"]
    assert [item["Key"] for item in s3.list_objects(Bucket=bucket, Marker="c/d/e")["Contents"]] == keys[4:]


# --- versions: there are none, so each object has the one that is called null ---


def test_versions_as_tools_empty_a_bucket_by_them(s3, bucket):
    keys = sorted(["a/1", "a/2", "b", "c/d/e", "z+ %"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    for size in (1, 2, 3, 10):
        paginator = s3.get_paginator("list_object_versions")
        pages = paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        found = [one for page in pages for one in page["Versions"]]
        assert [(one["Key"], one["VersionId"], one["IsLatest"]) for one in found] == [
            (key, "null", True) for key in keys
        ]
        told: list[str] = []
        for page in paginator.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}):
            told += [one["Prefix"] for one in page.get("CommonPrefixes", ())]
            told += [one["Key"] for one in page.get("Versions", ())]
        assert sorted(told) == ["a/", "b", "c/", "z+ %"]
    assert [one["Key"] for one in s3.list_object_versions(Bucket=bucket, Prefix="a/")["Versions"]] == keys[:2]
    assert s3.delete_object(Bucket=bucket, Key="b", VersionId="null")["VersionId"] == "null"
    with refused("NotImplemented", 501, "VersionId", modelled=False):
        s3.delete_object(Bucket=bucket, Key="a/1", VersionId="other")
    with refused("InvalidArgument", 400, "key marker", modelled=False):
        s3.list_object_versions(Bucket=bucket, VersionIdMarker="null")
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    doomed = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions]
    assert s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed})["Deleted"] == doomed
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


def test_versions_are_listed_and_deleted_by_rights_of_their_own(node, iam, s3, bucket, name):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    may = policy("s3:DeleteObject", "s3:ListBucket")
    mine = user(node, iam, name, may)("s3")
    with refused("AccessDenied", 403, "s3:ListBucketVersions"):
        mine.list_object_versions(Bucket=bucket)
    with refused("AccessDenied", 403, "s3:DeleteObjectVersion"):
        mine.delete_object(Bucket=bucket, Key="k", VersionId="null")
    doomed = {"Objects": [{"Key": "k", "VersionId": "null"}]}
    [error] = mine.delete_objects(Bucket=bucket, Delete=doomed)["Errors"]
    assert (error["Code"], error["VersionId"]) == ("AccessDenied", "null")
    assert keys_of(s3, bucket) == ["k"]


# --- uploads that nobody completes ---


def test_an_upload_that_nobody_completes_is_given_up(node, s3, bucket, turned):
    at = {"Bucket": bucket, "Key": "k"}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
    s3.upload_part(**at, PartNumber=1, Body=b"1")
    turned.set_clock(advanceSeconds=6 * 86400)
    s3.upload_part(**at, PartNumber=2, Body=b"2")
    turned.set_clock(advanceSeconds=86401)

    def gone():
        try:
            s3.list_parts(**at)
        except ClientError as error:
            return error.response["Error"]["Code"] == "NoSuchUpload"
        return False

    until(gone)
    if not any(setting.startswith("objects=") for setting in node.settings):
        folder = node.data / "objects" / "sekisho-parts+"
        until(lambda: not [one for one in folder.iterdir() if at["UploadId"] in json.dumps(one.name)])
