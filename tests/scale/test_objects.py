"""Objects and kill -9: what was acknowledged is there, and nothing is there by half."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

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
