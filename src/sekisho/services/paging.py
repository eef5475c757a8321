"""Page tokens: opaque to the caller, a key of the listing to us."""

from __future__ import annotations

import base64
import binascii

from sekisho.aws.errors import InvalidRequestException
from sekisho.services.work import Document, Link, Work

DEFAULT_PAGE = 25
"""ListCertificates and its family answer 25 at a time unless told (botocore, PageSize)."""


def token(key: str) -> str | None:
    return base64.b64encode(key.encode()).decode() if key else None


def key(token: str | None) -> str:
    if not token:
        return ""
    try:
        text = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):
        text = "\0"
    if "\0" in text:  # no key has it, and no database takes it
        raise InvalidRequestException("the page token is not one that this operation gave")
    return text


def created_key(given: str | None) -> str:
    """The key of a listing by time of creation: ``<seconds> <id>``."""
    text = key(given)
    try:
        if text:
            float(text.partition(" ")[0])
    except ValueError:
        raise InvalidRequestException("the page token is not one that this operation gave") from None
    return text


async def links_to(
    work: Work, kind: str, target: str, after: str | None, limit: int
) -> tuple[list[Link], str | None]:
    """The links to something behind a page token, by their sources, and the token of the next page."""
    links = await work.links_to(kind, target, after=key(after), limit=limit + 1)
    return links[:limit], token(links[limit - 1].source) if len(links) > limit else None


async def links_from(
    work: Work, kind: str, source: str, after: str | None, limit: int
) -> tuple[list[Link], str | None]:
    """The same of the links from something, by their targets."""
    links = await work.links_from(kind, source, after=key(after), limit=limit + 1)
    return links[:limit], token(links[limit - 1].target) if len(links) > limit else None


async def by_age(
    work: Work, kind: str, after: str | None, size: int | None, ascending: bool | None
) -> tuple[list[tuple[str, Document]], str]:
    """A page of all of a kind, the newest first unless told, and the key of the next page."""
    limit = size or DEFAULT_PAGE
    return await work.page(kind, created_key(after), limit, by_created=True, ascending=bool(ascending))


def page_of(items: list[Document], next_key: str, member: str, token_name: str) -> Document:
    return {member: items, token_name: token(next_key)}


def path_key(given: str | None, deepest: int) -> tuple[tuple[str, ...], str]:
    """The key of a listing through a tree: the names on the way to a node, and the last item of it."""
    path, _, last = key(given).partition(" ")
    names = tuple(path.split("/")) if path else ()
    if len(names) > deepest or not all(names):
        raise InvalidRequestException("the page token is not one that this operation gave")
    return names, last


def before(prefix: str) -> str:
    """A key beyond which the first that begins with ``prefix`` is to be looked for, among names of ASCII."""
    return prefix[:-1] + chr(ord(prefix[-1]) - 1) + "\x7f" if prefix else ""
