"""The node's own S3, by boto3 and by plain HTTP."""

from __future__ import annotations

import hashlib
import io
import os
import re
import urllib.error
import urllib.request
from typing import Any

import boto3.s3.transfer
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from api.making import refused
from api.raw import call, send, signed
from nodes import Node

ONE_TRY = {"total_max_attempts": 1}
V4 = Config(signature_version="s3v4", retries=ONE_TRY, s3={"addressing_style": "path"})


@pytest.fixture(scope="session", params=["https", "http"])
def s3(request: pytest.FixtureRequest, node: Node) -> Any:
    """Over HTTPS boto3 sends unsigned chunks with a trailer, over HTTP it signs the whole."""
    return node.client("s3", tls=request.param == "https", config=V4)


@pytest.fixture
def bucket(s3: Any, name: str) -> str:
    bucket = name.lower().replace("_", "-")
    s3.create_bucket(Bucket=bucket)
    return bucket


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_put_get_head_delete(s3, bucket):
    put = s3.put_object(
        Bucket=bucket, Key="a b/ü", Body=b"hello", ContentType="text/plain", Metadata={"made": "here"}
    )
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="a b/ü")
    assert got["Body"].read() == b"hello"
    assert (got["ContentType"], got["Metadata"], got["ETag"]) == ("text/plain", {"made": "here"}, put["ETag"])
    head = s3.head_object(Bucket=bucket, Key="a b/ü")
    assert (head["ContentLength"], head["LastModified"]) == (5, got["LastModified"])
    s3.delete_object(Bucket=bucket, Key="a b/ü")
    s3.delete_object(Bucket=bucket, Key="a b/ü")
    with refused("NoSuchKey", 404, "does not exist"):
        s3.get_object(Bucket=bucket, Key="a b/ü")
    with pytest.raises(ClientError) as caught:
        s3.head_object(Bucket=bucket, Key="a b/ü")
    assert code(caught) == ("404", 404)


def test_ranges_and_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")["ETag"]
    for asked, found, told in (
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ):
        got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
        assert (got["Body"].read(), got["ContentRange"]) == (found, told)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=4-2")["Body"].read() == b"0123456789"
    with refused("InvalidRange", 416, modelled=False):
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=10-")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    assert code(caught) == ("304", 304)
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"0123456789"
    with refused("PreconditionFailed", 412, modelled=False):
        s3.get_object(Bucket=bucket, Key="k", IfMatch='"other"')


def test_buckets(s3, bucket):
    assert bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    s3.create_bucket(Bucket=f"{bucket}-2")
    pages = s3.get_paginator("list_buckets").paginate(Prefix=bucket, PaginationConfig={"PageSize": 1})
    assert [[one["Name"] for one in page["Buckets"]] for page in pages] == [[bucket], [f"{bucket}-2"]]
    assert s3.create_bucket(Bucket=bucket)["Location"] == f"/{bucket}"
    assert s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with refused("BucketNotEmpty", 409, modelled=False):
        s3.delete_bucket(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket=bucket)
    with refused("NoSuchBucket", 404):
        s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    for wrong in ("UPPER", "ab", "a..b", "1.2.3.4", "sekisho-parts"):
        with refused("InvalidBucketName", 400, modelled=False):
            s3.create_bucket(Bucket=wrong)
    for own in ("sekisho-parts", "..", "%2e%2e"):
        with pytest.raises(ClientError):
            s3.list_objects_v2(Bucket=own) if own.startswith("s") else s3.head_bucket(Bucket="sekisho-parts")


def test_listing(s3, bucket):
    keys = sorted(["a/1", "a/2", "b", "c/d/e", "c/f", "z+ %"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    paged = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [item["Key"] for page in paged for item in page["Contents"]] == keys
    found = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [one["Prefix"] for one in found["CommonPrefixes"]] == ["a/", "c/"]
    assert [item["Key"] for item in found["Contents"]] == ["b", "z+ %"]
    found = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="c/")
    assert [one["Prefix"] for one in found["CommonPrefixes"]] == ["c/d/"]
    assert [(item["Key"], item["Size"]) for item in found["Contents"]] == [("c/f", 1)]
    told: list[str] = []
    for page in s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}
    ):
        told += [one["Prefix"] for one in page.get("CommonPrefixes", ())]
        told += [item["Key"] for item in page.get("Contents", ())]
    assert told == ["a/", "b", "c/", "z+ %"]
    found = s3.list_objects_v2(Bucket=bucket, StartAfter="c/d/e")
    assert [item["Key"] for item in found["Contents"]] == ["c/f", "z+ %"]
    with refused("InvalidArgument", 400, modelled=False):
        s3.list_objects_v2(Bucket=bucket, ContinuationToken="é")


def test_a_file_of_20_mb_in_parts(s3, bucket, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(os.urandom(20 << 20))
    transfer = boto3.s3.transfer.TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=6 << 20)
    s3.upload_file(str(path), bucket, "large", Config=transfer)
    head = s3.head_object(Bucket=bucket, Key="large")
    assert head["ContentLength"] == 20 << 20
    assert re.fullmatch(r'"[0-9a-f]{32}-4"', head["ETag"])
    back = tmp_path / "back"
    s3.download_file(bucket, "large", str(back), Config=transfer)
    assert back.read_bytes() == path.read_bytes()


