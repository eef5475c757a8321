"""Which connections must be judged again after changes of the registry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sekisho.services.identity import certificate_id_of
from sekisho.services.thing_views import group_name_of, linked_source
from sekisho.store.changes import Change

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.hub import Hub

IAM = ("iamrole", "iamuser", "iamgroup", "iampolicy", "iamattached", "iammember", "accesskey")


class Changed:
    """What has changed in one account and region, by name."""

    __slots__ = ("authorities", "groups", "policies", "things", "types")

    def __init__(self) -> None:
        self.authorities: set[str] = set()
        self.groups: set[str] = set()
        self.policies: set[str] = set()
        self.things: set[str] = set()
        self.types: set[str] = set()

    def note(self, change: Change) -> None:
        match change.kind:
            case "attached-policy":
                if name := group_name_of(change.id):
                    self.groups.add(name)
            case "policy":
                self.policies.add(change.id)
            case "revocationlist":
                self.authorities.add(change.id)
            case "thing":
                if change.what != "created":  # nobody can have rested on it
                    self.things.add(change.id)
            case "thing-group":
                self.things.add(linked_source(change))
            case "thinggroup":
                if change.what == "deleted":
                    self.groups.add(change.id)
            case "thingtype":
                self.types.add(change.id)

    @property
    def any(self) -> bool:
        return bool(self.authorities or self.groups or self.policies or self.things or self.types)

    def concerns(self, client: Client) -> bool:
        identity = client.authorizer.identity
        if self.things and not self.things.isdisjoint(identity.things):
            return True
        if self.policies and not self.policies.isdisjoint(_policies(client)):
            return True
        if self.authorities and identity.ca_id in self.authorities:
            return True
        thing = identity.thing
        return thing is not None and (
            not self.groups.isdisjoint(thing.groups) or thing.type_name in self.types
        )


def concerned(hub: Hub, changes: Sequence[Change]) -> set[Client]:
    """The connections that rest on something that has changed."""
    stale: set[Client] = set()
    places: dict[tuple[str, str], Changed] = defaultdict(Changed)
    iam = False
    for change in changes:
        match change.kind:
            case "cert" | "claim":
                stale |= hub.with_certificate(change.id)
            case "attached-policy" | "thing-principal":
                stale |= hub.with_certificate(certificate_id_of(change.id))
            case kind if kind in IAM:
                iam = True
        places[change.account, change.region].note(change)
    for (account, region), changed in places.items():
        if changed.any:
            clients = hub.space(account, region).clients.values()
            stale |= {client for client in clients if changed.concerns(client)}
    if iam:
        stale |= {client for client in hub.all_clients() if client.peer.principal is not None}
    return stale


def _policies(client: Client) -> set[str]:
    return {policy.name for policy in client.authorizer.identity.policies.policies}
