"""The revocation list of the node's CA over HTTP (RFC 5280, 4.2.1.13; RFC 2585, 4: its media type)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from sekisho.services.revocations import RevocationLists

Endpoint = Callable[[Request], Awaitable[Response]]

SHORT = "ca"
"""What the list of the CA that issues is called, for who does not care which that is."""


PIECE = 65_536
"""Bytes of a list that are encrypted and sent at a time: it may have megabytes."""


async def _pieces(whole: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(whole), PIECE):
        yield whole[at : at + PIECE]
        await asyncio.sleep(0)  # others have their turn, however fast the client reads


def revocation_list(lists: RevocationLists) -> Endpoint:
    """``/_sekisho/crl/<id of the CA's certificate>.crl``, or ``ca.crl``: nobody has to say who he is."""

    async def get(request: Request) -> Response:
        name = request.path_params["name"]
        found = await lists.current(lists.newest if name == SHORT else name)
        if found is None:
            return PlainTextResponse("this node has no such CA\n", 404)
        headers = {"cache-control": "max-age=60", "content-length": str(len(found))}
        return StreamingResponse(_pieces(found), media_type="application/pkix-crl", headers=headers)

    return get