def test_parts_one_by_one(s3, bucket):
    id = s3.create_multipart_upload(Bucket=bucket, Key="k", ContentType="text/x")["UploadId"]
    at = {"Bucket": bucket, "Key": "k", "UploadId": id}
    first = bytes(5 << 20)
    etags = {
        number: s3.upload_part(**at, PartNumber=number, Body=body)["ETag"]
        for number, body in ((7, b"end"), (1, first))
    }
    listed = s3.list_parts(**at)
    assert [(one["PartNumber"], one["Size"]) for one in listed["Parts"]] == [(1, 5 << 20), (7, 3)]
    page = s3.list_parts(**at, MaxParts=1)
    assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 1)

    def complete(*parts: tuple[int, str]) -> Any:
        chosen = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        return s3.complete_multipart_upload(**at, MultipartUpload={"Parts": chosen})

    with refused("InvalidPart", 400, modelled=False):
        complete((1, etags[7]))
    with refused("InvalidPartOrder", 400, modelled=False):
        complete((7, etags[7]), (1, etags[1]))
    s3.upload_part(**at, PartNumber=2, Body=b"small")
    with refused("EntityTooSmall", 400, modelled=False):
        complete((2, s3.list_parts(**at)["Parts"][1]["ETag"]), (7, etags[7]))
    complete((1, etags[1]), (7, etags[7]))
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ContentType"]) == (first + b"end", "text/x")
    with refused("NoSuchUpload", 404):
        s3.list_parts(**at)


def test_an_upload_that_is_aborted_leaves_nothing(s3, bucket):
    id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    at = {"Bucket": bucket, "Key": "k", "UploadId": id}
    s3.upload_part(**at, PartNumber=1, Body=b"1")
    s3.abort_multipart_upload(**at)
    with refused("NoSuchUpload", 404):
        s3.upload_part(**at, PartNumber=1, Body=b"1")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("version", ["s3v4", "s3"], ids=["v4", "v2"])
def test_presigned_urls_by_plain_http(node, bucket, s3, version):
    signer = node.client("s3", tls=False, config=Config(signature_version=version))
    url = signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "a+b c"}, ExpiresIn=60)
    request = urllib.request.Request(url, b"by hand", {"content-type": ""}, method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    url = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a+b c"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"by hand"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("b%20c", "bc"))
    assert caught.value.code == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in caught.value.read()


def test_a_presigned_url_ends(node, bucket):
    target = f"/{bucket}/k"
    answer = send(node, signed(node, "GET", target, service="s3", expires=5, ahead=-60))
    assert (answer.status, b"<Message>Request has expired</Message>" in answer.body) == (403, True)


CHECKSUMS = {
    "CRC32": "CRC32",
    "CRC32C": "CRC32C",
    "CRC64NVME": "CRC64NVME",
    "SHA1": "SHA1",
    "SHA256": "SHA256",
}


@pytest.mark.parametrize("algorithm", CHECKSUMS)
def test_checksums(s3, bucket, algorithm):
    body = os.urandom(200_000)
    put = s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(body), ChecksumAlgorithm=algorithm)
    assert put[f"Checksum{algorithm}"]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    with refused("BadDigest", 400, modelled=False):
        s3.put_object(
            Bucket=bucket, Key="k", Body=b"x", **{f"Checksum{algorithm}": put[f"Checksum{algorithm}"]}
        )
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_a_body_that_is_not_what_was_signed(node, bucket, s3):
    headers = {"x-amz-content-sha256": hashlib.sha256(b"signed").hexdigest()}
    request = signed(node, "PUT", f"/{bucket}/k", b"signed", service="s3", headers=headers)
    answer = send(node, request._replace(body=b"forged"))
    assert (answer.status, b"<Code>XAmzContentSHA256Mismatch</Code>" in answer.body) == (400, True)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize(
    "target, method, name",
    [
        ("?versioning", "GET", "versioning"),
        ("/k?acl", "GET", "acl"),
        ("?policy", "PUT", "policy"),
        ("/k?tagging", "PUT", "tagging"),
        ("?uploads", "GET", "uploads"),
    ],
)
def test_what_is_not_built_says_so_by_name(node, bucket, target, method, name):
    headers = {"x-amz-content-sha256": hashlib.sha256(b"").hexdigest()}
    answer = call(node, method, f"/{bucket}{target}", service="s3", headers=headers)
    assert answer.status == 501
    assert b"<Code>NotImplemented</Code>" in answer.body
    assert name.encode() in answer.body


def test_a_member_that_is_not_built_says_so_by_name(s3, bucket):
    with refused("NotImplemented", 501, "x-amz-", modelled=False):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", RequestPayer="requester", Tagging="a=b")
    with refused("NotImplemented", 501, "x-amz-server-side-encryption", modelled=False):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="AES256")


def test_who_is_nobody(node, bucket):
    stranger = node.client("s3", config=V4, aws_access_key_id="AKIANOBODY", aws_secret_access_key="x" * 40)
    with refused("InvalidAccessKeyId", 403, modelled=False):
        stranger.list_buckets()
    wrong = node.client("s3", config=V4, aws_secret_access_key="x" * 40)
    with refused("SignatureDoesNotMatch", 403, modelled=False):
        wrong.put_object(Bucket=bucket, Key="k", Body=b"1")


def test_buckets_are_audited(sql, s3, bucket):
    rows = sql(f"SELECT service, operation, outcome FROM audit WHERE resource = 'arn:aws:s3:::{bucket}'")
    assert ("s3", "CreateBucket", "Success") in rows
