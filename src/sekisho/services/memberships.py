"""Puts things into dynamic groups and takes them out, as `logic/membership.py` decides of what is indexed.

The commit that changes a thing's document in the index leaves a row for it (``membership_due``), and the
commit that has looked at it takes the row away. A group that is new or has another query is built in pages,
each of which commits how far it has come. Whatever is interrupted is done again, and changes nothing where it
was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from sekisho.aws.errors import ThrottlingException
from sekisho.clock import Clock
from sekisho.logic.index_terms import THINGS, Term
from sekisho.logic.log_entries import FAILURE
from sekisho.logic.log_levels import DYNAMIC_GROUPS_FAILED, Who
from sekisho.logic.membership import DynamicGroup, as_static, belongs, candidates
from sekisho.logic.query import QueryError
from sekisho.logic.query_parser import parse
from sekisho.services.call import Events
from sekisho.services.group_tree import KIND, MATCHES, MEMBER, MEMBERS, QUERY
from sekisho.services.index_reads import IndexReads, Prepared, found, prepare
from sekisho.services.indexer import ACTIVE, BUILDING, DELETING
from sekisho.services.logs import Logs
from sekisho.services.work import Document, Posted, Work, dumps, row_document
from sekisho.store import index, memberships, tables
from sekisho.store.changes import Change
from sekisho.store.index import LINKS, SOURCES, Scope, fetch_any
from sekisho.store.statement import Conflict, Row, Statement, Unavailable
from sekisho.store.store import Store
from sekisho.store.tables import fetch_one

BATCH = 250
"""Things of a commit: few enough that nobody waits long for the writer."""
LOOK = 1.0
GATHER = 0.1
"""Seconds that things gather before they are looked at."""
LEASE = 6.0
"""Seconds for which no other node does it."""
CATCH_UP = 3.0
"""Seconds that a group waits at most for the index to have what was there before the group."""
WAITING = 1000
"""Groups that wait so."""
ATTEMPTS = 5
"""How often one thing is looked at again because others change it meanwhile, before the rest goes on."""

log = structlog.get_logger("sekisho.memberships")

Place = tuple[str, str]
Post = Callable[[Sequence[Posted]], Awaitable[None]]


class Known(NamedTuple):
    """A dynamic group, and its row of the kind QUERY."""

    group: DynamicGroup
    row: Document


class Move(NamedTuple):
    """What becomes of a thing that is in so many ``groups``. For ``losers`` it has no room, which is logged
    (AWS IoT Developer Guide, "Dynamic thing group logs")."""

    thing: str
    groups: int
    joins: Sequence[str]
    leaves: Sequence[str]
    losers: Sequence[str]


class Memberships:
    """``post`` gives out what a commit has caused."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        owner: str,
        reads: IndexReads,
        events: Events,
        post: Post,
        logs: Logs,
    ) -> None:
        self._store = store
        self._real = clock.real
        self._now = clock.now
        self._owner = owner
        self._reads = reads
        self._events = events
        self._post = post
        self._logs = logs
        self._bell = asyncio.Event()
        self._groups: dict[Place, dict[str, Known]] = {}
        self._stale: set[Place] | None = None
        """Places whose groups may have changed; None for all."""
        self._leased_until = 0.0
        self._built: Place = ("", "")
        """Where something was built last."""
        self._since: dict[tuple[str, ...], tuple[int, float]] = {}
        self._prepared: tuple[tuple[int, str], Prepared] | None = None

    def ring(self) -> None:
        """Look for work now."""
        self._bell.set()

    def changed(self, changes: Sequence[Change]) -> None:
        """Follow the change feed."""
        for change in changes:
            if change.kind == QUERY:
                self._forget((change.account, change.region))
                self._bell.set()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            self._bell.clear()
            worked, began = False, self._real()
            try:
                worked = await self._step()
                failures = 0
            except Conflict:
                self._stale = None
            except (Unavailable, ThrottlingException) as error:
                log.warning("dynamic groups cannot be looked at now", error=str(error))
            except Exception:
                failures += 1
                self._stale = None
                log.exception("dynamic groups were not looked at")
                await asyncio.sleep(min(LOOK * 2**failures, 60.0))
            if worked:
                await asyncio.sleep(max(0.0, self._real() - began) / 4)  # others want to write as well
                continue
            try:
                async with asyncio.timeout(LOOK):
                    await self._bell.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(GATHER)

    async def _step(self) -> bool:
        """A page of what has changed, and one of a group that is being built; whether there was any."""
        due = await self._store.fetch(*memberships.read_due(BATCH))
        building = await self._building()
        if not (due or building) or not await self._has_lease():
            return False
        if due:
            scope = due[0]["scope"]
            rows = [row for row in due if row["scope"] == scope]
            done = memberships.delete_due([(row["turn"], row["scope"], row["name"]) for row in rows])
            names = sorted({row["name"] for row in rows})
            place = due[0]["account"], due[0]["region"]
            await self._settle(place, scope, names if place[0] is not None else [], done)
        # Each place in turn: what is wrong with one, or takes long, concerns no other.
        for place, known in sorted(building, key=lambda one: (one[0] <= self._built, one[0])):
            self._built = place
            if await self._build(place, known):
                return True
        return bool(due)

    async def _has_lease(self) -> bool:
        now = self._real()
        if now < self._leased_until - LEASE / 2:
            return True
        if not await tables.hold_lease(self._store, "memberships", self._owner, now, LEASE):
            return False
        self._leased_until = now + LEASE
        return True

    # --- groups ---------------------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        """Read what may have changed of the groups."""
        stale, self._stale = self._stale, set()
        try:
            for place in [None] if stale is None else sorted(stale):
                self._take(place, await self._store.fetch(*memberships.dynamic_groups(place)))
        except BaseException:
            self._stale = None
            raise

    def _take(self, place: Place | None, rows: Sequence[Row]) -> None:
        if place is None:
            self._groups.clear()
        else:
            self._groups.pop(place, None)
        for row in rows:
            body, name = row_document(row), row["id"]
            try:
                group = DynamicGroup(name, row["created"], parse(body["queryString"]))
            except QueryError:
                log.exception("a dynamic group has a query that is none", group=name)
                continue
            self._groups.setdefault((row["account"], row["region"]), {})[name] = Known(group, body)

    async def _known(self, place: Place) -> Mapping[str, Known]:
        """The dynamic groups of a place, from the oldest to the newest."""
        await self._refresh()
        return self._groups.get(place, {})

    async def _building(self) -> list[tuple[Place, Known]]:
        """Of each place the oldest group that is not ACTIVE."""
        await self._refresh()
        found = []
        for place, groups in self._groups.items():
            unfinished = (known for known in groups.values() if known.row["status"] != ACTIVE)
            if (first := next(unfinished, None)) is not None:
                found.append((place, first))
        return found

    def _forget(self, place: Place) -> None:
        if self._stale is not None:
            self._stale.add(place)

    # --- building -------------------------------------------------------------------------------------------

    async def _build(self, place: Place, known: Known) -> bool:
        """One page of a group."""
        row = await fetch_one(self._store, index.read_scope(*place, THINGS))
        if row is None or row["status"] in (BUILDING, DELETING):
            return False
        scope = Scope(**row)
        if not known.row["place"] and not await self._caught_up(place, known):
            return False
        matching = known.row["phase"] == MATCHES
        names, reached = await (self._matches(scope, known) if matching else self._members(place, known))
        anew = {name: known.row[name] for name in ("queryString", "status", "phase", "anew")}
        anew |= {"place": reached}
        if not reached and matching and known.row["anew"]:
            anew |= {"phase": MEMBERS}
        elif not reached:
            anew |= {"status": ACTIVE}
            self._prepared = None
        await self._settle(place, scope.id, names, self._moved(place, known, anew))
        self._forget(place)
        return True

    async def _caught_up(self, place: Place, known: Known) -> bool:
        """Whether the index has what was there before the group, which is to be in it when it is ACTIVE."""
        key = (*place, known.group.name, known.row["queryString"])
        if key not in self._since:
            if len(self._since) > WAITING:
                self._since.clear()
            (row,) = await self._store.fetch(*tables.last_change())
            self._since[key] = row["seq"], self._real() + CATCH_UP
        upto, until = self._since[key]
        if self._real() < until and await self._store.fetch(*memberships.unindexed(*place, upto)):
            return False
        del self._since[key]
        return True

    async def _matches(self, scope: Scope, known: Known) -> tuple[list[str], str]:
        """The next things that may match, and how far that is."""
        key = scope.id, known.row["queryString"]
        if self._prepared is None or self._prepared[0] != key:
            self._prepared = key, await prepare(self._reads, scope, candidates(known.group.query))
        ids = await found(self._reads, self._prepared[1], int(known.row["place"] or 0), BATCH)
        rows = await fetch_any(self._store, memberships.NAMES, "id", ids, {"scope": scope.id})
        return [row["name"] for row in rows], str(ids[-1]) if ids else ""

    async def _members(self, place: Place, known: Known) -> tuple[list[str], str]:
        """The next things of the group, and how far that is."""
        query = tables.links_to(*place, MEMBER, known.group.name, known.row["place"], BATCH)
        names = [link["source"] for link in await self._store.fetch(*query)]
        return names, names[-1] if names else ""

    def _moved(self, place: Place, known: Known, anew: Document) -> list[Statement]:
        name, now = known.group.name, self._now()
        return [
            tables.update_resource(*place, QUERY, name, known.row["version"], dumps(anew), now),
            tables.append_change(*place, QUERY, name, "built", now),
        ]

    # --- things ---------------------------------------------------------------------------------------------

    async def _settle(
        self, place: Place, scope: int, names: Sequence[str], done: Sequence[Statement], attempt: int = 1
    ) -> None:
        """Have these things in the groups that they belong in; the last commit of it does ``done``, too."""
        known = await self._known(place) if names else {}
        moves = await self._moves(place, scope, names, known) if known else []
        try:
            await self._commit(place, moves, known, done)
        except Conflict:
            if attempt == ATTEMPTS:
                raise
            self._forget(place)
            # Somebody changes one of them: the others need not wait for it.
            middle = len(names) // 2
            if middle:
                await self._settle(place, scope, names[:middle], (), attempt)
            await self._settle(place, scope, names[middle:], done, attempt + (middle == 0))

    async def _moves(
        self, place: Place, scope: int, names: Sequence[str], known: Mapping[str, Known]
    ) -> list[Move]:
        account, region = place
        here = {"account": account, "region": region}
        ids = await fetch_any(self._store, index.DOCUMENTS, "name", names, {"scope": scope})
        terms: dict[int, list[Term]] = {row["id"]: [] for row in ids}
        for row in await fetch_any(self._store, index.TERMS, "document", list(terms)):
            terms[row["document"]].append(Term(row["field"], row["value"], row["number"], row["shown"]))
        links: dict[str, list[str]] = {row["name"]: [] for row in ids}
        for row in await fetch_any(self._store, LINKS, "name", list(links), here | {"kind": MEMBER}):
            if row["target"] not in links[row["source"]]:
                links[row["source"]].append(row["target"])
        targets = sorted({target for some in links.values() for target in some} - known.keys())
        rows = await fetch_any(self._store, SOURCES, "name", targets, here | {"kind": KIND})
        static = {row["id"] for row in rows}
        groups = [one.group for one in known.values()]
        moves = []
        for row in ids:
            thing, there = row["name"], links[row["name"]]
            document = as_static(terms[row["id"]], known.keys())
            wanted, losers = belongs(document, groups, sum(target in static for target in there))
            joins = [name for name in wanted if name not in there]
            leaves = [name for name in there if name in known and name not in wanted]
            if joins or leaves or losers:
                moves.append(Move(thing, len(there), joins, leaves, losers))
        return moves

    async def _commit(
        self, place: Place, moves: Sequence[Move], known: Mapping[str, Known], done: Sequence[Statement]
    ) -> None:
        if not (moves or done):
            return
        work = Work(self._store, *place, self._now())
        for name in sorted({name for move in moves for name in (*move.joins, *move.leaves)}):
            work.prove(tables.guard_version(*place, QUERY, name, known[name].row["version"]))
        for move in moves:
            if not (move.joins or move.leaves):
                continue
            work.prove(
                tables.guard_present(*place, "thing", move.thing),
                tables.guard_links_from_count(*place, MEMBER, move.thing, move.groups),
            )
            for name in move.leaves:
                work.unlink(MEMBER, move.thing, name)
            for name in move.joins:
                work.link(MEMBER, move.thing, name)
        work.also += done
        if moves:
            await self._events.add_to(work)
        await work.commit()
        if work.posted:
            await self._post(work.posted)
        for move in moves:
            if move.losers and self._logs.on:
                names: Mapping[str, Any] = {
                    "thingName": move.thing,
                    "dynamicThingGroupNames": list(move.losers),
                }
                self._logs.write(place, DYNAMIC_GROUPS_FAILED, Who(), FAILURE, **names)
