"""SearchIndex."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.index_terms import GROUPS, THINGS
from sekisho.services.call import Call
from sekisho.services.index_reads import (
    PAGE,
    IndexReads,
    documents,
    found,
    parsed,
    prepare,
    require_index,
)
from sekisho.services.paging import key, token
from sekisho.services.work import Document


def _after(given: str | None) -> int:
    text = key(given)
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidRequestException("the page token is not one that this operation gave")
    return int(text or 0)


async def search_index(
    call: Call,
    queryString: str,
    indexName: str | None = None,
    nextToken: str | None = None,
    maxResults: int | None = None,
    queryVersion: str | None = None,
) -> Document:
    query = parsed(queryString, queryVersion)
    limit = PAGE if maxResults is None else maxResults
    if limit > PAGE:
        raise InvalidRequestException(f"maxResults {limit}: at most {PAGE}")
    after = _after(nextToken)
    scope = await require_index(call, indexName)
    reads: IndexReads = call.deps.index
    ids = await found(reads, await prepare(reads, scope, query), after, limit + 1)
    more = str(ids[limit - 1]) if len(ids) > limit else ""
    member = {THINGS: "things", GROUPS: "thingGroups"}[scope.name]
    return {member: await documents(reads, ids[:limit]), "nextToken": token(more)}
