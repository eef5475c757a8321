"""Objects and kill -9: what was acknowledged is there, and nothing is there by half."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from nodes import running

WRITERS = 4
ENOUGH = 60
BUCKET = "killed"


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    begun: dict[str, list[str]] = {}
    enough = threading.Event()

    with running(tmp_path / "node") as node:
        node.client("s3").create_bucket(Bucket=BUCKET)

        def write(writer: int) -> None:
            s3 = node.client("s3", tls=False)
            for turn in range(10_000):
                # Each key is written twice, so that a kill can meet an overwrite.
                key = f"{writer}/{turn // 2}"
                body = os.urandom(300_000)
                digest = hashlib.md5(body).hexdigest()
                begun.setdefault(key, []).append(digest)
                try:
                    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
                except (BotoCoreError, ClientError):
                    return
                acknowledged[key] = digest
                if len(acknowledged) >= ENOUGH:
                    enough.set()

        writers = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        assert enough.wait(60)
        node.kill()
        for writer in writers:
            writer.join(60)
        node.start()
        s3 = node.client("s3")
        found = {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page["Contents"]:
                body = s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
                found[item["Key"]] = hashlib.md5(body).hexdigest()
                assert (len(body), item["ETag"]) == (300_000, f'"{found[item["Key"]]}"')
    assert acknowledged.keys() <= found.keys() <= begun.keys()
    for key, digest in found.items():
        assert digest in begun[key]
    for key, digest in acknowledged.items():
        # What came after it may have happened, too, without a word of it; what was before has not come back.
        assert found[key] in begun[key][begun[key].index(digest) :]


def test_memory_does_not_follow_the_size_of_an_object(tmp_path: Path) -> None:
    size, allowance = 200 << 20, 48 << 20

    def peak() -> int:
        status = Path(f"/proc/{node.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10

    with running(tmp_path / "node") as node:
        s3 = node.client("s3", tls=False, config=Config(request_checksum_calculation="when_required"))
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="small", Body=bytes(1 << 20))
        s3.get_object(Bucket=BUCKET, Key="small")["Body"].read()
        before = peak()
        path = tmp_path / "large"
        with path.open("wb") as file:
            file.truncate(size)
        with path.open("rb") as file:
            s3.put_object(Bucket=BUCKET, Key="large", Body=file)
        # A reader that is slow: the node must wait for it, not read ahead.
        body = s3.get_object(Bucket=BUCKET, Key="large")["Body"]
        read = 0
        while chunk := body.read(1 << 20):
            read += len(chunk)
            if read <= 20 << 20:
                time.sleep(0.01)
        assert read == size
        assert peak() - before < allowance
