"""Names that are taken: who makes what exists already is answered it, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from sekisho.aws.errors import ResourceAlreadyExistsException
from sekisho.services.call import Call
from sekisho.services.work import Document


def agrees(existing: Document, wanted: Mapping[str, Any]) -> bool:
    """Whether what exists has these members; None is one that is not there."""
    return all(existing.get(member) == value for member, value in wanted.items())


def repeats(existing: Document, client_token: str | None) -> bool:
    """Whether what exists was made by the very request that comes again."""
    return bool(client_token) and client_token == existing.get("clientToken")


def same_or_taken(existing: Document, same: bool, of: str, name: str, words: str) -> Document:
    """What exists, if it is what is asked for: to create it again succeeds (botocore, CreateThing and its
    like). Else as `refuse_taken`."""
    if not same:
        refuse_taken(existing, of, name, words)
    return existing


async def require_free(call: Call, kind: str, name: str, of: str, words: str) -> None:
    existing = await call.work.get(kind, name)
    if existing is not None:
        refuse_taken(existing, of, name, words)


def refuse_taken(existing: Document, of: str, name: str, words: str) -> NoReturn:
    """ResourceAlreadyExistsException. ``of`` is what its members begin with (``thing``: thingId, thingArn);
    what has no id is told by its name."""
    raise ResourceAlreadyExistsException(
        words, resourceId=existing.get(f"{of}Id", name), resourceArn=existing[f"{of}Arn"]
    )
