"""Logging: SetV2LoggingOptions and its family, levels by resource, and the older SetLoggingOptions.

Source: the `iot` service model; AWS IoT Developer Guide, "Configure AWS IoT logging". What the options do is
:mod:`sekisho.services.logs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from sekisho.aws.errors import (
    InvalidRequestException,
    LimitExceededException,
    NotConfiguredException,
    NotImplementedException,
)
from sekisho.logic.log_levels import EVENT_TYPES, SOURCE_IP, THING_GROUP
from sekisho.services.call import Call
from sekisho.services.paging import key, page_of
from sekisho.services.roles import IOT, check_passing
from sekisho.services.work import Document

OLD = "loggingoptions"
NEW = "v2loggingoptions"
THE_ONE = ""
"""The id of the one set of options of an account and region, of either kind."""

LEVEL = "v2logginglevel"
"""The kind of levels by resource; the id is the target's type, a slash, and its name."""

MOST = 1000
"""Levels by resource of an account and region; the quota of AWS is not published."""

PAGE = 250
DEFAULT = "DEFAULT"
DEFAULT_KEY = " "
"""The key of the default level in the list, before those of all targets."""

FIRST_LEVEL = "ERROR"
"""The default level while none has been given; the model says nothing of it."""


async def set_logging_options(call: Call, loggingOptionsPayload: Mapping[str, str]) -> None:
    check_passing(call, loggingOptionsPayload["roleArn"], "roleArn", IOT)
    body = {"logLevel": FIRST_LEVEL, **loggingOptionsPayload}
    await call.work.put(OLD, THE_ONE, body)


async def get_logging_options(call: Call) -> Document:
    return await call.work.get(OLD, THE_ONE) or {"logLevel": "DISABLED"}


async def set_v2_logging_options(
    call: Call,
    roleArn: str | None = None,
    defaultLogLevel: str | None = None,
    disableAllLogs: bool | None = None,
    eventConfigurations: Sequence[Mapping[str, str]] | None = None,
) -> None:
    """``disableAllLogs`` is false unless given; the others stay as they are."""
    found = await call.work.get(NEW, THE_ONE) or {}
    if roleArn is not None:
        check_passing(call, roleArn, "roleArn", IOT)
    elif not disableAllLogs and "roleArn" not in found:
        raise InvalidRequestException("roleArn is missing, and none was given before")
    events = found.get("eventConfigurations")
    if eventConfigurations is not None:
        events = _checked(eventConfigurations)
    body = {
        "roleArn": roleArn or found.get("roleArn"),
        "defaultLogLevel": defaultLogLevel or found.get("defaultLogLevel", FIRST_LEVEL),
        "disableAllLogs": bool(disableAllLogs),
        "eventConfigurations": events,
    }
    await call.work.put(NEW, THE_ONE, body)


def _checked(configurations: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    seen = set()
    for one in configurations:
        event, group = one["eventType"], one.get("logDestination")
        if event not in EVENT_TYPES:
            raise NotImplementedException(
                f"eventConfigurations of eventType {event} are not implemented by this node: it logs "
                f"{', '.join(EVENT_TYPES)}"
            )
        if event in seen:
            raise InvalidRequestException(f"eventConfigurations has eventType {event} twice")
        if group is not None and group.startswith("aws/"):
            raise InvalidRequestException(f"logDestination {group}: names that begin with aws/ are AWS's")
        seen.add(event)
    return [dict(one) for one in configurations]


async def get_v2_logging_options(call: Call, verbose: bool | None = None) -> Document:
    """``verbose``: every type of event that is logged, configured or not."""
    found = await _configured(call)
    if verbose:
        given = {one["eventType"]: one for one in found.get("eventConfigurations") or []}
        level = found["defaultLogLevel"]
        every = [{"eventType": event, "logLevel": level, **given.get(event, {})} for event in EVENT_TYPES]
        found = found | {"eventConfigurations": every}
    return found


async def set_v2_logging_level(call: Call, logTarget: Mapping[str, str], logLevel: str) -> None:
    options = await _configured(call)
    type, name = logTarget["targetType"], logTarget.get("targetName")
    if type == DEFAULT:
        if name:
            raise InvalidRequestException("a logTarget of type DEFAULT has no targetName")
        await call.work.put(NEW, THE_ONE, options | {"defaultLogLevel": logLevel})
        return
    if not name:
        raise InvalidRequestException(f"a logTarget of type {type} needs a targetName")
    if len(name) > 256 or "\0" in name:
        raise InvalidRequestException("targetName has at most 256 characters, none of them U+0000")
    if type == THING_GROUP and await call.work.get("thinggroup", name) is None:
        raise InvalidRequestException(f"Thing group {name} does not exist")
    if type == SOURCE_IP and not _is_address(name):
        raise InvalidRequestException(f"targetName {name} is not an IP address as it is written in short")
    id = f"{type}/{name}"
    if await call.work.get(LEVEL, id) is None:
        existing, _ = await call.work.page(LEVEL, "", MOST)
        if len(existing) >= MOST:
            raise LimitExceededException(f"there are {MOST} log levels by resource already")
    await call.work.put(LEVEL, id, {"targetType": type, "targetName": name, "logLevel": logLevel})


def _is_address(text: str) -> bool:
    """Whether it is an address, in the one form that clients' addresses are compared with."""
    try:
        return str(ip_address(text)) == text
    except ValueError:
        return False


async def delete_v2_logging_level(call: Call, targetType: str, targetName: str) -> None:
    if targetType == DEFAULT:
        raise InvalidRequestException("the default level cannot be deleted; SetV2LoggingOptions changes it")
    await call.work.delete(LEVEL, f"{targetType}/{targetName}")


async def list_v2_logging_levels(
    call: Call, targetType: str | None = None, nextToken: str | None = None, maxResults: int | None = None
) -> Document:
    """The default level, then those of targets by type and name."""
    options = await _configured(call)
    limit, after = maxResults or PAGE, key(nextToken)
    default = {"targetType": DEFAULT, "logLevel": options["defaultLogLevel"]}
    page, _ = await call.work.page(LEVEL, "", MOST)
    every = [(DEFAULT_KEY, default), *page]
    left = [(id, one) for id, one in every if id > after and targetType in (None, one["targetType"])]
    found = [{"logTarget": one, "logLevel": one["logLevel"]} for _, one in left[:limit]]
    last = left[limit - 1][0] if len(left) > limit else ""
    return page_of(found, last, "logTargetConfigurations", "nextToken")


async def _configured(call: Call) -> Document:
    found = await call.work.get(NEW, THE_ONE)
    if found is None:
        raise NotConfiguredException("V2 logging is not configured; SetV2LoggingOptions does it")
    return found
