"""What a thing type has the messages of its things carry: propagating attributes, as MQTT 5 user properties.

Source: AWS IoT Developer Guide, "Adding propagating attributes for message enrichment"; AWS CloudFormation,
``AWS::IoT::ThingType PropagatingAttribute`` (what a connection attribute may be).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MOST = 20
"""AWS General Reference, AWS IoT quotas: propagating attributes of one thing type."""

CLIENT_ID = "iot:ClientId"
THING_NAME = "iot:Thing.ThingName"
CONNECTION_ATTRIBUTES = (CLIENT_ID, THING_NAME)

Pairs = tuple[tuple[str, str], ...]


def why_not(attributes: Sequence[Mapping[str, str]]) -> str | None:
    """What is wrong with a type's propagating attributes, in words."""
    if len(attributes) > MOST:
        return f"a thing type can have at most {MOST} propagating attributes, got {len(attributes)}"
    for number, attribute in enumerate(attributes, 1):
        where = f"propagatingAttributes {number}"
        if not attribute.get("userPropertyKey"):
            return f"{where}: userPropertyKey is missing"
        if ("thingAttribute" in attribute) == ("connectionAttribute" in attribute):
            return f"{where}: exactly one of thingAttribute and connectionAttribute is needed"
        connection = attribute.get("connectionAttribute", CLIENT_ID)
        if connection not in CONNECTION_ATTRIBUTES:
            known = " and ".join(CONNECTION_ATTRIBUTES)
            return f"{where}: connectionAttribute {connection} is unknown; there are {known}"
    return None


def propagated(
    attributes: Iterable[Mapping[str, str]], thing: str, values: Mapping[str, str], client_id: str
) -> Pairs:
    """The user properties for the messages of a thing with these attributes; those without a value are left
    out. Without a connection ``client_id`` is ''."""
    of_connection = {CLIENT_ID: client_id, THING_NAME: thing}
    pairs = []
    for attribute in attributes:
        if "thingAttribute" in attribute:
            value = values.get(attribute["thingAttribute"], "")
        else:
            value = of_connection.get(attribute["connectionAttribute"], "")
        if value:
            pairs.append((attribute["userPropertyKey"], value))
    return tuple(pairs)


def enriched(own: Any, added: Pairs) -> Pairs:
    """A message's own user properties with those that are added. What the registry says of a thing takes the
    place of what its device says under the same key: receivers go by it."""
    keys = {key for key, _ in added}
    return (*((key, value) for key, value in own if key not in keys), *added)
