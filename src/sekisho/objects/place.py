"""Where the objects of a node live, by its setting ``objects``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from sekisho.objects.base import Objects, ObjectsError
from sekisho.objects.endpoint import EndpointObjects
from sekisho.objects.folder import FolderObjects


def open_objects(url: str, region: str, now: Callable[[], float]) -> Objects:
    """``file:PATH`` or ``s3:https://host:port``; ObjectsError for anything else. ``now`` in epoch seconds."""
    scheme, _, rest = url.partition(":")
    if scheme == "file" and rest:
        return FolderObjects(Path(rest), now)
    if scheme == "s3":
        parts = urlsplit(rest)
        if parts.username or parts.password or parts.query:
            raise ObjectsError(
                "objects: credentials come from the environment (AWS_ACCESS_KEY_ID, …), not from the URL"
            )
        if parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/"):
            return EndpointObjects(rest, region)
    shown = url.rpartition("@")[2]  # before it there may be credentials
    raise ObjectsError(f"objects = {shown!r}: expected file:PATH or s3:https://host:port")
