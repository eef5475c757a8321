"""An HTTP request and its answer, as far as an AWS API looks at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Request(NamedTuple):
    """What the wire said, nothing decoded yet.

    ``raw_path`` is still percent-encoded and without the query; ``query`` is raw and without its ``?``;
    ``headers`` have lower-cased names. The repr tells neither query, headers nor body: they hold secrets.
    """

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Request({self.method} {self.raw_path}, {len(self.body)} bytes)"


class Response(NamedTuple):
    """``headers`` as spelled on the wire, without Content-Length. The repr does not tell the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"
