"""Reading the fleet index, for the operations and for whoever else has a query (:func:`search`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from sekisho.aws.errors import (
    IndexNotReadyException,
    InvalidQueryException,
    ResourceNotFoundException,
    ThrottlingException,
)
from sekisho.logic.index_terms import THINGS, Term, document
from sekisho.logic.query import UNSPOKEN, Query, QueryError, fields
from sekisho.logic.query_parser import parse
from sekisho.logic.query_sql import Compiler
from sekisho.services.call import Call
from sekisho.services.indexer import BUILDING, CONFIGURATION, DELETING, indexes
from sekisho.services.turns import Turns
from sekisho.services.work import Document
from sekisho.store import index
from sekisho.store.index import Scope, fetch_any
from sekisho.store.statement import Row
from sekisho.store.store import Store
from sekisho.store.tables import fetch_one

VERSION = "2017-09-30"
"""The one version of the query language (AWS IoT Developer Guide, Query syntax)."""
PAGE = 100
"""Most results of a page, and how many there are unless told (botocore, SearchIndex, maxResults)."""
SECONDS = 20.0
"""How long a query may take from its turn on; then it is ended in the database."""


SEARCHES, AGGREGATIONS = "searches", "aggregations"


class IndexReads:
    """Long reads, a few at a time, the accounts in turn: however long they take, other reads find a
    connection to the database."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.turns = Turns((SEARCHES, AGGREGATIONS))

    async def search(self, account: str, sql: str, params: Mapping[str, Any]) -> list[Row]:
        async with self._turn(SEARCHES, account):
            return await self.store.fetch(sql, params)

    async def aggregate(self, account: str, sql: str, params: Mapping[str, Any]) -> list[Row]:
        async with self.long(account):
            return await self.store.fetch(sql, params)

    @asynccontextmanager
    async def long(self, account: str) -> AsyncIterator[None]:
        """For reads that look through many rows of another table: in turn with the aggregations."""
        async with self._turn(AGGREGATIONS, account):
            yield

    @asynccontextmanager
    async def _turn(self, line: str, account: str) -> AsyncIterator[None]:
        async with self.turns.take(line, account):
            try:
                async with asyncio.timeout(SECONDS):
                    yield
            except TimeoutError:
                words = f"the query took longer than {SECONDS:.0f} s"
                raise ThrottlingException(
                    f"{words}; ask for something rarer, or for less at a time"
                ) from None


class Prepared(NamedTuple):
    """A query for one index: its SQL in pieces, and how many documents each of its terms has."""

    compiler: Compiler
    counts: Mapping[int, int]
    numbers: Mapping[str, int]
    """Of the fields that were asked for."""
    scope: Scope


def parsed(text: str, version: str | None = None) -> Query:
    """:raises InvalidQueryException: saying what is wrong, and where"""
    if version is not None and version != VERSION:
        raise InvalidQueryException(f"queryVersion {version}: there is {VERSION}")
    try:
        return parse(text)
    except QueryError as error:
        raise InvalidQueryException(f"Invalid query: {error}") from None


async def require_index(call: Call, name: str | None) -> Scope:
    """An index that can be asked: one that the configuration has, and that has been built."""
    name = name or THINGS
    configuration = await call.work.get(CONFIGURATION, "") or {}
    if name not in indexes(configuration):
        raise ResourceNotFoundException(f"Index {name} does not exist")
    row = await fetch_one(call.deps.store, index.read_scope(call.account, call.region, name))
    if row is None or row["status"] in (BUILDING, DELETING):
        raise IndexNotReadyException(f"Index {name} is being built")
    return Scope(**row)


async def prepare(reads: IndexReads, scope: Scope, query: Query, *more: str) -> Prepared:
    """``more`` are fields whose numbers are wanted as well."""
    names = sorted({*fields(query), *UNSPOKEN, *more})
    rows = await fetch_any(reads.store, index.FIELDS, "name", names, {"scope": scope.id})
    numbers = {row["name"]: row["id"] for row in rows}
    compiler = Compiler(query, scope.id, numbers)
    counts = await reads.search(scope.account, *compiler.counting())
    return Prepared(compiler, {row["leaf"]: row["n"] for row in counts}, numbers, scope)


async def found(reads: IndexReads, prepared: Prepared, after: int, limit: int) -> list[int]:
    """Up to ``limit`` numbers of documents that match, beyond ``after``, in their order."""
    chosen = prepared.compiler.select(prepared.counts, after=True)
    where = f" WHERE {chosen.condition}" if chosen.condition else ""
    sql = f"SELECT d.id AS id FROM ({chosen.driver}) d{where} ORDER BY d.id LIMIT :limit"  # noqa: S608
    rows = await reads.search(prepared.scope.account, sql, {**chosen.params, "after": after, "limit": limit})
    return [row["id"] for row in rows]


async def documents(reads: IndexReads, ids: Sequence[int]) -> list[Document]:
    """ThingDocuments or ThingGroupDocuments, as they are in the index, in the order of their numbers."""
    terms: dict[int, list[Term]] = {id: [] for id in ids}
    for row in await fetch_any(reads.store, index.TERMS, "document", ids):
        terms[row["document"]].append(Term(row["field"], row["value"], row["number"], row["shown"]))
    return [document(some) for some in terms.values() if some]  # one may have gone since


async def search(reads: IndexReads, account: str, region: str, name: str, query: Query) -> AsyncIterator[str]:
    """The names of all things or groups that match, as the index has them; nothing where there is none."""
    row = await fetch_one(reads.store, index.read_scope(account, region, name))
    if row is None:
        return
    prepared = await prepare(reads, Scope(**row), query)
    member = "thingName" if name == THINGS else "thingGroupName"
    after = 0
    while ids := await found(reads, prepared, after, PAGE):
        for one in await documents(reads, ids):
            yield one[member]
        after = ids[-1]
