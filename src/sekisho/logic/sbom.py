"""Software bills of materials: a zip archive of SPDX or CycloneDX documents in JSON, held against bounds.

Sources: AWS IoT Core API Reference, SbomValidationResultSummary (the codes); the SPDX specifications 2 and
3; the CycloneDX specification 1.x. The bounds are this project's.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import Any, NamedTuple

ARCHIVE_BYTES = 16 << 20
FILE_BYTES = 4 << 20
FILES = 100
ALL_BYTES = 32 << 20
"""Of all files together, unpacked: a worker reads them in one go, and others wait for it."""

ENTRIES = 1000
"""Of an archive's directory, with its folders; a longer one is not even read."""

_ENTRY = b"PK\x01\x02"
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

FORMAT = "INCOMPATIBLE_FORMAT"
SIZE = "FILE_SIZE_LIMIT_EXCEEDED"


class Verdict(NamedTuple):
    """``error_code`` is '' for a file that is right."""

    file_name: str
    error_code: str
    error_message: str


def verdicts(archive: bytes) -> list[Verdict]:
    """One for each file of the archive, in its order; one without a name if it cannot be read as a whole."""
    if len(archive) > ARCHIVE_BYTES:
        return [Verdict("", SIZE, f"the archive has more than {ARCHIVE_BYTES} bytes")]
    if archive.count(_ENTRY) > ENTRIES:
        return [Verdict("", SIZE, f"the archive has more than {ENTRIES} files and folders")]
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            files = [info for info in opened.infolist() if not info.is_dir()]
            if not files:
                return [Verdict("", FORMAT, "the archive has no files")]
            if len(files) > FILES:
                return [Verdict("", SIZE, f"the archive has more than {FILES} files")]
            if sum(min(info.file_size, FILE_BYTES) for info in files) > ALL_BYTES:
                return [Verdict("", SIZE, f"the files have more than {ALL_BYTES} bytes together")]
            return [_verdict(opened, info) for info in files]
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        return [Verdict("", FORMAT, f"not a zip archive that can be read: {error}")]


def _verdict(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Verdict:
    try:
        if info.file_size > FILE_BYTES:
            return Verdict(info.filename, SIZE, f"the file has more than {FILE_BYTES} bytes")
        if info.compress_type not in _PACKED:
            return Verdict(info.filename, FORMAT, "the file is neither stored nor deflated")
        with archive.open(info) as file:
            # Never more than the archive states, which is held against what there is by its checksum.
            text = file.read(FILE_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        return Verdict(info.filename, FORMAT, f"the file cannot be unpacked: {error}")
    if len(text) > FILE_BYTES:
        return Verdict(info.filename, SIZE, f"the file has more than {FILE_BYTES} bytes")
    return Verdict(info.filename, *_judged(text))


def _judged(text: bytes) -> tuple[str, str]:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return FORMAT, "not a JSON document"
    if not isinstance(document, dict):
        return FORMAT, "not a JSON object"
    context = str(document.get("@context", ""))
    if isinstance(document.get("spdxVersion"), str) or context.startswith("https://spdx.org/rdf/3"):
        return "", ""
    if document.get("bomFormat") == "CycloneDX" and isinstance(document.get("specVersion"), str):
        return "", ""
    return FORMAT, "neither an SPDX document (spdxVersion) nor a CycloneDX one (bomFormat, specVersion)"
