"""Objects: one body of tests for the folder and for an S3 endpoint, which is the S3 of another node."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes import Node, running
from sekisho.cli.commands import read_credentials
from sekisho.objects.base import NoSuchObject, ObjectChanged, Objects, ObjectsError
from sekisho.objects.endpoint import PART
from sekisho.objects.folder import PIECE, FolderObjects, encoded
from sekisho.objects.place import open_objects

BUCKETS = itertools.count(1)
HEADERS = {"content-type": "text/plain", "x-amz-meta-line": "7"}

ODD_KEYS = [
    "plain",
    "with/slashes/",
    "/",
    "..",
    "../../escape",
    ".",
    "a b+c%2F=~*'()",
    "日本語/設定.json",
    "x" * 1024,
    "é" * 512,
    "y" * PIECE,
    "y" * (PIECE + 1),
]


@pytest.fixture(scope="module")
def other_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("other") / "node") as node:
        yield node


Body = Callable[[Callable[[Objects], Coroutine[Any, Any, None]]], None]


@pytest.fixture(scope="module", params=["folder", "endpoint"])
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Objects]:
    if request.param == "folder":
        yield open_objects(f"file:{tmp_path_factory.mktemp('objects')}", "us-east-1", time.time)
        return
    node: Node = request.getfixturevalue("other_node")
    key, secret = read_credentials(node.data)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", key)
        environment.setenv("AWS_SECRET_ACCESS_KEY", secret)
        environment.setenv("AWS_CA_BUNDLE", node.ca)
        yield open_objects(f"s3:https://{node.endpoints['https']}", "us-east-1", time.time)


@pytest.fixture
def bucket() -> str:
    return f"contract-{next(BUCKETS)}"


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(objects: Objects, bucket: str, key: str, *which: int) -> bytes:
    opened = await objects.open(bucket, key)
    try:
        return b"".join([chunk async for chunk in opened.read(*which)])
    finally:
        await opened.close()


def test_what_is_put_is_there_whole_and_in_ranges(objects: Objects, bucket: str) -> None:
    async def body() -> None:
        put = await objects.put(bucket, "a", stream(b"01234", b"", b"56789"), HEADERS)
        assert (put.key, put.size) == ("a", 10)
        assert put.etag == hashlib.md5(b"0123456789").hexdigest()
        assert await objects.head(bucket, "a") == put
        assert dict(put.headers) == HEADERS
        assert await read(objects, bucket, "a") == b"0123456789"
        assert await read(objects, bucket, "a", 3, 4) == b"3456"
        assert await read(objects, bucket, "a", 8, 100) == b"89"
        assert await read(objects, bucket, "a", 10) == b""
        assert await read(objects, bucket, "a", 2, 0) == b""

    asyncio.run(body())


def test_nothing_at_all_is_an_object_too(objects: Objects, bucket: str) -> None:
    async def body() -> None:
        assert (await objects.put(bucket, "empty", stream(), {})).size == 0
        assert await read(objects, bucket, "empty") == b""

    asyncio.run(body())


def test_a_large_one_in_many_chunks(objects: Objects, bucket: str) -> None:
    chunk = os.urandom(1 << 20)
    count = (2 * PART >> 20) + 3

    async def body() -> None:
        info = await objects.put(bucket, "large", stream(*[chunk] * count), HEADERS)
        assert info.size == count << 20
        assert dict(info.headers) == HEADERS
        assert await read(objects, bucket, "large", (count - 1) << 20) == chunk
        assert hashlib.sha256(await read(objects, bucket, "large")).digest() == (
            hashlib.sha256(chunk * count).digest()
        )

    asyncio.run(body())


def test_what_is_not_there(objects: Objects, bucket: str) -> None:
    async def body() -> None:
        assert await objects.list(bucket, "", "", 10) == []
        assert await objects.head(bucket, "nothing") is None
        with pytest.raises(NoSuchObject):
            await objects.open(bucket, "nothing")
        await objects.delete(bucket, "nothing")
        await objects.put(bucket, "something", stream(b"1"), {})
        await objects.delete(bucket, "something")
        assert await objects.head(bucket, "something") is None

    asyncio.run(body())


def test_a_stream_that_breaks_changes_nothing(objects: Objects, bucket: str) -> None:
    async def broken(size: int) -> AsyncIterator[bytes]:
        for _ in range(size):
            yield bytes(1 << 20)
        raise ValueError("the sender has gone")

    async def body() -> None:
        await objects.put(bucket, "kept", stream(b"old"), {})
        for size in (1, (PART >> 20) + 1):
            with pytest.raises(ValueError):
                await objects.put(bucket, "kept", broken(size), {})
        assert await read(objects, bucket, "kept") == b"old"
        assert [info.key for info in await objects.list(bucket, "", "", 10)] == ["kept"]

    asyncio.run(body())


def test_a_reader_has_one_version(objects: Objects, bucket: str) -> None:
    async def body() -> None:
        await objects.put(bucket, "a", stream(b"old"), {})
        opened = await objects.open(bucket, "a")
        await objects.put(bucket, "a", stream(b"new"), {})
        try:
            found = b"".join([chunk async for chunk in opened.read()])
        except ObjectChanged:
            found = b"old"
        await opened.close()
        assert found == b"old"
        assert await read(objects, bucket, "a") == b"new"

    asyncio.run(body())


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_any_key(objects: Objects, bucket: str, key: str) -> None:
    async def body() -> None:
        await objects.put(bucket, key, stream(key.encode()), {})
        assert await read(objects, bucket, key) == key.encode()
        assert [info.key for info in await objects.list(bucket, "", "", 10)] == [key]
        await objects.delete(bucket, key)
        assert await objects.list(bucket, "", "", 10) == []

    asyncio.run(body())


@pytest.mark.parametrize("key", ["", "a" * 1025, "\0", "\ud800"])
def test_no_key(objects: Objects, bucket: str, key: str) -> None:
    async def body() -> None:
        with pytest.raises(ObjectsError, match="key"):
            await objects.put(bucket, key, stream(b"1"), {})

    asyncio.run(body())


def test_a_listing_is_in_the_order_of_bytes(objects: Objects, bucket: str) -> None:
    keys = ["B", "a", "a/", "a/1", "a/2", "a0", "é", "z" * 300, "\U0001f600", "\uffff"]

    async def body() -> None:
        for key in reversed(keys):
            await objects.put(bucket, key, stream(b"1"), HEADERS)
        ordered = sorted(keys, key=str.encode)
        found = await objects.list(bucket, "", "", 1000)
        assert [info.key for info in found] == ordered
        assert [info.size for info in found] == [1] * len(keys)
        assert [info.key for info in await objects.list(bucket, "a/", "", 1000)] == ["a/", "a/1", "a/2"]
        assert [info.key for info in await objects.list(bucket, "a", "a/1", 2)] == ["a/2", "a0"]
        after, paged = "", []
        while page := await objects.list(bucket, "", after, 3):
            paged += [info.key for info in page]
            after = page[-1].key
        assert paged == ordered

    asyncio.run(body())


def test_no_name_leaves_the_folder(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "in" / "side", time.time)

    async def body() -> None:
        for bucket in ("..", "../..", ".drafts", "/etc", "a/../../b"):
            for key in ODD_KEYS:
                await objects.put(bucket, key, stream(b"1"), {})

    asyncio.run(body())
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["side"]
    assert list((tmp_path / "in" / "side" / ".drafts").iterdir()) == []
    for key in ODD_KEYS:
        assert all(len(name) < 255 and "/" not in name and name[0] != "." for name in encoded(key))


def test_a_place_that_is_none() -> None:
    for url in (
        "",
        "file:",
        "s3:",
        "s3:ftp://host",
        "s3:https://host/path",
        "s3:https://k:s3cret@host",
        "s3:https://k:s3cret@host/path",
        "s3:ftp://k:s3cret@host",
        "https://k:s3cret@host",
        "x:y",
    ):
        with pytest.raises(ObjectsError) as caught:
            open_objects(url, "us-east-1", time.time)
        assert str(caught.value).startswith("objects")
        assert "s3cret" not in str(caught.value)
