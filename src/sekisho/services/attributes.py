"""Attributes of things and thing groups, as their operations change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def changed_attributes(known: Mapping[str, str], payload: Mapping[str, Any] | None) -> dict[str, str]:
    """The attributes after an AttributePayload: replaced, or merged into if it says so. An empty value takes
    an attribute away (botocore, AttributePayload)."""
    if payload is None or payload.get("attributes") is None:
        return dict(known)
    given = payload["attributes"]
    attributes = {**known, **given} if payload.get("merge") else given
    return {name: value for name, value in attributes.items() if value != ""}
