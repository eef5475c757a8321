"""Bills of materials of package versions: associated, validated, listed, taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.aws.errors import ConflictException, ValidationException
from sekisho.logic.sbom import ARCHIVE_BYTES, verdicts
from sekisho.objects.base import NoSuchObject
from sekisho.services.buckets import Buckets
from sekisho.services.call import Call
from sekisho.services.package_versions import require_location
from sekisho.services.packages import PAGE, VERSION, version_id
from sekisho.services.paging import key, token
from sekisho.services.work import Document

RESULTS = "sbomresults"


async def associate_sbom_with_package_version(
    call: Call, packageName: str, versionName: str, sbom: Mapping[str, Any], clientToken: str | None = None
) -> Document:
    """The archive is read and validated before this answers, so that it never says IN_PROGRESS."""
    id = version_id(packageName, versionName)
    version = await call.require(VERSION, id)
    bucket, name = require_location(sbom, "sbom")
    archive = await _read(call, bucket, name)
    # Unpacking and parsing may take a while, and take what they like: not on the loop.
    found = await call.deps.workers.run(verdicts, archive)
    results = [
        {
            "fileName": verdict.file_name,
            "validationResult": "FAILED" if verdict.error_code else "SUCCEEDED",
            **(
                {"errorCode": verdict.error_code, "errorMessage": verdict.error_message}
                if verdict.error_code
                else {}
            ),
        }
        for verdict in found
    ]
    failed = any(result["validationResult"] == "FAILED" for result in results)
    associated = {"sbom": dict(sbom), "sbomValidationStatus": "FAILED" if failed else "SUCCEEDED"}
    await call.work.put(RESULTS, id, {"results": results})
    return await call.work.put(VERSION, id, version | associated)


async def disassociate_sbom_from_package_version(
    call: Call, packageName: str, versionName: str, clientToken: str | None = None
) -> None:
    id = version_id(packageName, versionName)
    version = await call.require(VERSION, id)
    if "sbom" not in version:
        raise ConflictException(
            f"Version {versionName} of package {packageName} has no SBOM", resourceId=versionName
        )
    kept = {name: value for name, value in version.items() if name not in ("sbom", "sbomValidationStatus")}
    await call.work.delete(RESULTS, id)
    await call.work.put(VERSION, id, kept)


async def list_sbom_validation_results(
    call: Call,
    packageName: str,
    versionName: str,
    validationResult: str | None = None,
    maxResults: int | None = None,
    nextToken: str | None = None,
) -> Document:
    id = version_id(packageName, versionName)
    await call.require(VERSION, id)
    found = await call.work.get(RESULTS, id) or {"results": []}
    results = [one for one in found["results"] if validationResult in (None, one["validationResult"])]
    start = key(nextToken) or "0"
    if not (start.isascii() and start.isdigit() and len(start) < 10):
        raise ValidationException("nextToken is not one that this operation gave")
    end = int(start) + (maxResults or PAGE)
    further = token(str(end)) if end < len(results) else None
    return {"validationResultSummaries": results[int(start) : end], "nextToken": further}


async def _read(call: Call, bucket: str, name: str) -> bytes:
    """The object, or as much of it as says that it is too large."""
    found = await Buckets(call.deps.store, call.deps.objects, call.deps.clock).find(bucket)
    if found is None or found["account"] != call.account:
        raise ValidationException(f"sbom.s3Location: the bucket {bucket} does not exist in this account")
    try:
        opened = await call.deps.objects.open(bucket, name)
    except NoSuchObject:
        raise ValidationException(f"sbom.s3Location: the bucket {bucket} has no object {name}") from None
    try:
        return b"".join([chunk async for chunk in opened.read(0, ARCHIVE_BYTES + 1)])
    finally:
        await opened.close()
