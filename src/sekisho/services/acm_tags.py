"""Tags of server certificates, as AWS Certificate Manager spells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sekisho.services.call import Call
from sekisho.services.server_certificates import put_certificate_tags, require_certificate
from sekisho.services.work import Document


async def add_tags_to_certificate(call: Call, CertificateArn: str, Tags: Sequence[Mapping[str, str]]) -> None:
    await require_certificate(call, CertificateArn)
    await put_certificate_tags(call, CertificateArn, Tags)


async def remove_tags_from_certificate(
    call: Call, CertificateArn: str, Tags: Sequence[Mapping[str, str]]
) -> None:
    """A tag with a value goes only if that is its value (AWS Certificate Manager API Reference)."""
    await require_certificate(call, CertificateArn)
    existing = await call.work.get("tags", CertificateArn)
    if existing is None:
        return
    kept = dict(existing["tags"])
    for tag in Tags:
        if tag.get("Value") in (None, kept.get(tag["Key"])):
            kept.pop(tag["Key"], None)
    await call.work.put("tags", CertificateArn, {"tags": kept})


async def list_tags_for_certificate(call: Call, CertificateArn: str) -> Document:
    await require_certificate(call, CertificateArn)
    existing = await call.work.get("tags", CertificateArn) or {"tags": {}}
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(existing["tags"].items())]}
