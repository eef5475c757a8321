"""Condition keys about tags: those that a request brings, and those of the resource that it is about.

Source: AWS IoT Developer Guide, "Using tags with IAM policies"; IAM User Guide, "AWS global condition context
keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from sekisho.logic.arns import parse_arn
from sekisho.services.call import Caller, Deps
from sekisho.services.permission import sets_of
from sekisho.store import tables
from sekisho.store.tables import fetch_one

REQUESTED, KEYS, HELD = "aws:RequestTag/", "aws:TagKeys", "aws:ResourceTag/"


def requested(members: Mapping[str, Any]) -> dict[str, Any]:
    """Condition key → value. What is no tag is left out: the model's own check refuses it after this."""
    tags = members.get("tags", members.get("Tags")) or ()
    pairs = list(tags.items()) if isinstance(tags, Mapping) else [_pair(tag) for tag in tags]
    known = {key: value for key, value in pairs if isinstance(key, str) and isinstance(value, str)}
    removed = members.get("tagKeys", members.get("TagKeys")) or ()
    keys = [*known, *(key for key in removed if isinstance(key, str))]
    found: dict[str, Any] = {f"{REQUESTED}{key}": value for key, value in known.items()}
    return found | ({KEYS: keys} if keys else {})


def _pair(tag: Any) -> tuple[Any, Any]:
    return (tag.get("Key"), tag.get("Value", "")) if isinstance(tag, Mapping) else (None, None)


async def held(deps: Deps, caller: Caller, resource: str) -> dict[str, str]:
    """Condition key → value, of the tags that a resource has; read only for who has a policy that asks."""
    if not any(policies.mentions(HELD) for policies in sets_of(caller)):
        return {}
    try:
        arn = parse_arn(resource)
    except ValueError:
        return {}  # ``*``, or what a caller has taken for an ARN
    row = await fetch_one(deps.store, tables.get_resource(arn.account, arn.region, "tags", resource))
    tags = {} if row is None else orjson.loads(row["body"])["tags"]
    return {f"{HELD}{key}": value for key, value in tags.items()}
