"""Follows the change feed into the fleet index: written behind, in sorted batches, each with its own place
in the feed, so that a node that dies goes on where the last commit was.

One node at a time does it: each commit proves that nobody else has made one (``index_progress.turn``), and
has the next ones to itself for a few seconds. Building an index, or building it anew, is the same step over
all names, between the batches of the feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
import structlog

from sekisho.logic.index_terms import GROUPS, THINGS, Term
from sekisho.logic.query import UNSPOKEN
from sekisho.services.index_documents import KINDS, concerns, load, touched
from sekisho.store import index, memberships, tables
from sekisho.store.feed import FellBehind, read_tail
from sekisho.store.index import Progress, Scope, TermRow, fetch_any
from sekisho.store.statement import Conflict, Row, Statement, Unavailable
from sekisho.store.store import Store

CONFIGURATION = "indexingconfiguration"
BUILDING, REBUILDING, ACTIVE, DELETING = "BUILDING", "REBUILDING", "ACTIVE", "DELETING"

BATCH = 250
FOLLOWED = 100
"""Documents of a commit while an index is built, and changes of one that follows the feed: few enough that
nobody waits long for the writer."""
HELD = 3.0
"""Seconds after a commit for which no other node makes the next."""
GATHER = 0.2
"""Seconds that changes gather before they are looked at, since one commit of many costs less than many."""
LOOK = 1.0
AHEAD = 5000
"""Changes that concern no index and are passed over before the place in the feed is written all the same."""
CACHED = 50_000
"""Numbers of fields that are kept in memory."""

log = structlog.get_logger("sekisho.index")


Key = tuple[str, str]
Content = tuple[float | None, str | None]


class _Batch:
    """What one commit writes; ``after`` is what the progress will be."""

    def __init__(self, before: Progress, owner: str, now: float) -> None:
        self.before = before
        self.after = before._replace(owner=owner, until=now + HELD)
        self.now = now
        self.first: list[Statement] = []
        self.old: list[tuple[int, str, int]] = []
        self.new: list[TermRow] = []
        self.last: list[Statement] = []
        """What rests on the documents that the batch has."""

    def take(self, name: str, count: int) -> int:
        """The first of ``count`` new numbers."""
        first: int = getattr(self.after, name)
        self.after = Progress(**{**self.after._asdict(), name: first + count})
        return first

    @property
    def empty(self) -> bool:
        return not (self.first or self.old or self.new)

    def statements(self) -> list[Statement]:
        self.old.sort()
        self.new.sort()  # no two rows are equal in what the index is ordered by
        guard = index.advance(self.before, self.after, self.now)
        terms = [*index.delete_some_terms(self.old), *index.insert_terms(self.new)]
        return [guard, *self.first, *terms, *self.last]


class Indexer:
    """``real`` is the clock that cannot be turned, ``places`` all accounts and regions."""

    def __init__(
        self,
        store: Store,
        real: Callable[[], float],
        owner: str,
        places: Callable[[], Iterable[tuple[str, str]]],
    ) -> None:
        self.changed: Callable[[], None] | None = None
        """Told when documents have changed; a commit of the index rings no other bell."""
        self._store = store
        self._real = real
        self._owner = owner
        self._places = places
        self._bell = asyncio.Event()
        self._configured = False
        self._seen = 0
        self._turn = -1
        self._own: Progress | None = None
        """How far the index is since this node's last commit; nobody else makes one until it is over."""
        self._scopes: list[Scope] = []
        self._fields: dict[tuple[int, str], int] = {}

    def ring(self) -> None:
        """Look at the feed now."""
        self._bell.set()

    def reconfigure(self) -> None:
        """A configuration of a place has changed."""
        self._configured = False
        self._bell.set()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            self._bell.clear()
            worked = False
            try:
                worked = await self._step()
                failures = 0
            except Conflict:
                self._forget()  # another node was there first, or a configuration has changed
                self._configured = False
            except Unavailable as error:
                self._forget()
                log.warning("the index cannot be written now", error=str(error))
            except Exception:
                self._forget()
                failures += 1
                log.exception("the index was not written")
                await asyncio.sleep(min(LOOK * 2**failures, 60.0))
            if not worked:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK):
                await self._bell.wait()
        except TimeoutError:
            return
        await asyncio.sleep(GATHER)

    async def _step(self) -> bool:
        """One commit, or nothing to do; whether to go on at once."""
        progress = self._own
        if progress is None or progress.until <= self._real():
            (row,) = await self._store.fetch(*index.read_progress())
            progress = Progress(**row)
        if progress.turn != self._turn:
            self._turn = progress.turn
            self._fields.clear()
            self._scopes = [Scope(**row) for row in await self._store.fetch(*index.read_scopes())]
        if progress.owner != self._owner and progress.until > self._real():
            return False
        if not self._configured:
            self._configured = True  # first: what changes meanwhile is looked at once more
            try:
                if await self._configure(progress):
                    return True
            except BaseException:
                self._configured = False
                raise
        if not self._scopes:
            return False
        if await self._follow(progress):
            return True
        return await self._build(progress)

    def _forget(self) -> None:
        """Read everything anew."""
        self._turn, self._own = -1, None

    async def _commit(self, batch: _Batch) -> None:
        self._own = None
        await self._store.commit(batch.statements())
        self._turn = batch.before.turn + 1
        self._own = batch.after._replace(turn=self._turn)
        self._seen = max(self._seen, batch.after.seq)
        if batch.last and self.changed is not None:
            self.changed()

    def _batch(self, progress: Progress) -> _Batch:
        return _Batch(progress, self._owner, self._real())

    # --- what there is to be -------------------------------------------------------------------------------

    async def _configure(self, progress: Progress) -> bool:
        """Make the scopes what the configurations say; whether there was anything to do.

        The commit proves that they say so still: what was turned off and on again meanwhile keeps its index.
        """
        wanted: dict[tuple[str, str, str], int] = {}
        proofs: list[Statement] = []
        for account, region in self._places():
            row = (account, region, CONFIGURATION, "")
            found = await self._store.fetch(*tables.get_resource(*row))
            if found:
                body, version = orjson.loads(found[0]["body"]), found[0]["version"]
                proofs.append(tables.guard_version(account, region, CONFIGURATION, "", version))
                for name, connectivity in indexes(body).items():
                    wanted[account, region, name] = connectivity
        there = {(scope.account, scope.region, scope.name): scope for scope in self._scopes}
        batch = self._batch(progress)
        for key, scope in there.items():
            if key not in wanted and scope.status != DELETING:
                batch.first.append(index.update_scope(scope._replace(status=DELETING, connectivity=0)))
            elif key in wanted and scope.status == DELETING:
                anew = scope._replace(status=BUILDING, connectivity=wanted[key], place="")
                batch.first.append(index.update_scope(anew))
            elif key in wanted and scope.connectivity != wanted[key]:
                status = BUILDING if scope.status == BUILDING else REBUILDING
                anew = scope._replace(status=status, connectivity=wanted[key], place="")
                batch.first.append(index.update_scope(anew))
        for key in wanted.keys() - there.keys():
            scope = Scope(batch.take("scopes", 1), *key, BUILDING, wanted[key], "")
            batch.first.append(index.insert_scope(scope))
        if batch.empty:
            return False
        batch.first.extend(proofs)
        if not self._scopes:
            await self._from_now(batch)
        await self._commit(batch)
        self._forget()
        return True

    async def _from_now(self, batch: _Batch) -> None:
        """What is built from now on has all that came before."""
        (row,) = await self._store.fetch(*tables.last_change())
        batch.after = batch.after._replace(seq=row["seq"])

    # --- the feed -------------------------------------------------------------------------------------------

    async def _follow(self, progress: Progress) -> bool:
        seq = max(progress.seq, self._seen)
        try:
            changes = await read_tail(self._store, seq, FOLLOWED)
        except FellBehind:
            log.warning("the index is behind what is left of the change feed and is built anew", seq=seq)
            await self._begin_anew(progress)
            return True
        if not changes:
            return False
        names: dict[Scope, set[str]] = {}
        for change in changes:
            found = touched(change)
            if found is None:
                continue
            for scope in self._scopes:
                place = (scope.account, scope.region, scope.name)
                if place == (change.account, change.region, found[0]) and concerns(scope, change):
                    names.setdefault(scope, set()).add(found[1])
        batch = self._batch(progress)
        batch.after = batch.after._replace(seq=changes[-1].seq)
        for scope, some in names.items():
            if scope.status != DELETING:
                await self._index(batch, scope, sorted(some))
        if not batch.empty or changes[-1].seq - progress.seq > AHEAD:
            await self._commit(batch)
        self._seen = changes[-1].seq
        # Unless there are more, the next ones gather first; an index that is being built goes on at once.
        return len(changes) == FOLLOWED or any(scope.status != ACTIVE for scope in self._scopes)

    async def _begin_anew(self, progress: Progress) -> None:
        batch = self._batch(progress)
        await self._from_now(batch)
        for scope in self._scopes:
            if scope.status != DELETING:
                status = BUILDING if scope.status == BUILDING else REBUILDING
                batch.first.append(index.update_scope(scope._replace(status=status, place="")))
        await self._commit(batch)
        self._forget()

    # --- building -------------------------------------------------------------------------------------------

    async def _build(self, progress: Progress) -> bool:
        """One batch of one index that is not as it should be."""
        for scope in self._scopes:
            if scope.status != ACTIVE:
                began = self._real()
                await (self._delete if scope.status == DELETING else self._walk)(progress, scope)
                await asyncio.sleep(max(0.0, self._real() - began) / 4)  # others want to write as well
                return True
        return False

    async def _walk(self, progress: Progress, scope: Scope) -> None:
        """The next names: of what there is to index, and of what is in the index."""
        kind, batch = KINDS[scope.name], self._batch(progress)
        query = index.names_after(scope.account, scope.region, kind, scope.place, BATCH)
        sources = [row["id"] for row in await self._store.fetch(*query)]
        indexed = await self._store.fetch(*index.documents_after(scope.id, scope.place, BATCH))
        names = sorted({*sources, *(row["name"] for row in indexed)})[:BATCH]
        if names:
            await self._index(batch, scope, names)
            anew = scope._replace(place=names[-1])
        else:
            anew = scope._replace(status=ACTIVE, place="")
            log.info("index built", account=scope.account, region=scope.region, index=scope.name)
        batch.first.append(index.update_scope(anew))
        await self._commit(batch)
        self._scopes[self._scopes.index(scope)] = anew

    async def _delete(self, progress: Progress, scope: Scope) -> None:
        batch = self._batch(progress)
        rows = await self._store.fetch(*index.documents_after(scope.id, "", BATCH))
        if rows:
            batch.first += index.delete_documents(scope.id, {row["name"]: row["id"] for row in rows})
        else:
            batch.first += index.delete_scope(scope.id)
        await self._commit(batch)
        if not rows:
            self._forget()

    # --- documents ------------------------------------------------------------------------------------------

    async def _index(self, batch: _Batch, scope: Scope, names: Sequence[str]) -> None:
        """Bring these documents up to date."""
        store = self._store
        # Nobody but this node changes documents now.
        sources, rows = await asyncio.gather(
            load(store, scope, names), fetch_any(store, index.DOCUMENTS, "name", names, {"scope": scope.id})
        )
        known: dict[str, int] = {row["name"]: row["id"] for row in rows}
        before: dict[int, list[Row]] = {id: [] for id in known.values()}
        for row in await fetch_any(store, index.TERMS, "document", list(known.values())):
            before[row["document"]].append(row)
        new = [name for name in names if name in sources and name not in known]
        gone = {name: id for name, id in known.items() if name not in sources}
        first = batch.take("documents", len(new))
        numbers = known | {name: first + place for place, name in enumerate(new)}
        fields = await self._numbers(batch, scope, {one.field for terms in sources.values() for one in terms})
        if gone:
            batch.first += index.delete_documents(scope.id, gone)
        batch.first += index.insert_documents(scope.id, {name: numbers[name] for name in new})
        changed = [
            name
            for name, terms in sources.items()
            if self._difference(batch, numbers[name], before.get(numbers[name], ()), terms, fields)
        ]
        if scope.name == THINGS:
            batch.last += memberships.note_due(batch.after.turn + 1, scope.id, changed)

    @staticmethod
    def _difference(
        batch: _Batch, document: int, before: Sequence[Row], after: Sequence[Term], fields: Mapping[str, int]
    ) -> bool:
        """Whether there is any."""
        was = len(batch.old), len(batch.new)
        old: dict[Key, tuple[Content, int]] = {
            (row["field"], row["value"]): ((row["number"], row["shown"]), row["number_of_field"])
            for row in before
        }
        if not old:
            batch.new += [(fields[one[0]], one[1], document, one[2], one[3]) for one in after]
            return True
        for field, value, number, shown in after:
            found = old.pop((field, value), None)
            if found is not None:
                if found[0] == (number, shown):
                    continue
                batch.old.append((found[1], value, document))
            batch.new.append((fields[field], value, document, number, shown))
        batch.old += [(number, value, document) for (_, value), (_, number) in old.items()]
        return was != (len(batch.old), len(batch.new))

    async def _numbers(self, batch: _Batch, scope: Scope, names: set[str]) -> Mapping[str, int]:
        """The numbers of fields, new ones among them."""
        if len(self._fields) > CACHED:
            self._fields.clear()
        missing = sorted(name for name in names if (scope.id, name) not in self._fields)
        if missing:
            rows = await fetch_any(self._store, index.FIELDS, "name", missing, {"scope": scope.id})
            self._fields |= {(scope.id, row["name"]): row["id"] for row in rows}
            new = [name for name in missing if (scope.id, name) not in self._fields]
            first = batch.take("fields", len(new))
            made = {name: first + place for place, name in enumerate(new)}
            batch.first += index.insert_fields(scope.id, made, UNSPOKEN)
            self._fields |= {(scope.id, name): id for name, id in made.items()}
        return {name: self._fields[scope.id, name] for name in names}


def indexes(configuration: Mapping[str, Any]) -> dict[str, int]:
    """The indexes that a configuration asks for, and whether each has connectivity."""
    things = configuration.get("thingIndexingConfiguration") or {}
    groups = configuration.get("thingGroupIndexingConfiguration") or {}
    found: dict[str, int] = {}
    if things.get("thingIndexingMode", "OFF") != "OFF":
        found[THINGS] = int(things.get("thingConnectivityIndexingMode") == "STATUS")
    if groups.get("thingGroupIndexingMode") == "ON":
        found[GROUPS] = 0
    return found
