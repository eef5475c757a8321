"""expectedVersion: a change that is only for what the caller has seen."""

from __future__ import annotations

from sekisho.aws.errors import VersionConflictException
from sekisho.services.work import Document


def expect_version(document: Document, what: str, expected: int | None) -> None:
    """VersionConflictException unless none is expected or it is the document's; ``what`` names that."""
    if expected is not None and expected != document["version"]:
        raise VersionConflictException(f"{what} is at version {document['version']}, not {expected}")
