"""The canonical form of a request that Signature Version 4 signs.

Source: AWS IAM User Guide, "Create a signed AWS API request", step 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes

SINGLE_ENCODED = frozenset({"s3"})
"""Services whose path is signed as it stands; all others have it normalised and encoded once more."""


def path(raw_path: str, service: str) -> str:
    if service in SINGLE_ENCODED:
        return raw_path or "/"
    kept: list[str] = []
    for segment in raw_path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment and segment != ".":
            kept.append(segment)
    whole = "/" + "/".join(kept) + ("/" if kept and raw_path.endswith("/") else "")
    return quote(whole.encode("utf-8", "surrogatepass"), safe="/~")


def query_fields(query: str) -> list[tuple[str, str]]:
    """The fields as they are on the wire, still encoded, empty ones included."""
    found = []
    for field in query.split("&") if query else ():
        key, _, value = field.partition("=")
        found.append((key, value))
    return found


def encoded(fields: Iterable[tuple[str, str]]) -> str:
    """The fields decoded, encoded anew and sorted; a plus is a space, as it is when members are parsed."""
    return as_sent((_recoded(key), _recoded(value)) for key, value in fields if key or value)


def as_sent(fields: Iterable[tuple[str, str]]) -> str:
    """The fields sorted but otherwise untouched: some clients, botocore too, sign the URL as written."""
    return "&".join(f"{key}={value}" for key, value in sorted(fields))


def header(value: str) -> str:
    """A header's value with its white space trimmed and folded."""
    return " ".join(value.split())


def _recoded(text: str) -> str:
    plain = text.replace("+", " ").encode("utf-8", "surrogatepass")
    return quote(unquote_to_bytes(plain), safe="-_.~")
