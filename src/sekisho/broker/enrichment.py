"""Messages that get user properties from the registry on their way in.

Only a connection whose thing's type has propagating attributes meets any of this: its PUBLISH has a handler
of its own, before the usual one.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from sekisho.logic.enrichment import enriched
from sekisho.mqtt.packets import Publish
from sekisho.services.identity import Identity
from sekisho.services.message_properties import user_properties

if TYPE_CHECKING:
    from sekisho.broker.client import Client

USER_PROPERTY = "user_property"


def enrich(client: Client) -> None:
    """Go by what the registry says now of the client's thing."""
    thing = client.authorizer.identity.thing
    added = thing.propagated if thing is not None else ()
    if added and not client.added:
        client.handlers = {**client.handlers, Publish: Enriching(client.handlers[Publish])}
    elif client.added and not added:
        enriching = client.handlers[Publish]
        assert isinstance(enriching, Enriching)
        client.handlers = {**client.handlers, Publish: enriching.usual}
    client.added = added


def enrich_members(members: dict[str, Any], identity: Identity) -> None:
    """As `enrich`, for the members of Publish when a device asks by HTTPS; InvalidRequestException if its own
    user properties are none."""
    thing = identity.thing
    if thing is not None and thing.propagated:
        own = user_properties(members.get("userProperties", []))
        pairs = enriched(own, thing.propagated)
        members["userProperties"] = [{key: value} for key, value in pairs]


class Enriching:
    """A handler of PUBLISH before the usual one."""

    __slots__ = ("usual",)

    def __init__(self, usual: Any) -> None:
        self.usual = usual

    def __call__(self, client: Client, packet: Publish) -> Awaitable[None] | None:
        properties = dict(packet.properties)
        properties[USER_PROPERTY] = enriched(properties.get(USER_PROPERTY, ()), client.added)
        # What it came in is not what it is sent in.
        pending: Awaitable[None] | None = self.usual(
            client, packet._replace(properties=properties, frame=b"")
        )
        return pending
