"""What the logging options of accounts do: entries for what happens, as far as the levels go.

The levels are kept in memory and follow the change feed. While none of an account's is on, nothing is made
for it; while none at all is, :attr:`Logs.on` is false, and nothing else is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import structlog

from sekisho.logic.log_entries import FAILURE, HTTP, SUCCESS, entry, of_refusal
from sekisho.logic.log_levels import ERROR, INFO, PUBLISH_IN, SEVERITY, EventLevel, Levels, Who
from sekisho.services.call import Caller
from sekisho.services.log_files import LogFiles
from sekisho.services.logging_options import LEVEL, MOST, NEW, OLD, THE_ONE
from sekisho.services.unique import new_uuid
from sekisho.services.work import Work
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.statement import StoreError
from sekisho.store.store import Store

log = structlog.get_logger("sekisho.logs")

Place = tuple[str, str]

GROUP = "AWSIotLogsV2"
OLD_GROUP = "AWSIotLogs"
"""The log groups of AWS: of V2 logging, and of the older."""

KINDS = frozenset({OLD, NEW, LEVEL})
MEMBER, PARENT = "thing-group", "group-parent"

DEEPEST = 10
"""Levels of groups that are looked at; the registry allows fewer."""

OPERATIONS: Mapping[tuple[str, str], str] = {
    ("iot-data", "DeleteConnection"): "DeleteConnection",
    ("iot-data", "GetConnection"): "GetConnection",
    ("iot-data", "GetRetainedMessage"): "GetRetainedMessage",
    ("iot-data", "ListRetainedMessages"): "ListRetainedMessage",
    ("iot-data", "ListSubscriptions"): "ListSubscriptions",
    ("iot-data", "Publish"): PUBLISH_IN,
    ("iot-data", "SendDirectMessage"): "SendDirectMessage",
}
"""Operation → the type of its entry."""


class Logs:
    """``write`` never waits and never fails."""

    def __init__(self, store: Store, clock: Any) -> None:
        self._store = store
        self._clock = clock
        self.files: LogFiles | None = None
        """Where entries go; None is nowhere."""
        self._levels: dict[Place, Levels] = {}
        self.on = False
        """Whether anything of anybody can be logged."""
        self.failed = 0
        """Messages whose publishing was refused, as far as they were looked at."""
        self.follow: Callable[[Place, frozenset[str] | None], None] | None = None
        """Has the clients of a place, or those of some of its things, logged as the options are now."""

    async def start(self, places: Sequence[Place]) -> None:
        for place in places:
            await self._read(*place)

    async def changed(self, changes: Sequence[Change]) -> None:
        """Take over what the change feed says of options, and of who is in which group."""
        places = {(change.account, change.region) for change in changes if change.kind in KINDS}
        for place in places:
            await self._take_over(place)
        members: dict[Place, set[str]] = defaultdict(set)
        for change in changes:
            place = (change.account, change.region)
            levels = self._levels.get(place)
            if levels is None or not levels.has_groups or self.follow is None:
                continue
            if change.kind == MEMBER:
                members[place].add(change.what.partition(" ")[2])
            elif change.kind == PARENT:
                self.follow(place, None)
        for place, things in members.items():
            if self.follow is not None:
                self.follow(place, frozenset(things))

    async def committed(self, work: Work) -> None:
        """Options that this node has just committed hold for what comes after their operation, whenever the
        change feed gets there."""
        if work.touches(KINDS):
            await self._take_over((work.account, work.region))

    async def _take_over(self, place: Place) -> None:
        await self._read(*place)
        if self.follow is not None:
            self.follow(place, None)

    async def _read(self, account: str, region: str) -> None:
        found: dict[str, dict[str, Any]] = {}
        for kind in (OLD, NEW):
            rows = await self._store.fetch(*tables.get_resource(account, region, kind, THE_ONE))
            if rows:
                found[kind] = orjson.loads(rows[0]["body"])
        targets: dict[tuple[str, str], int] = {}
        if NEW in found:
            query = tables.page_resources(account, region, LEVEL, after_id="", limit=MOST, ascending=True)
            for row in await self._store.fetch(*query):
                one = orjson.loads(row["body"])
                targets[one["targetType"], one["targetName"]] = SEVERITY[one["logLevel"]]
        levels = _levels(found.get(OLD), found.get(NEW), targets)
        if levels is not None and levels.on:
            self._levels[account, region] = levels
        else:
            self._levels.pop((account, region), None)
        self.on = bool(self._levels) and self.files is not None

    def levels_of(self, account: str, region: str) -> Levels | None:
        """None when nothing is logged there."""
        return self._levels.get((account, region))

    async def groups_of(self, account: str, region: str, thing: str) -> tuple[frozenset[str], ...]:
        """The groups of a thing, then those above them, and so on; none when the database does not answer."""
        found: list[frozenset[str]] = []
        kind, names = MEMBER, [thing]
        try:
            while names and len(found) < DEEPEST:
                above: set[str] = set()
                for name in names:
                    query = tables.links_from(account, region, kind, name, after="", limit=100)
                    above.update(row["target"] for row in await self._store.fetch(*query))
                found.append(frozenset(above))
                kind, names = PARENT, sorted(above)
        except StoreError as error:
            log.warning("the groups of a thing are not known", thing=thing, error=str(error))
        return tuple(found)

    def write(self, place: Place, event: str, who: Who, status: str, trace: str = "", **members: Any) -> None:
        """An entry, if the levels want it."""
        levels = self._levels.get(place)
        severity, level = (INFO, "INFO") if status == SUCCESS else (ERROR, "ERROR")
        if self.files is None or levels is None or levels.threshold(event, who) < severity:
            return
        trace = trace or new_uuid()
        body = entry(self._clock.now(), level, place[0], trace, status, event, **members)
        self.files.put(*place, levels.group_of(event), orjson.dumps(body))

    def refused(self, account: str, region: str, refusal: Mapping[str, Any]) -> None:
        """A client was refused something, as `explain` keeps it."""
        if not self.on:
            return
        found = of_refusal(refusal)
        if found is None:
            return
        event, members = found
        self.failed += event == PUBLISH_IN
        who = Who(members["clientId"], members["principalId"] or "", members["sourceIp"] or "")
        self.write((account, region), event, who, FAILURE, **members)

    def operation(
        self, caller: Caller, service: str, operation: str, given: Mapping[str, Any], error: str | None
    ) -> None:
        """An operation of the data plane was carried out, or failed with an error's code."""
        event = OPERATIONS.get((service, operation))
        if event is None:
            return
        principal = caller.certificate_id or caller.principal.user_id or caller.principal.arn
        members = {
            "protocol": HTTP,
            "topicName": given.get("topic"),
            "clientId": given.get("clientId"),
            "principalId": principal,
            "sourceIp": caller.source_ip,
            "retain": "True" if given.get("retain") else None,
            "reason": REASONS.get(error, error) if error is not None else None,
        }
        who = Who(str(given.get("clientId") or ""), principal, caller.source_ip)
        status = SUCCESS if error is None else FAILURE
        self.write((caller.account, caller.region), event, who, status, caller.request_id, **members)


REASONS = {"ForbiddenException": "AUTHORIZATION_FAILURE", "AccessDeniedException": "AUTHORIZATION_FAILURE"}


def _levels(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, targets: Mapping[tuple[str, str], int]
) -> Levels | None:
    """The older options hold as long as there are none of V2."""
    if new is None:
        return Levels(SEVERITY[old["logLevel"]], OLD_GROUP) if old is not None else None
    if new.get("disableAllLogs"):
        return None
    events = {
        one["eventType"]: EventLevel(
            SEVERITY[one["logLevel"]] if "logLevel" in one else None, one.get("logDestination")
        )
        for one in new.get("eventConfigurations") or []
    }
    return Levels(SEVERITY[new["defaultLogLevel"]], GROUP, events, targets)
