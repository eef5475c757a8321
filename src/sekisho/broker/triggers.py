"""Topic triggers: sinks that give messages to functions, and publish what these answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from sekisho.aws.errors import AwsError
from sekisho.functions.interface import FunctionError
from sekisho.logic.trigger_events import BadAnswer, Publication, publications_of, trigger_event
from sekisho.mqtt.message import Message
from sekisho.services.api import Api
from sekisho.services.call import Caller, service_principal
from sekisho.services.topic_triggers import KIND, MOST
from sekisho.services.unique import new_uuid
from sekisho.store import tables
from sekisho.store.changes import Change

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub

log = structlog.get_logger("sekisho.triggers")

AT_ONCE = 4
"""Messages of one trigger that its function may have at a time."""

WAITING = 1000
WAITING_BYTES = 16_777_216
"""Messages of one trigger that may wait, and their bytes; what comes then is lost to it."""

DEEPEST = 4
"""How often what a function publishes may call a function again: one on its own answers would not end."""

MARK = "topictrigger-"
COMPLAINT_EVERY = 10.0


class Trigger:
    """The messages of one topic filter on their way to one function. No publisher waits for it."""

    def __init__(
        self, owner: Triggers, account: str, region: str, name: str, filter: str, function: str
    ) -> None:
        self.account = account
        self.region = region
        self.name = name
        self.filter = filter
        self._function = function
        self._owner = owner
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._running = 0
        self._complaint = 0.0

    def offer(self, message: Message) -> Awaitable[None] | None:
        size = len(message.payload)
        if depth_of(message) >= DEEPEST:
            self._complain(message, f"{DEEPEST} functions have published one after the other to get here")
        elif len(self._waiting) >= WAITING or self._bytes + size > WAITING_BYTES:
            self._complain(message, f"{len(self._waiting)} messages wait for the function already")
        else:
            self._waiting.append(message)
            self._bytes += size
            if self._running < AT_ONCE:
                self._running += 1
                self._owner.hub.spawn(self._drain())
        return None

    async def _drain(self) -> None:
        try:
            while self._waiting:
                message = self._waiting.popleft()
                self._bytes -= len(message.payload)
                await self._handle(message)
        finally:
            self._running -= 1

    async def _handle(self, message: Message) -> None:
        try:
            answer = await self._owner.functions.invoke(self._function, _event(message))
            for publication in publications_of(answer):
                await self._publish(message, publication)
        except (FunctionError, BadAnswer) as error:
            self._record(message, f"the function of topic trigger {self.name} failed: {error}")

    async def _publish(self, message: Message, publication: Publication) -> None:
        depth = depth_of(message) + 1
        principal = service_principal(self.account, "topic-trigger")
        caller = Caller(principal, self.account, self.region, request_id=f"{MARK}{depth}-{new_uuid()}")
        members: dict[str, Any] = {"topic": publication.topic, "payload": publication.payload}
        operation = "Publish"
        if publication.client_id is not None:
            operation = "SendDirectMessage"
            members |= {"clientId": publication.client_id, "confirmation": bool(publication.qos)}
        else:
            members |= {"qos": publication.qos, "retain": publication.retain}
        try:
            await self._owner.api.invoke(caller, "iot-data", operation, **members)
        except AwsError as error:
            words = f"the function of topic trigger {self.name} may not publish to {publication.topic}"
            self._record(message, f"{words}: {error.message}")

    def _complain(self, message: Message, words: str) -> None:
        hub = self._owner.hub
        hub.counters["dropped"] += 1
        now = hub.clock.tick()
        if now >= self._complaint:
            self._complaint = now + COMPLAINT_EVERY
            self._record(message, f"topic trigger {self.name} did not take the message: {words}")

    def _record(self, message: Message, reason: str) -> None:
        hub = self._owner.hub
        log.warning("topic trigger", trigger=self.name, topic=message.topic, why=reason)
        hub.refusals.record(
            self.account,
            self.region,
            {
                "at": hub.clock.now(),
                "decision": "REFUSED",
                "action": "sekisho:InvokeFunction",
                "resource": message.topic,
                "reason": reason,
                "effect": "other receivers of the message are not concerned",
                "clientId": message.client_id or "",
            },
        )


class Triggers:
    """The triggers of a node's places, as the registry has them."""

    def __init__(self, hub: Hub, api: Api) -> None:
        self.hub = hub
        self.api = api
        self.functions: Any = api.deps.functions
        self._all: dict[tuple[str, str, str], Trigger] = {}

    async def start(self, places: list[tuple[str, str]]) -> None:
        for account, region in places:
            query = tables.page_resources(account, region, KIND, after_id="", limit=2 * MOST, ascending=True)
            for row in await self.hub.store.fetch(*query):
                self._put(account, region, row["id"], orjson.loads(row["body"]))

    async def changed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.kind == KIND:
                account, region, name = change.account, change.region, change.id
                rows = await self.hub.store.fetch(*tables.get_resource(account, region, KIND, name))
                self._remove(account, region, name)
                if rows:
                    self._put(account, region, name, orjson.loads(rows[0]["body"]))

    def _put(self, account: str, region: str, name: str, body: dict[str, Any]) -> None:
        trigger = Trigger(self, account, region, name, body["topicFilter"], body["functionArn"])
        self._all[account, region, name] = trigger
        self.hub.space(account, region).subscribers.add(trigger.filter, trigger, trigger)

    def _remove(self, account: str, region: str, name: str) -> None:
        trigger = self._all.pop((account, region, name), None)
        if trigger is not None:
            self.hub.space(account, region).subscribers.remove(trigger.filter, trigger)


def depth_of(message: Message) -> int:
    """How many functions have published one after the other until this message came."""
    if not message.trace.startswith(MARK):
        return 0
    number = message.trace.removeprefix(MARK).partition("-")[0]
    return int(number) if number.isdigit() else 0


def _event(message: Message) -> dict[str, Any]:
    return trigger_event(
        topic=message.topic,
        payload=message.payload,
        qos=message.qos,
        client_id=message.client_id,
        principal=message.principal,
        source_ip=message.source_ip,
        at=message.received_at,
    )
