"""Names of functions, bare or as ARNs.

Source: AWS Lambda API Reference, Invoke, ``FunctionName``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sekisho.logic.arns import parse_arn
from sekisho.logic.json_text import shown

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_QUALIFIER = re.compile(r"\$LATEST|[A-Za-z0-9_-]{1,128}")


class FunctionName(NamedTuple):
    """``qualifier`` is a version or alias, ``""`` for none; region and account are ``""`` for a bare name."""

    name: str
    qualifier: str = ""
    region: str = ""
    account: str = ""


def parse_function(text: str) -> FunctionName:
    """``hook``, ``hook:2``, ``arn:aws:lambda:REGION:ACCOUNT:function:hook``; ValueError says why not."""
    if not text.startswith("arn:"):
        return _named(text.split(":"), text)
    arn = parse_arn(text)
    kind, *rest = arn.resource.split(":")
    if arn.service != "lambda" or kind != "function":
        raise ValueError(
            f"{shown(text)} is not the ARN of a function, arn:aws:lambda:REGION:ACCOUNT:function:NAME"
        )
    return _named(rest, text)._replace(region=arn.region, account=arn.account)


def _named(parts: list[str], text: str) -> FunctionName:
    name, qualifier = parts[0] if parts else "", parts[1] if len(parts) == 2 else ""
    fine = _NAME.fullmatch(name) and (len(parts) == 1 or _QUALIFIER.fullmatch(qualifier))
    if len(parts) not in (1, 2) or not fine:
        raise ValueError(
            f"{shown(text)} names no function: 1 to 64 of A-Z a-z 0-9 _ -, then perhaps a version"
        )
    return FunctionName(name, qualifier)


def why_not_callable(text: str, region: str, account: str) -> str | None:
    """Why an ARN is not that of a function in this region and account, or None if it is."""
    try:
        found = parse_function(text)
    except ValueError as error:
        return str(error)
    if not found.account:
        return f"{shown(text)} is not an ARN"
    if (found.region, found.account) != (region, account):
        return f"{shown(text)} is not a function of account {account}, region {region}"
    return None
