"""Certificates of things: attach, detach, and both directions of listing."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.services.call import Call
from sekisho.services.paging import links_from, links_to
from sekisho.services.targets import require_principal
from sekisho.services.work import Document, Link

KIND = "thing-principal"
EXCLUSIVE = "EXCLUSIVE_THING"
NON_EXCLUSIVE = "NON_EXCLUSIVE_THING"
PAGE = 250


async def attach_thing_principal(
    call: Call, thingName: str, principal: str, thingPrincipalType: str | None = None
) -> None:
    await call.require("thing", thingName)
    await require_principal(call, principal)
    wanted = thingPrincipalType or NON_EXCLUSIVE
    others = [link for link in await call.work.all_links_to(KIND, principal) if link.source != thingName]
    # Exclusive: that certificate has only that thing until it is detached (AWS IoT Developer Guide,
    # Associating a principal to a thing).
    exclusive = [link for link in others if _type(link) == EXCLUSIVE]
    if exclusive:
        raise InvalidRequestException(
            f"{principal} is attached exclusively to thing {exclusive[0].source}; detach it first"
        )
    if others and wanted == EXCLUSIVE:
        raise InvalidRequestException(
            f"{principal} is attached to thing {others[0].source}, so it cannot be exclusive to {thingName}"
        )
    call.work.link(KIND, thingName, principal, {"thingPrincipalType": wanted})


async def detach_thing_principal(call: Call, thingName: str, principal: str) -> None:
    await call.require("thing", thingName)
    await require_principal(call, principal)
    call.work.unlink(KIND, thingName, principal)


async def list_thing_principals(
    call: Call, thingName: str, nextToken: str | None = None, maxResults: int | None = None
) -> Document:
    links, token = await _principals(call, thingName, nextToken, maxResults)
    return {"principals": [link.target for link in links], "nextToken": token}


async def list_thing_principals_v2(
    call: Call,
    thingName: str,
    nextToken: str | None = None,
    maxResults: int | None = None,
    thingPrincipalType: str | None = None,
) -> Document:
    links, token = await _principals(call, thingName, nextToken, maxResults)
    objects = [{"principal": link.target, "thingPrincipalType": _type(link)} for link in links]
    return {"thingPrincipalObjects": _of_type(objects, thingPrincipalType), "nextToken": token}


async def list_principal_things(
    call: Call, principal: str, nextToken: str | None = None, maxResults: int | None = None
) -> Document:
    links, token = await _things(call, principal, nextToken, maxResults)
    return {"things": [link.source for link in links], "nextToken": token}


async def list_principal_things_v2(
    call: Call,
    principal: str,
    nextToken: str | None = None,
    maxResults: int | None = None,
    thingPrincipalType: str | None = None,
) -> Document:
    links, token = await _things(call, principal, nextToken, maxResults)
    objects = [{"thingName": link.source, "thingPrincipalType": _type(link)} for link in links]
    return {"principalThingObjects": _of_type(objects, thingPrincipalType), "nextToken": token}


async def _principals(
    call: Call, thing: str, token: str | None, most: int | None
) -> tuple[list[Link], str | None]:
    await call.require("thing", thing)
    return await links_from(call.work, KIND, thing, token, most or PAGE)


async def _things(
    call: Call, principal: str, token: str | None, most: int | None
) -> tuple[list[Link], str | None]:
    await require_principal(call, principal)
    return await links_to(call.work, KIND, principal, token, most or PAGE)


def _type(link: Link) -> str:
    return str(link.body.get("thingPrincipalType", NON_EXCLUSIVE))


def _of_type(objects: list[Document], wanted: str | None) -> list[Document]:
    return [item for item in objects if wanted is None or item["thingPrincipalType"] == wanted]
