"""Tags as the operations that create and delete resources use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sekisho.aws.errors import LimitExceededException
from sekisho.services.call import Call

MOST = 50


async def put_tags(call: Call, arn: str, tags: Sequence[Mapping[str, str]] | None) -> None:
    """Add tags to a resource; LimitExceededException past 50."""
    if not tags:
        return
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
