"""Documents of the fleet index: what of a thing or a thing group can be searched, as terms and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sekisho.logic.query import FIRST_OF_NUMBERS, Terms, Value, fold, lower, number_of

THINGS = "AWS_Things"
GROUPS = "AWS_ThingGroups"
ATTRIBUTE = "attributes."
SHORT = 250
WORDS = 200
"""Words of a text that can be found one by one."""
LEAST, GREATEST = 1e-140, 1e150
"""Magnitudes of numbers, but for zero: the squares of two and of their difference are numbers as well, and
the sums of millions of these. PostgreSQL has no result where one is not."""


class Term(NamedTuple):
    """One value of one field. ``value`` is what is compared, ``shown`` what was given where that is another;
    a single word of a text that is there as a whole has '' for it."""

    field: str
    value: str
    number: float | None
    shown: str | None


class Connectivity(NamedTuple):
    """A client's newest connection; ``at`` is when it began or ended, in civil epoch milliseconds, and
    ``keep_alive`` and ``session_expiry`` are seconds."""

    client_id: str
    connected: bool
    at: int
    reason: str
    keep_alive: int
    clean_session: bool
    session_expiry: int


def _number(text: str) -> float | None:
    """The number that a value looks like, if one can compute with it."""
    number = number_of(text)
    return number if not number or LEAST <= abs(number) <= GREATEST else None


def term(field: str, given: str) -> Term:
    # The most frequent step of indexing: what is short needs no cutting, what begins as a word is no number.
    value = lower(given) if len(given) < SHORT else fold(given)
    number = _number(value) if value[:1] in FIRST_OF_NUMBERS else None
    return Term(field, value, number, None if value == given else given)


def boolean(field: str, given: bool) -> Term:
    return Term(field, "true" if given else "false", None, None)


def integer(field: str, given: int) -> Term:
    return Term(field, str(given), float(given), None)


def thing_terms(
    thing: Mapping[str, Any],
    version: int,
    groups: Iterable[str],
    connectivity: Connectivity | None = None,
    *,
    with_connectivity: bool = False,
) -> list[Term]:
    """Of a thing's document, the groups that it is directly in, its billing group among them, and its
    client's connection."""
    found = [term("thingName", thing["thingName"]), integer("registry.version", version)]
    if thing_id := thing.get("thingId"):
        found.append(term("thingId", thing_id))
    if type_name := thing.get("thingTypeName"):
        found.append(term("thingTypeName", type_name))
    found += [term(ATTRIBUTE + name, value) for name, value in (thing.get("attributes") or {}).items()]
    found += _names("thingGroupNames", groups)
    if with_connectivity:
        found.append(boolean("connectivity.connected", connectivity is not None and connectivity.connected))
        if connectivity is not None:
            found.append(term("connectivity.clientId", connectivity.client_id))
            found.append(integer("connectivity.timestamp", connectivity.at))
            found.append(integer("connectivity.keepAliveDuration", connectivity.keep_alive))
            found.append(boolean("connectivity.cleanSession", connectivity.clean_session))
            found.append(integer("connectivity.sessionExpiry", connectivity.session_expiry))
            if connectivity.reason:
                found.append(term("connectivity.disconnectReason", connectivity.reason))
    return found


def group_terms(group: Mapping[str, Any], parents: Iterable[str]) -> list[Term]:
    """Of a thing group's document and the names of all groups that it is in. Its description can be found as
    a whole and by each of its words."""
    found = [term("thingGroupName", group["thingGroupName"])]
    if group_id := group.get("thingGroupId"):
        found.append(term("thingGroupId", group_id))
    properties = group.get("thingGroupProperties") or {}
    if description := properties.get("thingGroupDescription"):
        whole = term("description", description)
        found.append(whole)
        words = description.split()
        if len(words) > 1:
            single = list(dict.fromkeys(map(fold, words)))[:WORDS]
            found += [Term("description", word, _number(word), "") for word in single]
    attributes = (properties.get("attributePayload") or {}).get("attributes") or {}
    found += [term(ATTRIBUTE + name, value) for name, value in attributes.items()]
    found += _names("parentGroupNames", parents)
    return found


def _names(field: str, names: Iterable[str]) -> list[Term]:
    """Names that differ in case alone are one value, shown as lines."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(fold(name), []).append(name)
    return [
        Term(field, value, _number(value), None if shown == [value] else "\n".join(shown))
        for value, shown in found.items()
    ]


def searchable(terms: Iterable[Term]) -> Terms:
    """Terms as :func:`sekisho.logic.query_match.matches` takes them."""
    found: dict[str, list[Value]] = {}
    for one in terms:
        found.setdefault(one.field, []).append(Value(one.value, one.number))
    return found


def given(one: Term) -> str:
    """The value as it was given."""
    return one.value if one.shown is None else one.shown


LISTS = frozenset({"thingGroupNames", "parentGroupNames"})
NAMES = {"description": "thingGroupDescription"}
TYPED: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("connected", "cleanSession"), "true".__eq__),
    **dict.fromkeys(("timestamp", "keepAliveDuration", "sessionExpiry"), int),
}
"""Members of a connection that are no strings."""


def document(terms: Sequence[Term]) -> dict[str, Any]:
    """A ThingDocument or ThingGroupDocument of its terms."""
    found: dict[str, Any] = {"attributes": {}}
    for one in sorted(terms):
        text = given(one)
        if one.shown == "":
            continue
        if one.field.startswith(ATTRIBUTE):
            found["attributes"][one.field.removeprefix(ATTRIBUTE)] = text
        elif one.field in LISTS:
            found.setdefault(one.field, []).extend(text.split("\n"))
        elif one.field.startswith("connectivity."):
            name = one.field.removeprefix("connectivity.")
            found.setdefault("connectivity", {})[name] = TYPED.get(name, str)(text)
        else:
            found[NAMES.get(one.field, one.field)] = text
    return found
