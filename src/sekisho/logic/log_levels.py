"""How far is logged of whom: the logging options of an account and region, and what they mean for a client.

Source: AWS IoT Developer Guide, "Configure AWS IoT logging": levels for the account, for a type of event, and
for resources. That what is said of a resource goes before what is said of an event, and a client id before a
principal, an address and a thing group, is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

SEVERITY: Mapping[str, int] = {"DISABLED": 0, "ERROR": 1, "WARN": 2, "INFO": 3, "DEBUG": 4}
"""Level → how much is logged: what is of a lower or of the same severity."""

DISABLED, ERROR, INFO = SEVERITY["DISABLED"], SEVERITY["ERROR"], SEVERITY["INFO"]

CONNECT, DISCONNECT = "Connect", "Disconnect"
PUBLISH_IN, PUBLISH_OUT = "Publish-In", "Publish-Out"
SUBSCRIBE, UNSUBSCRIBE = "Subscribe", "Unsubscribe"
NOT_AUTHENTICATED = "Connection.AuthNError"
DYNAMIC_GROUPS_FAILED = "AddThingToDynamicThingGroupsFailed"

OF_A_CONNECTION = (CONNECT, DISCONNECT, PUBLISH_IN, PUBLISH_OUT, SUBSCRIBE, UNSUBSCRIBE)

EVENT_TYPES = (
    *OF_A_CONNECTION,
    NOT_AUTHENTICATED,
    DYNAMIC_GROUPS_FAILED,
    "DeleteConnection",
    "GetConnection",
    "GetRetainedMessage",
    "ListRetainedMessage",
    "ListSubscriptions",
    "SendDirectMessage",
)
"""What is logged (AWS IoT Developer Guide, "CloudWatch AWS IoT log entries", Message broker log entries and
Dynamic thing group logs)."""

OPT_IN = frozenset({NOT_AUTHENTICATED})
"""What is logged only if it is configured by its name, whatever the account's level."""

THING_GROUP = "THING_GROUP"
SOURCE_IP = "SOURCE_IP"
OF_CLIENTS = ("CLIENT_ID", "PRINCIPAL_ID", SOURCE_IP)
"""The types of targets that are one client's, in order of weight."""


class Who(NamedTuple):
    """Of whom an entry is; '' for what is not known. ``groups``: the groups of its thing, then those above
    them, and so on."""

    client_id: str = ""
    principal: str = ""
    source_ip: str = ""
    groups: tuple[frozenset[str], ...] = ()


class EventLevel(NamedTuple):
    """What is configured for one type of event; None: as for all others."""

    level: int | None
    group: str | None


class Levels(NamedTuple):
    """The options of an account and region. ``targets``: (type, name) → level; ``group``: the log group of
    what has no other."""

    default: int
    group: str
    events: Mapping[str, EventLevel] = {}
    targets: Mapping[tuple[str, str], int] = {}

    @property
    def has_groups(self) -> bool:
        return any(type == THING_GROUP for type, _ in self.targets)

    @property
    def on(self) -> bool:
        """Whether anything can be logged."""
        events = [event.level for event in self.events.values() if event.level is not None]
        return max([self.default, *events, *self.targets.values()]) > DISABLED

    def threshold(self, event: str, who: Who) -> int:
        """The severity up to which is logged."""
        configured = self.events.get(event)
        if event in OPT_IN:
            return configured.level or DISABLED if configured is not None else DISABLED
        of_resource = self._of_resource(who)
        if of_resource is not None:
            return of_resource
        if configured is not None and configured.level is not None:
            return configured.level
        return self.default

    def group_of(self, event: str) -> str:
        configured = self.events.get(event)
        return configured.group if configured is not None and configured.group else self.group

    def _of_resource(self, who: Who) -> int | None:
        if not self.targets:
            return None
        for type, name in zip(OF_CLIENTS, who[:3], strict=True):
            level = self.targets.get((type, str(name)))
            if level is not None:
                return level
        for groups in who.groups:
            levels = self._of_groups(tuple(groups))
            if levels:
                return max(levels)
        return None

    def _of_groups(self, names: Sequence[str]) -> list[int]:
        found = [self.targets.get((THING_GROUP, name)) for name in names]
        return [level for level in found if level is not None]
