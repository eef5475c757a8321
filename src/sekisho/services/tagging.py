"""Tags as the operations that create and delete resources use them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sekisho.aws.errors import InvalidRequestException, LimitExceededException
from sekisho.services.call import Call

MOST = 50


async def put_tags(call: Call, arn: str, tags: Sequence[Mapping[str, str]] | None) -> None:
    """Add tags to a resource; LimitExceededException past 50.

    Keys that begin with ``aws:`` are AWS's (AWS IoT Developer Guide, Tag restrictions).
    """
    if not tags:
        return
    for key, count in Counter(tag["Key"] for tag in tags).items():
        if count > 1:
            raise InvalidRequestException(f"the tag {key} is there {count} times")
        if key.lower().startswith("aws:"):
            raise InvalidRequestException(f"the tag {key}: keys that begin with aws: are reserved")
    existing = await call.work.get("tags", arn) or {"tags": {}}
    merged = existing["tags"] | {tag["Key"]: tag.get("Value", "") for tag in tags}
    if len(merged) > MOST:
        raise LimitExceededException(f"a resource can have at most {MOST} tags")
    await call.work.put("tags", arn, {"tags": merged})


async def put_tag_map(call: Call, arn: str, tags: Mapping[str, str] | None) -> None:
    """The same for the operations that take tags as a map."""
    await put_tags(call, arn, [{"Key": name, "Value": value} for name, value in (tags or {}).items()])


async def drop_tags(call: Call, arn: str) -> None:
    await call.work.delete("tags", arn)
