"""A light HTTP client: signed requests made beforehand, written as bytes, and how long each took."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from registering import Server
from things import REGION


def signed(server: Server, method: str, path: str, members: dict[str, Any] | None = None) -> bytes:
    body = json.dumps(members).encode() if members is not None else b""
    url = f"http://127.0.0.1:{server.port}{path}"
    made = AWSRequest(method, url, data=body, headers={"content-type": "application/json"})
    SigV4Auth(server.credentials, "iot", REGION).add_auth(made)
    headers = "".join(f"{name}: {value}\r\n" for name, value in made.headers.items())
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """One HTTP connection, made anew where the server closes it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, message: bytes) -> bytes:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(message)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = await self.reader.readexactly(length)
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise SystemExit(f"bench: refused: {head.decode()}{body.decode()}")
        if b"connection: close" in head:
            self.writer.close()
            self.writer = None
        return body


async def replay(port: int, requests: Sequence[bytes], connections: int) -> list[float]:
    """The seconds of each, so many at a time."""
    found: list[float] = []

    async def one(mine: Sequence[bytes]) -> None:
        connection = Connection(port)
        for message in mine:
            began = time.perf_counter()
            await connection.ask(message)
            found.append(time.perf_counter() - began)

    await asyncio.gather(*(one(requests[start::connections]) for start in range(connections)))
    return found


class Spread(NamedTuple):
    middle: float
    p99: float
    most: float

    def __str__(self) -> str:
        return f"{self.middle:.1f} / {self.p99:.1f} / {self.most:.1f}"


def spread(seconds: Sequence[float]) -> Spread:
    """Milliseconds."""
    ordered = sorted(1000 * one for one in seconds)
    return Spread(statistics.median(ordered), ordered[int(len(ordered) * 0.99)], ordered[-1])


# --- what is measured ---
