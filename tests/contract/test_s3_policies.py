"""What policies allow at the node's S3: asked for each request, before anything of its body is read."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sekisho.clock import Clock
from sekisho.config import load_config
from sekisho.keyring import open_keyring
from sekisho.logic.certificate_issue import make_ca
from sekisho.logic.policy import NamedPolicy, PolicySet, parse_policy
from sekisho.objects.place import open_objects
from sekisho.services.access import AccessKey
from sekisho.services.call import ALLOW_ALL, Deps, Principal
from sekisho.services.principals import Principals
from sekisho.store.store import open_store
from sekisho.web.endpoint import AwsEndpoint
from sekisho.web.s3 import S3

ACCOUNT, OTHER = "000000000000", "111111111111"
HOST = "localhost:4566"

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::mine/in/*"},
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::mine/in/locked"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::mine"},
    ],
}


def principal(name: str, account: str, policies: PolicySet) -> AccessKey:
    return AccessKey(
        f"AKIA{name}", name * 8, Principal(f"arn:aws:iam::{account}:user/{name}", account, policies)
    )


LIMITED = principal(
    "LIMITED", ACCOUNT, PolicySet((NamedPolicy("limited", "1", parse_policy(json.dumps(POLICY))),))
)
ROOT = principal("ROOT", ACCOUNT, ALLOW_ALL)
STRANGER = principal("STRANGER", OTHER, ALLOW_ALL)


class Known(Principals):
    """Three callers whose keys are the test's own; how keys become principals is tried elsewhere."""

    async def find(self, id: str, token: str | None) -> AccessKey | None:
        return next((key for key in (LIMITED, ROOT, STRANGER) if key.id == id), None)


class Door:
    """The S3 of a node without its sockets."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder

    async def __aenter__(self) -> Door:
        self.store = await open_store(self._url)
        keyring = open_keyring(f"file:{self._folder}/keyring", lambda: make_ca("Test", time.time()))
        keys = Known(self.store, keyring, "us-east-1")
        self.clock = clock = Clock()
        self.objects = open_objects(f"file:{self._folder}/objects", "us-east-1", time.time)
        unused: Any = None
        deps = Deps(
            load_config(),
            self.store,
            clock,
            keyring,
            unused,
            unused,
            connections=unused,
            objects=self.objects,
        )
        endpoint = AwsEndpoint(unused, unused, keys, clock, ["us-east-1"])
        self.app = S3(endpoint, endpoint, deps)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.store.close()

    async def ask(self, who: AccessKey, method: str, path: str, body: bytes = b"") -> tuple[int, str, int]:
        """Status, the error's code, and how often the body was asked for."""
        path, _, query = path.partition("?")
        request = AWSRequest(method, f"http://{HOST}{path}?{query}", {"host": HOST}, body)
        S3SigV4Auth(Credentials(who.id, who.secret), "s3", "us-east-1").add_auth(request)
        headers = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
        headers += [(b"content-length", str(len(body)).encode()), (b"expect", b"100-continue")]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
        reads = 0
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            nonlocal reads
            reads += 1
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(event: Any) -> None:
            sent.append(event)

        await self.app(scope, receive, send)
        text = b"".join(event.get("body", b"") for event in sent).decode()
        code = text.partition("<Code>")[2].partition("</Code>")[0]
        return sent[0]["status"], code, reads


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("PUT", "/mine/in/a", 200),
        ("GET", "/mine/in/a", 200),
        ("HEAD", "/mine/in/a", 200),
        ("GET", "/mine?list-type=2", 200),
        ("POST", "/mine/in/a?uploads", 200),
        ("PUT", "/mine/in/locked", 403),
        ("PUT", "/mine/out/a", 403),
        ("PUT", "/mine/in", 403),
        ("POST", "/mine/out?uploads", 403),
        ("GET", "/mine/out/a", 403),
        ("GET", "/mine/no-such-key", 403),
        ("DELETE", "/mine/in/a", 403),
        ("DELETE", "/mine", 403),
        ("PUT", "/another", 403),
        ("GET", "/another?list-type=2", 403),
        ("GET", "/no-such-bucket/in/a", 403),
        ("GET", "/", 403),
    ],
)
def test_what_a_limited_user_may(
    database_url: str, tmp_path: Path, method: str, path: str, status: int
) -> None:
    async def run() -> None:
        async with Door(database_url, tmp_path) as door:
            assert await door.ask(ROOT, "PUT", "/mine") == (200, "", 1)
            assert await door.ask(ROOT, "PUT", "/mine/in/a", b"1") == (200, "", 1)
            body = b"1" if method == "PUT" else b""
            found, code, reads = await door.ask(LIMITED, method, path, body)
            assert (found, code) == (status, "AccessDenied" if status == 403 else "")
            outcomes = [
                (row["principal"], row["outcome"])
                for row in await door.store.fetch("SELECT principal, outcome FROM audit ORDER BY seq")
            ]
            if status == 403:
                assert reads == 0
                assert outcomes[-1] == (LIMITED.principal.arn, "AccessDenied")

    asyncio.run(run())


def test_a_bucket_is_its_accounts_alone(database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with Door(database_url, tmp_path) as door:
            assert (await door.ask(ROOT, "PUT", "/mine"))[0] == 200
            assert (await door.ask(ROOT, "PUT", "/mine/k", b"1"))[0] == 200
            assert await door.ask(STRANGER, "PUT", "/mine") == (409, "BucketAlreadyExists", 1)
            for method, path in (
                ("GET", "/mine/k"),
                ("PUT", "/mine/k"),
                ("DELETE", "/mine"),
                ("GET", "/mine?list-type=2"),
            ):
                assert (await door.ask(STRANGER, method, path))[:2] == (403, "AccessDenied")
            assert (await door.ask(ROOT, "GET", "/mine/k"))[0] == 200

    asyncio.run(run())
