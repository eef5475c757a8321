"""Topic triggers, beyond AWS: a topic filter whose messages call a function, which may answer by publishing.

What the rules engine will do with SQL before it and other destinations behind it.
"""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.function_names import parse_function, why_not_callable
from sekisho.mqtt.topics import check_filter
from sekisho.services.call import Call
from sekisho.services.paging import key, page_of
from sekisho.services.work import Document

KIND = "topictrigger"
MOST = 100
"""Triggers of an account and region."""

PAGE = 100
EVENTS = "$aws/events/"
"""The only reserved topics with messages that triggers may see; requests elsewhere carry tokens."""


async def put_topic_trigger(call: Call, triggerName: str, topicFilter: str, functionArn: str) -> Document:
    limits = call.deps.config.group("mqtt.limits.")
    wrong = check_filter(topicFilter, limits["topic_bytes"], limits["topic_slashes"])
    if wrong:
        raise InvalidRequestException(f"topicFilter: {wrong}")
    if topicFilter.startswith("$") and not topicFilter.startswith(EVENTS):
        raise InvalidRequestException(
            f"topicFilter {topicFilter} is reserved; of $-topics only {EVENTS} can be"
        )
    _check_function(call, functionArn)
    if await call.work.get(KIND, triggerName) is None:
        existing, _ = await call.work.page(KIND, "", MOST)
        if len(existing) >= MOST:
            raise InvalidRequestException(f"there are {MOST} topic triggers already, the most there can be")
    body = {"triggerName": triggerName, "topicFilter": topicFilter, "functionArn": functionArn}
    return await call.work.put(KIND, triggerName, body)


async def list_topic_triggers(
    call: Call, maxResults: int | None = None, nextToken: str | None = None
) -> Document:
    page, after = await call.work.page(KIND, key(nextToken), maxResults or PAGE)
    return page_of([document for _, document in page], after, "topicTriggers", "nextToken")


async def delete_topic_trigger(call: Call, triggerName: str) -> None:
    await call.require(KIND, triggerName)
    await call.work.delete(KIND, triggerName)


def _check_function(call: Call, function: str) -> None:
    if function.startswith("arn:"):
        why_not = why_not_callable(function, call.region, call.account)
        if why_not is not None:
            raise InvalidRequestException(f"functionArn: {why_not}")
        return
    try:
        parse_function(function)
    except ValueError as error:
        raise InvalidRequestException(f"functionArn: {error}") from None
